"""The content of a cohort, as tables and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.overview.contact_sheet import CLASS_COLOURS
from empirical.cohorts.schema import SPLITS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPING = ("sex", "site", "view")
MOST_QUESTIONS = 30  # rows of the table of questions; all others are counted together
MOST_LEVELS = 8  # columns of a table, bars of a panel; all other levels are counted together


def summary_tables(cohort: Cohort) -> dict[str, pd.DataFrame]:
    """Count the items of a cohort, as tables by title.

    Items and patients by split and label; the same by sex, site and view where known; age by split; missing values; and the counts of
    the import.
    """
    import pandas as pd

    order = [split for split in SPLITS if (cohort.table["split"] == split).any()]
    table = cohort.table.assign(split=pd.Categorical(cohort.table["split"], order))
    groups = table.groupby(["split", "label"], observed=True)
    tables = {"Items and patients": groups.agg(items=("item_id", "size"), patients=("patient_id", "nunique")).reset_index()}
    for column in GROUPING:
        if (table[column] != "").any():
            counts = pd.crosstab([table["split"], table["label"]], _levels(table[column]))
            tables[f"Items by {column}"] = counts.reset_index().rename_axis(columns=None)
    if table["age"].notna().any():
        quantiles = groups["age"].describe()[["count", "min", "25%", "50%", "75%", "max"]].reset_index()
        tables["Age in years"] = quantiles.rename(columns={"count": "known", "50%": "median"}).astype({"known": int})
    if cohort.questions is not None:
        tables |= question_tables(cohort.questions, cohort.table)
    tables["Items without a value"] = _missing(table)
    if cohort.info.counts:
        counted = [(name.replace("_", " "), number) for name, number in cohort.info.counts.items()]
        tables["Counted while making the cohort"] = pd.DataFrame(counted, columns=["what", "how many"])
    return tables


def question_tables(questions: pd.DataFrame, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Count each question and its answers; the share of the most frequent answer is what a model reaches that never looks.

    Questions that are asked most come first; all but `MOST_QUESTIONS` are counted together.
    """
    import pandas as pd

    split = questions["item_id"].map(table.set_index("item_id")["split"])
    rows = []
    common = questions["question_id"].value_counts(sort=True).index[:MOST_QUESTIONS]
    for name in common:
        asked = questions[questions["question_id"] == name]
        shares = asked["answer"].value_counts(normalize=True)
        counted = {part: int((split[asked.index] == part).sum()) for part in SPLITS if (split == part).any()}
        words = " ".join(str(asked["question"].iloc[0]).split())
        first = {"question": name, "words": words if len(words) <= 60 else f"{words[:57]}...", "scale": asked["scale"].iloc[0]}
        answers = ", ".join(f"{answer} {100 * share:.0f} %" for answer, share in shares.head(MOST_LEVELS).items())
        more = f" and {len(shares) - MOST_LEVELS} others" if len(shares) > MOST_LEVELS else ""
        rows.append(first | counted | {"patients": _patients(asked, table), "answers": answers + more})
    tables = {"Questions": pd.DataFrame(rows)}
    by_scale = questions.groupby("scale")
    most = questions.groupby("question_id")["answer"].transform(lambda answers: answers.value_counts().index[0])
    kinds = by_scale.agg(questions=("question_id", "nunique"), rows=("item_id", "size"), items=("item_id", "nunique")).reset_index()
    kinds["% by the most frequent answer"] = [100 * float((rows["answer"] == most[rows.index]).mean()) for _, rows in by_scale]
    tables["Questions by scale"] = kinds
    if len(common) < questions["question_id"].nunique():
        rest = ~questions["question_id"].isin(common)
        tables["Questions not listed"] = pd.DataFrame(
            {"questions": [questions.loc[rest, "question_id"].nunique()], "rows": [int(rest.sum())]}
        )
    return tables


def _patients(asked: pd.DataFrame, table: pd.DataFrame) -> int:
    return int(table.loc[table["item_id"].isin(asked["item_id"]), "patient_id"].nunique())


