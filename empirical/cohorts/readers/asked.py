"""Questions from what a reader knows: grades, findings, and the values of a column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from empirical.cohorts.csv_io import as_text, parse_number
from empirical.cohorts.questions import QUESTION_COLUMNS
from empirical.prompts.templates import normalised_answer
from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd

YES_NO = ("yes", "no")
OTHER = "other"
"""The label of images that are not known to be healthy, in cohorts that ask questions."""
MOST_CHOICES = 30  # values of a column that is asked for


def ask_items(
    items: pd.Series, answers: pd.Series, question_id: str, question: str, choices: Sequence[str], scale: str, finding: str = ""
) -> pd.DataFrame:
    """One question about items, without those that have no answer (``''``)."""
    import pandas as pd

    rows = pd.DataFrame({"item_id": items.to_numpy(), "answer": answers.to_numpy()})
    rows = rows[rows["answer"] != ""].reset_index(drop=True)
    rows = rows.assign(question_id=question_id, question=question, scale=scale, finding=finding)
    rows["choices"] = [tuple(choices)] * len(rows)
    return rows[list(QUESTION_COLUMNS)]


def ask_finding(items: pd.Series, answers: pd.Series, finding: str) -> pd.DataFrame:
    """Ask whether a finding is there."""
    words = finding.replace("_", " ").lower()
    return ask_items(items, answers, words, f"Does the query show {words}?", YES_NO, "binary", words)


def choose_findings(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """The findings that were asked for: names, or ``all``."""
    if list(asked) == ["all"]:
        return list(known)
    for name in asked:
        if name not in known:
            raise InputError(f"--findings {name}: not a finding of the table (findings: {first_few(known, 20)}){did_you_mean(name, known)}")
    return list(dict.fromkeys(asked))


def ask_column(table: pd.DataFrame, column: str, counts: dict[str, int]) -> pd.DataFrame:
    """Ask for the value of a column, among all values that occur; items without one are not asked, and are counted."""
    if column not in table:
        raise InputError(f"--ask {column}: no such column (there are {first_few(list(table), 20)}){did_you_mean(column, table.columns)}")
    values = as_text(table[column], f"--ask {column}")
    choices = sorted(set(values) - {""})
    if not (parse_number(values).isna() & (values != "")).any():
        choices.sort(key=float)  # as text, 10 would stand before 9
    if not 2 <= len(choices) <= MOST_CHOICES:
        raise InputError(f"--ask {column}: has {len(choices)} different values; a question has 2 to {MOST_CHOICES} choices")
    if len({normalised_answer(choice) for choice in choices}) < len(choices):
        raise InputError(f"--ask {column}: writes one value in several ways ({first_few(choices, 6)}); write each in one way only")
    counts |= {f"items_without_{column}": int((values == "").sum())} if (values == "").any() else {}
    words = column.replace("_", " ")
    return ask_items(table["item_id"], values, column, f"Which {words} does the query show?", choices, "nominal", words)


def find_grade(text: str, scale: Sequence[str], option: str) -> str:
    """A grade by its name, or by its number where the names begin with numbers, or count from 0."""
    plain = text.strip().casefold()
    for place, grade in enumerate(scale):
        number = re.match(r"\d+", grade)
        if plain in (grade.casefold(), number.group(0) if number else str(place)):
            return grade
    raise InputError(f"{option} {text.strip()}: no such grade (there are {first_few(scale, 12)}){did_you_mean(text, scale)}")


def merge_grades(
    grades: pd.Series, scale: Sequence[str], merges: Sequence[str], least: int, counts: dict[str, int], column: str
) -> dict[str, str]:
    """The name of each grade after merging: those that were asked for, then, while one has fewer than `least` images, the rarest.

    Only neighbours of the scale are merged: the rarest grade goes to its rarer neighbour, to the lower one if both have as many. Grades
    that no image has always go to a neighbour.
    """
    groups = [[grade] for grade in scale]
    for merge in merges:
        places = sorted({scale.index(find_grade(text, scale, "--merge")) for text in merge.split("+")})
        if len(places) < 2 or places != list(range(places[0], places[-1] + 1)):
            raise InputError(f"--merge {merge}: name neighbours of the scale, as in '8+9+10' (there are {first_few(scale, 12)})")
        wanted = {scale[number] for number in places}
        together = [grade for group in groups if wanted & set(group) for grade in group]
        first = next(number for number, group in enumerate(groups) if wanted & set(group))
        groups = [group for group in groups if not wanted & set(group)]
        groups.insert(first, together)
    if len(groups) < 2:
        raise InputError(f"'{column}': only one grade is left ({' or '.join(groups[0])}), and a question has two or more; keep more grades")
    size = grades.value_counts()
    need = max(least, 1)
    while len(groups) > 2:
        sizes = [int(sum(size.get(grade, 0) for grade in group)) for group in groups]
        rarest = min(range(len(groups)), key=lambda number: sizes[number])
        if sizes[rarest] >= need:
            break
        sides = [number for number in (rarest - 1, rarest + 1) if 0 <= number < len(groups)]
        other = min(sides, key=lambda number: (sizes[number], number))
        low, high = sorted((rarest, other))
        groups[low : high + 1] = [groups[low] + groups[high]]
    if any(sum(size.get(grade, 0) for grade in group) < need for group in groups):
        many = f"{need} images; lower --least, or" if least > 1 else "images;"
        raise InputError(f"'{column}': fewer than two grades have {many} import more")
    if merged := len(scale) - len(groups):
        counts[f"grades_merged_of_{column}"] = merged
    return {grade: " or ".join(group) for group in groups for grade in group}
