"""Questions of a cohort: what is refused, and that they are saved, read and hashed with it."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from empirical import PhantomConfig, make_phantom
from empirical.cohorts import Cohort
from empirical.cohorts.questions import QUESTION_COLUMNS, binary_answers, check_questions, scales_of
from see_in_pairs.errors import InputError

ITEMS = pd.DataFrame({"item_id": ["a", "b", "c"]})
GRADES = ("none", "mild", "severe")


def asked(**changes: object) -> pd.DataFrame:
    """Three kinds of question about two items; `changes` replace the cells of the first row."""
    rows = [
        ("a", "nodule", "Does the query show a nodule?", ("yes", "no"), "yes", "binary", "a nodule"),
        ("b", "nodule", "Does the query show a nodule?", ("yes", "no"), "no", "binary", "a nodule"),
        ("a", "grade", "Which grade?", GRADES, "mild", "ordinal", ""),
        ("b", "grade", "Which grade?", GRADES, "none", "ordinal", ""),
        ("b", "q7", "Where is it?", ("left", "right", "both sides"), "left", "nominal", ""),
    ]
    table = pd.DataFrame(rows, columns=list(QUESTION_COLUMNS))
    for column, value in changes.items():
        table.at[0, column] = value
    return table


def test_valid_questions_pass_and_tell_their_answers() -> None:
    questions = asked()
    check_questions(questions, ITEMS, "here")
    assert binary_answers(questions) == ("yes", "no")
    assert scales_of(questions) == {"grade": GRADES}
    assert binary_answers(questions[questions["scale"] != "binary"]) is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"answer": "perhaps"}, "missing from their choices: 'perhaps' of a is none of"),
        ({"scale": "ordinal", "answer": "V"}, "outside their scale: 'V' of a"),
        ({"choices": ()}, "fewer than two choices"),
        ({"choices": ("yes",)}, "fewer than two choices"),
        ({"choices": ("yes", "Yes.")}, "duplicated choices"),
        ({"choices": ("yes", " ")}, "an empty choice"),
        ({"choices": "yes or no"}, "no list of text"),
        ({"choices": ("yes", 3)}, "no list of text"),
        ({"choices": ("yes", "no", "unclear")}, "has two choices"),
        ({"choices": ("yes", "not")}, "binary questions with different answers"),
        ({"item_id": "z"}, "items that the cohort does not have"),
        ({"item_id": "b"}, "asked twice"),
        ({"question": " "}, "without an id or without words"),
        ({"scale": "orderly"}, "unknown scale 'orderly'"),
        ({"finding": None}, "finding: must hold text"),
    ],
)
def test_wrong_questions_are_one_line(changes: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        check_questions(asked(**changes), ITEMS, "here")
    assert "\n" not in str(caught.value)


def test_an_ordinal_question_has_one_scale() -> None:
    questions = asked()
    questions.at[3, "choices"] = ("none", "severe")
    with pytest.raises(InputError, match="question 'grade' has several scales"):
        check_questions(questions, ITEMS, "here")


def test_they_are_saved_read_and_hashed_with_the_cohort(tmp_path: Path) -> None:
    cohort = make_phantom(PhantomConfig(size=40, n_train=2, n_val=0, n_test=4), tmp_path / "phantom", seed=0)
    plain = cohort.hash
    names = list(cohort.table["item_id"])[:2]
    questions = asked().assign(item_id=lambda table: table["item_id"].map(dict(zip("ab", names, strict=True))))
    replace(cohort, questions=questions).save()
    again = Cohort.load(cohort.folder)
    assert again.questions is not None
    pd.testing.assert_frame_equal(again.questions, questions)
    assert again.hash != plain and "3 questions on" in repr(again)
    other = replace(again, questions=questions.assign(answer=["no", *questions["answer"][1:]]))
    assert other.hash not in (plain, again.hash)
    replace(again, questions=None).save()
    assert Cohort.load(cohort.folder).questions is None and Cohort.load(cohort.folder).hash == plain