def known_columns(cohort: Cohort) -> list[str]:
    """List the columns that can be drawn: ``'split'``, and those of age, sex, site and view that are known."""
    ages = ["age"] if cohort.table["age"].notna().any() else []
    return ["split", *ages, *(column for column in GROUPING if (cohort.table[column] != "").any())]


def summary_figure(cohort: Cohort, panels: Sequence[str]) -> Figure:
    """Draw the counts of `summary_tables`, one panel for each column; shares are within a class."""
    from matplotlib.figure import Figure

    across = min(len(panels), 2 if len(panels) == 4 else 3)
    down = -(-len(panels) // across)
    figure = Figure(figsize=(3.3 * across, 2.9 * down), dpi=130, layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis, column in zip(axes, panels, strict=False):
        _ages(axis, cohort) if column == "age" else _bars(axis, cohort, column)
        axis.set_title(column, loc="left", fontsize=11, fontweight="bold")
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=8, frameon=False)
    return figure


def _levels(values: pd.Series) -> pd.Series:
    """Name missing values, and merge all but the most common levels."""
    named = values.mask(values == "", "(missing)")
    common = named.value_counts().index[:MOST_LEVELS]
    return named.where(named.isin(common), f"({named.nunique() - MOST_LEVELS} others)")


def _missing(table: pd.DataFrame) -> pd.DataFrame:
    empty = (table[list(GROUPING)] == "").assign(age=table["age"].isna())
    counts = empty.groupby(table["split"], observed=True).sum().T
    return counts.assign(all=empty.sum()).reset_index(names="column").rename_axis(columns=None)


def _classes(cohort: Cohort) -> dict[str, tuple[float, float, float, float]]:
    """Choose the colour of each class: blue for the control, shades of orange for the classes to detect."""
    fades = np.linspace(1, 0.4, len(cohort.info.positive))
    positive = {label: _colour("diseased", fade) for label, fade in zip(cohort.info.positive, fades, strict=True)}
    return {cohort.info.healthy: _colour("healthy", 1)} | positive


def _colour(role: str, opacity: float) -> tuple[float, float, float, float]:
    red, green, blue = CLASS_COLOURS[role]
    return red / 255, green / 255, blue / 255, float(opacity)


def _bars(axis: Axes, cohort: Cohort, column: str) -> None:
    table = cohort.table if column == "split" else cohort.table[cohort.table["split"] != "reference"]
    values = table[column] if column == "split" else _levels(table[column])
    levels = [split for split in SPLITS if split in set(values)] if column == "split" else list(values.value_counts().index)
    classes = _classes(cohort)
    width = 0.8 / len(classes)
    for number, (label, colour) in enumerate(classes.items()):
        chosen = values[table["label"] == label]
        heights = np.array([(chosen == level).sum() for level in levels], dtype=float)
        heights = heights if column == "split" else 100 * heights / max(len(chosen), 1)
        axis.bar(np.arange(len(levels)) + (number - (len(classes) - 1) / 2) * width, heights, width, color=colour, label=label)
    long = max(len(str(level)) for level in levels) > 6
    axis.set_xticks(np.arange(len(levels)), levels, fontsize=8, rotation=30 if long else 0, ha="right" if long else "center")
    axis.set_ylabel("items" if column == "split" else "% of the class", fontsize=9)


def _ages(axis: Axes, cohort: Cohort) -> None:
    queries = cohort.table[cohort.table["split"] != "reference"]
    edges = list(range(0, int(max(100.0, float(queries["age"].max()))) + 11, 10))
    for label, colour in _classes(cohort).items():
        ages = queries.loc[queries["label"] == label, "age"].dropna()
        if len(ages):
            axis.hist(ages, edges, weights=np.full(len(ages), 100 / len(ages)), histtype="step", color=colour, linewidth=2, label=label)
    axis.set_xlabel("years", fontsize=9)
    axis.set_ylabel("% of the class", fontsize=9)
