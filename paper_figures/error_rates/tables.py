"""What the error-rate studies found, as tables: one tidy CSV per study, and pages of type-I error and power to read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from theory.sweeps import Results

STUDIES = Path(__file__).parent / "studies"
NAMES = (
    "accuracy",
    "auroc",
    "auroc_mixed",
    "resampling_accuracy",
    "resampling_auroc",
    "lopsided",
    "references",
    "training",
    "mrmc_accuracy",
    "mrmc_auroc",
)
FRACTIONS = ("factors_accuracy", "factors_auroc")
"""Studies of many cells (`paper_figures.error_rates.factors`), which run only when they are named."""

MEASURES = ("type_1_error", "power", "coverage")
LEVEL = 0.05

RECOMMENDED = {"accuracy": "sign-flip, all patterns", "auroc": "clustered DeLong, jackknife t"}
"""The tests of clustered items that `paper_figures.comparison.recommendation` names, as the studies call them."""

TITLES = {
    "accuracy": "Accuracy, closed-form tests",
    "auroc": "AUROC, closed-form tests",
    "auroc_mixed": "AUROC where clusters hold both classes",
    "resampling_accuracy": "Accuracy, resampling tests in twelve cells",
    "resampling_auroc": "AUROC, resampling tests in twelve cells",
    "lopsided": "A null hypothesis without symmetry",
    "references": "Items that share patients and references",
    "training": "Several trainings",
    "mrmc_accuracy": "Published multireader analyses, accuracy",
    "mrmc_auroc": "Published multireader analyses, AUROC",
    "factors_accuracy": "All random factors at once, accuracy",
    "factors_auroc": "All random factors at once, AUROC",
}
HEADINGS = {"type_1_error": "Type-I error", "power": "Power", "coverage": "Coverage of the interval"}


def measure(results: Results) -> pd.DataFrame:
    """Type-I error, power and coverage of a study: the factors, ``truth, method, measure, value, mcse, replicates``, one row each."""
    from theory.sweeps.performance.table import performance

    table = performance(results, MEASURES)
    table = table[table["value"].notna()].drop(columns=["cell", "failed", "note"]).rename(columns={"completed": "replicates"})
    return table.round({"value": 5, "mcse": 5, "truth": 5}).reset_index(drop=True)


def largest_size(table: pd.DataFrame, method: str) -> tuple[float, float]:
    """Largest type-I error of a method over the cells, and the bound that chance allows one cell: .05 + 3 MCSE."""
    rows = table[(table["measure"] == "type_1_error") & (table["method"] == method)]
    return float(rows["value"].max()), LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / float(rows["replicates"].min()))


def page(tables: dict[str, pd.DataFrame]) -> str:
    """Write all tables as a page of Markdown; type-I errors above .05 + 3 MCSE are bold."""
    parts = [
        "# Error rates: all tables\n",
        "Shares in thousandths of the replicates: `52` is .052. A type-I error that is above .05 by more than 3 Monte Carlo standard "
        "errors is **bold**; MCSEs are in the CSV files beside this page.\n",
        "The effect under the alternative is chosen cell by cell such that a test that knew the variance would have a power of .80 (less "
        "where so large a difference is impossible), so powers of different cells are not to be compared, and that of a test with a bold "
        "type-I error means nothing.\n",
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
