"""References that come with a set: an earlier image of the same patient, healthy or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from empirical.arms import ArmConfig, assign_references
from empirical.cohorts import Cohort, CohortInfo
from empirical.references import ReferenceConfig, choose_references
from empirical.references.diagnostics.balance import balance_table, unmatched_text
from empirical.references.rules import audit_references
from paper_figures.cli import app
from see_in_pairs.console import run_app
from see_in_pairs.errors import CheckFailed, InputError

GIVEN = ReferenceConfig(strategy="given")
ARM = ArmConfig(arm="unlabelled", references=GIVEN)


def cohort(asked: tuple[str, ...] = ("b", "d"), **changes: object) -> Cohort:
    rows = [
        ("a", "p", "test", "sick", "", 1.0),
        ("b", "p", "test", "healthy", "a", 2.0),
        ("c", "q", "test", "healthy", "", 1.0),
        ("d", "q", "test", "sick", "c", 2.0),
    ]
    table = pd.DataFrame(rows, columns=["item_id", "patient_id", "split", "label", "given_reference", "follow_up"])
    table = table.assign(
        **dict.fromkeys(["mask", "family", "site", "serves", "sex", "view", "sha256"], ""), image=table["item_id"], age=50.0
    )
    for place, (column, value) in changes.items():
        table.loc[int(place[1:]), column] = value
    questions = pd.DataFrame({"item_id": asked, "question_id": "q", "question": "Better?", "choices": [("yes", "no")] * len(asked)})
    questions = questions.assign(answer="yes", scale="binary", finding="")
    return Cohort(Path("toy"), CohortInfo("toy", "vqa", "healthy", ["sick"], "image", "a finding"), table, questions)


def test_each_query_gets_the_image_of_the_set_even_if_it_is_sick() -> None:
    chosen = assign_references(cohort(), "test", ARM, seed=0)
    assert chosen is not None and chosen.references() == {"b": ("a",), "d": ("c",)}
    assert chosen.strategy == "given" and set(chosen.table["note"]) == {"given by the set"}


def test_the_balance_needs_no_healthy_pool() -> None:
    data = cohort()
    table = balance_table(data, "test", choose_references(data, "test", GIVEN, seed=0), ("age",))
    assert table["smd_before"].equals(table["smd_after"]) and len(table) == 1


def test_a_query_without_one_stops_or_is_left_out() -> None:
    data = cohort(("a", "b", "d"))
    with pytest.raises(InputError, match=r"1 of 3 queries cannot be matched: a \(no given reference\); set unmatched: leave_out"):
        choose_references(data, "test", GIVEN, seed=0)
    left = choose_references(data, "test", GIVEN.model_copy(update={"unmatched": "leave_out"}), seed=0)
    assert left.left_out == {"a"} and left.references() == {"b": ("a",), "d": ("c",)}
    assert unmatched_text(data, "test", left).startswith("1 of 3 test queries not matched")  # c is asked nothing
    with pytest.raises(InputError, match="its given reference z is not in the cohort"):
        choose_references(cohort(_1=("given_reference", "z")), "test", GIVEN, seed=0)


def test_a_later_image_and_one_of_another_patient_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckFailed, match="prior_not_earlier: 1 references are not earlier"):
        assign_references(cohort(_0=("follow_up", 3.0)), "test", ARM, seed=0)
    replace(cohort(_0=("follow_up", 3.0)), folder=tmp_path / "late").save()
    words = ["cohort", "references", str(tmp_path / "late"), "--out", str(tmp_path / "out"), "--set", "strategy=given", "--set"]
    assert run_app(app, [*words, "unmatched=leave_out"]) == 1 and not (tmp_path / "out").exists()
    assert "prior_not_earlier: 1 references are not earlier" in capsys.readouterr().err
    other = cohort(_1=("given_reference", "c"))
    with pytest.raises(CheckFailed, match="reference_from_evaluation"):
        assign_references(other, "test", ARM, seed=0)
    names = [finding.name for finding in audit_references(other, "test", choose_references(other, "test", GIVEN, seed=0))]
    assert names == ["reference_from_evaluation"]


def test_an_unknown_time_is_not_held_against_a_given_reference() -> None:
    assert assign_references(cohort(_0=("follow_up", float("nan"))), "test", ARM, seed=0) is not None


def test_only_an_arm_that_does_not_call_it_healthy_takes_it() -> None:
    for arm in ("pair", "diseased", "reversed", "reference_only"):
        with pytest.raises(ValidationError, match="use the arm 'unlabelled'"):
            ArmConfig(arm=arm, references=GIVEN)
    with pytest.raises(ValidationError, match="use the arm 'unlabelled'"):
        ArmConfig(arm="single", extra_healthy=GIVEN)


def test_sets_without_pairs_and_several_references_are_one_line() -> None:
    data = cohort()
    bare = Cohort(data.folder, data.info, data.table.drop(columns="given_reference"), data.questions)
    with pytest.raises(InputError, match="no column 'given_reference'"):
        choose_references(bare, "test", GIVEN, seed=0)
    with pytest.raises(InputError, match="leave m and references_per_query at 1"):
        assign_references(data, "test", ARM, seed=0, draws=2)
