"""The questions of a cohort: what is asked about each item, the closed set of answers, and the true one (``questions.parquet``).

A cohort without this file asks one question, whether its finding is there; so it did before there were others.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from empirical.prompts.templates import LONGEST_ANSWER, LONGEST_PROMPT, normalised_answer
from see_in_pairs.errors import InputError, did_you_mean, first_few
from see_in_pairs.files import read_table, write_parquet

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

TEXTS = ("item_id", "question_id", "question", "answer", "scale", "finding")
QUESTION_COLUMNS = ("item_id", "question_id", "question", "choices", "answer", "scale", "finding")
SCALES = ("binary", "nominal", "ordinal")
"""``binary``: the positive answer, then the negative; ``ordinal``: from the lowest to the highest; ``nominal``: no order."""
FILE = "questions.parquet"


def read_questions(folder: Path) -> pd.DataFrame | None:
    """Read the questions of a cohort's folder, choices as tuples; None where it has none. They are checked with the items."""
    file = folder / FILE
    if not file.is_file():
        return None
    table = read_table(file)
    if "choices" in table:
        table["choices"] = [_as_choices(cell) for cell in table["choices"]]
    return table


def write_questions(folder: Path, questions: pd.DataFrame | None) -> None:
    """Write the questions atomically, or remove those of an earlier cohort in the folder."""
    if questions is None:
        (folder / FILE).unlink(missing_ok=True)
    else:
        write_parquet(folder / FILE, questions.assign(choices=questions["choices"].map(list)))


def _as_choices(cell: Any) -> Any:
    if isinstance(cell, str):  # of a table that was written by hand
        try:
            cell = json.loads(cell)
        except ValueError:
            return cell
    return tuple(cell) if hasattr(cell, "__len__") and not isinstance(cell, (str, bytes, dict)) else cell


def check_questions(questions: pd.DataFrame, table: pd.DataFrame, source: str) -> None:
    """Refuse questions that break the format, or are about items that the cohort does not have."""
    import pandas as pd

    if missing := [column for column in QUESTION_COLUMNS if column not in questions.columns]:
        raise InputError(f"{source}: questions need the column(s) {first_few(missing, 7)}")
    if questions.empty:
        raise InputError(f"{source}: no question; take the file away, or ask one")
    wrong = [column for column in TEXTS if not all(isinstance(cell, str) for cell in questions[column])]
    if wrong:
        raise InputError(f"{source}: {first_few(wrong)}: must hold text throughout, '' where nothing is known")
    names = questions["item_id"] + " " + questions["question_id"]

    def refuse(bad: pd.Series, what: str) -> None:
        if bad.any():
            raise InputError(f"{source}: {what}: {int(bad.sum())} question(s), {first_few(list(names[bad]))}")

    if unknown := sorted({*questions["scale"]} - {*SCALES}):
        raise InputError(f"{source}: unknown scale '{unknown[0]}' (known: {', '.join(SCALES)}){did_you_mean(unknown[0], SCALES)}")
    refuse(~questions["item_id"].isin(table["item_id"]), "items that the cohort does not have")
    refuse(questions.duplicated(["item_id", "question_id"]), "asked twice about an item")
    refuse((questions["question_id"] == "") | (questions["question"].str.strip() == ""), "without an id or without words")
    refuse(questions["question"].str.len() > LONGEST_PROMPT, f"longer than {LONGEST_PROMPT:,} characters")
    listed = questions["choices"].map(lambda cell: isinstance(cell, tuple) and all(isinstance(word, str) for word in cell))
    refuse(~listed, "choices that are no list of text")
    wrong_of = {closed: _wrong_choices(closed) for closed in set(questions["choices"])}  # few distinct ones
    for what in dict.fromkeys(filter(None, wrong_of.values())):
        refuse(questions["choices"].map(wrong_of) == what, what)
    ordinal = questions["scale"] == "ordinal"
    absent = ~pd.Series(
        [answer in closed for answer, closed in zip(questions["answer"], questions["choices"], strict=True)], questions.index
    )
    for rows, what in ((absent & ordinal, "grade(s) outside their scale"), (absent & ~ordinal, "answer(s) missing from their choices")):
        if rows.any():
            first = questions[rows].iloc[0]
            choices = first_few(list(first["choices"]), 12)
            raise InputError(f"{source}: {int(rows.sum())} {what}: '{first['answer']}' of {first['item_id']} is none of {choices}")
    binary = set(questions.loc[questions["scale"] == "binary", "choices"])
    if any(len(choices) != 2 for choices in binary):
        raise InputError(f"{source}: a binary question has two choices, the positive answer first")
    if len(binary) > 1:
        sets = first_few([" or ".join(choices) for choices in sorted(binary)], 4)
        raise InputError(f"{source}: binary questions with different answers ({sets}); give all the same two, or make them nominal")
    same = ["question_id", "choices", "scale"]
    shared = questions.drop_duplicates(same)["question_id"].value_counts()
    ordered = set(questions.loc[ordinal, "question_id"])
    if several := [name for name, number in shared.items() if number > 1 and name in ordered]:
        raise InputError(f"{source}: question '{several[0]}' has several scales; an ordinal question has one")


def _wrong_choices(choices: tuple[str, ...]) -> str:
    """Say what is wrong with a closed set of answers; ``''`` if nothing is."""
    plain = [normalised_answer(word) for word in choices]
    if len(choices) < 2:
        return "fewer than two choices"
    if "" in plain:
        return "an empty choice"
    if len(set(plain)) < len(plain):
        return "duplicated choices (they must differ in more than case, spaces and dots)"
    return f"a choice of more than {LONGEST_ANSWER} characters" if max(map(len, choices)) > LONGEST_ANSWER else ""


def scales_of(questions: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The choices of each ordinal question, from the lowest to the highest."""
    ordinal = questions[questions["scale"] == "ordinal"]
    return dict(zip(ordinal["question_id"], ordinal["choices"], strict=True))


def binary_answers(questions: pd.DataFrame) -> tuple[str, str] | None:
    """The positive and the negative answer of the binary questions; None where there are none."""
    binary = questions.loc[questions["scale"] == "binary", "choices"]
    return None if binary.empty else tuple(binary.iloc[0])
