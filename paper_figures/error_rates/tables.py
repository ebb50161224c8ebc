"""Results of the error-rate studies as tables: one tidy CSV per study, and pages of type-I error and power."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.error_rates.factors import NAMES as FACTORS
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from theory.sweeps import Results

STUDIES = Path(__file__).parent / "studies"
NAMES = (
    "accuracy",
    "auroc",
    "auroc_mixed",
    "auroc_independent",
    "auroc_ratings",
    "resampling_accuracy",
    "resampling_auroc",
    "lopsided",
    "references",
    "training",
    "mrmc_accuracy",
    "mrmc_auroc",
    "channels",
)
FRACTIONS = tuple(f"factors_{name}" for name in FACTORS)
"""Studies of many cells (`paper_figures.error_rates.factors`), which run only if they are named."""

MEASURES = ("type_1_error", "power", "coverage")
LEVEL = 0.05

RECOMMENDED = {"accuracy": "sign-flip, all patterns", "auroc": "clustered DeLong, jackknife t"}
"""The tests of clustered items that `paper_figures.comparison.recommendation` names, as the studies call them."""

TITLES = {
    "accuracy": "Accuracy, closed-form tests",
    "auroc": "AUROC, closed-form tests",
    "auroc_mixed": "AUROC where clusters hold both classes",
    "auroc_independent": "AUROC of independent items",
    "auroc_ratings": "AUROC of independent items rated in five steps",
    "resampling_accuracy": "Accuracy, resampling tests in twelve cells",
    "resampling_auroc": "AUROC, resampling tests in twelve cells",
    "lopsided": "A null hypothesis without symmetry",
    "references": "Items that share patients and references",
    "training": "Several trainings",
    "mrmc_accuracy": "Published multireader analyses, accuracy",
    "mrmc_auroc": "Published multireader analyses, AUROC",
    "channels": "Channelised observers in the limit of many cases",
}
HEADINGS = {"type_1_error": "Type-I error", "power": "Power", "coverage": "Coverage of the interval"}


def measure(results: Results, more: Sequence[str] = ()) -> pd.DataFrame:
    """Type-I error, power and coverage of a study, and `more` measures, one row each.

    The columns are the factors of the design, then ``truth, method, measure, value, mcse, replicates``.
    """
    from theory.sweeps.performance.table import performance

    table = performance(results, (*MEASURES, *more))
    table = table[table["value"].notna()].drop(columns=["cell", "failed", "note"]).rename(columns={"completed": "replicates"})
    return table.round({"value": 5, "mcse": 5, "truth": 5}).reset_index(drop=True)


def largest_size(table: pd.DataFrame, method: str) -> tuple[float, float]:
    """Largest type-I error of a method over the cells, and the bound for one cell by chance: .05 + 3 MCSE."""
    rows = table[(table["measure"] == "type_1_error") & (table["method"] == method)]
    return float(rows["value"].max()), LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / float(rows["replicates"].min()))


def page(tables: dict[str, pd.DataFrame]) -> str:
    """Write all tables as a page of Markdown; type-I errors above .05 + 3 MCSE are bold."""
    parts = [
        "# Error rates: all tables\n",
        "Shares in thousandths of the replicates: `52` is .052. A type-I error that is above .05 by more than 3 Monte Carlo standard "
        "errors is **bold**; MCSEs are in the CSV files beside this page.\n",
        "The effect under the alternative is chosen cell by cell, such that a test that knew the variance would have a power of .80 (less "
        "where so large a difference is impossible). Do not compare powers between cells. The power of a test whose type-I error is bold "
        "means nothing.\n",
    ]
    for name, table in tables.items():
        parts.append(f"## {TITLES[name]}\n")
        for kind, heading in HEADINGS.items():
            rows = table[table["measure"] == kind]
            if len(rows):
                parts.append(f"### {heading}: {TITLES[name]}\n\n{_wide(rows)}\n")
    return "\n".join(parts)


def _wide(rows: pd.DataFrame) -> str:
    """Lay a tidy table out with a column per method, in the order of the study."""
    factors = [name for name in rows.columns[: rows.columns.get_loc("truth")] if rows[name].nunique() > 1]
    methods = list(dict.fromkeys(rows["method"]))
    cells = {(tuple(row[f] for f in factors), row["method"]): row for row in rows.to_dict("records")}
    lines = ["| " + " | ".join([*factors, *methods]) + " |", "|" + "---|" * (len(factors) + len(methods))]
    for key in dict.fromkeys(key for key, _ in cells):
        shown = [_share(cells.get((key, method))) for method in methods]
        lines.append("| " + " | ".join([*(str(value) for value in key), *shown]) + " |")
    return "\n".join(lines) + "\n"


def _share(row: dict[Any, Any] | None) -> str:
    if row is None:
        return ""
    value, replicates = float(row["value"]), float(row["replicates"])
    text = f"{1000 * value:.0f}"
    above = row["measure"] == "type_1_error" and value > LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / replicates)
    return f"**{text}**" if above else text


def with_tables(page: str, tables: Mapping[str, str]) -> str:
    """Put tables between their marks in a page of Markdown."""
    for name, text in tables.items():
        first, last = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if first not in page or last not in page:
            raise InputError(f"the page has no marks for the table '{name}': {first.strip()} ... {last}")
        page = f"{page.partition(first)[0]}{first}\n{text}\n{last}{page.partition(last)[2]}"
    return page


TRIED = (
    "DeLong, z", "DeLong, jackknife t (independent)", "logit, z", "unbiased variance, t", "swaps, normal", "swaps", "swaps, studentised",
)  # fmt: skip
"""Tests of a paired AUROC difference of independent items, in the order of the page."""


def tried_tests(table: pd.DataFrame) -> str:
    """Sizes and mean powers of the tests of independent areas that were tried, as Markdown, from the table of `auroc_independent`."""
    balanced = table["prevalence"] >= 0.4
    kinds = {
        "balanced, alike": balanced & (table["slope"] == 1),
        "balanced, slopes 1.5": balanced & (table["slope"] != 1),
        "one in ten, alike": ~balanced & (table["slope"] == 1),
        "one in ten, slopes 1.5": ~balanced & (table["slope"] != 1),
    }
    short = lambda value: f"{value:.3f}".replace("0.", ".", 1)
    lines = ["| size: smallest, median, largest; mean power where alike | " + " | ".join(kinds) + " |", "|" + "---|" * (len(kinds) + 1)]
    for name in TRIED:
        cells = []
        for rows in kinds.values():
            here = table[rows & (table["method"] == name)]
            sizes, powers = (here.loc[here["measure"] == measure, "value"] for measure in ("type_1_error", "power"))
            bound = LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / float(here["replicates"].min()))
            largest = f"**{short(sizes.max())}**" if sizes.max() > bound else short(sizes.max())
            cells.append(
                ", ".join([short(sizes.min()), short(sizes.median()), largest]) + (f"; {short(powers.mean())}" if len(powers) else "")
            )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def recommended_tests(folder: Path) -> str:
    """Median and largest type-I error of each recommended test over the designs in which it is recommended, as Markdown.

    `folder` is ``docs/results``, with the CSV files of the error-rate studies.
    """
    import pandas as pd

    from paper_figures.error_rates.factors import admitted
    from paper_figures.statistics.roc.rare_class import LEAST_SHARE

    read = lambda name: pd.read_csv(folder / ("factors" if name in FRACTIONS else "error-rates") / f"{name}.csv")
    accuracy, auroc, mixed, single = (read(name) for name in ("accuracy", "auroc", "auroc_mixed", "auroc_independent"))
    balanced, pages = single["prevalence"] >= LEAST_SHARE, "../results/error-rates/tables.md"
    rows = [
        ("accuracy, independent items", "mid-p McNemar", accuracy[accuracy["correlation"] == 0], "McNemar mid-p", "accuracy"),
        ("accuracy, several items per patient", "sign-flip over patients", accuracy, RECOMMENDED["accuracy"], "accuracy"),
        ("AUROC, independent items", "permutation of swapped arms", single[balanced], "swaps, studentised", "auroc_independent"),
        ("AUROC, independent items, a rare class", "DeLong by $t$", single[~balanced], TRIED[1], "auroc_independent"),
        ("AUROC, several items per patient", "clustered DeLong by $t$", auroc, RECOMMENDED["auroc"], "auroc"),
        ("the same, both classes in a patient", "clustered DeLong by $t$", mixed, f"{RECOMMENDED['auroc']} (both classes)", "auroc_mixed"),
    ]
    lines = []
    for data, test, table, method, study in rows:
        here = table[(table["measure"] == "type_1_error") & (table["method"] == method)]
        anchor = f"type-i-error-{TITLES[study].lower().replace(' ', '-').replace(',', '')}"
        lines.append((data, test, here, f"[{study}]({pages}#{anchor})"))
    for measure in ("accuracy", "auroc"):
        table = read(f"factors_{measure}")
        nulls = table[(table["measure"] == "type_1_error") & (table["method"] == "all factors")]
        fine = nulls[[admitted(row) for row in nulls.to_dict("records")]]
        shown = "AUROC" if measure == "auroc" else measure
        lines.append((f"{shown}, several random factors", "all random factors", fine, "[factors](../results/factors/README.md)"))
    short = lambda value: f"{value:.3f}".replace("0.", ".", 1)
    text = ["| your data | recommended test | designs | median | largest | chance allows | all cells |", "|" + "---|" * 7]
    for data, test, here, link in lines:
        bound = LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / float(here["replicates"].min()))
        sizes = here["value"]
        largest = f"**{short(sizes.max())}**" if sizes.max() > bound else short(sizes.max())
        text.append(f"| {data} | {test} | {len(here)} | {short(sizes.median())} | {largest} | {short(bound)} | {link} |")
    return "\n".join(text) + "\n"
