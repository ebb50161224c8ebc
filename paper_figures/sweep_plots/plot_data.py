"""Shared parts of the plots of a sweep: the request, the table of a measure, and the notation of measures, factors and levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paper_figures.plotting.style import LINES
from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd

    from theory.sweeps import Results

ESTIMATE = "estimate"
"""The mean estimate, which is not a performance measure but is shown beside the true value."""

METHOD_COLOURS = LINES
Z = 1.959964  # of a 95 % interval
LONGEST_TITLE = 80  # letters
CANNOT_BE_GIVEN = "cannot be given"  # a measure of a method without the necessary result, for example an interval

NOT_FACTORS = (
    "cell", "truth", "method", "measure", "value", "mcse", "completed", "failed", "note", "wanted", "attempted", "done", "stopped",
)  # fmt: skip
"""Columns of a table of performance that are not factors of the design."""

NOMINAL = {
    "bias": 0.0,
    "relative_bias": 0.0,
    "relative_se_error": 0.0,
    "relative_precision": 0.0,
    "coverage": 0.95,
    "bias_eliminated_coverage": 0.95,
    "type_1_error": 0.05,
}
"""From a measure to its ideal value."""

LABELS = {
    "relative_bias": "relative bias",
    "empirical_se": "empirical standard error",
    "mse": "mean squared error",
    "rmse": "root mean squared error",
    "coverage": "coverage of 95 % intervals",
    "bias_eliminated_coverage": "bias-eliminated coverage",
    "type_1_error": "type-I error",
    "model_se": "model standard error",
    "relative_se_error": "relative error of the standard error",
    "relative_precision": "relative gain in precision",
    ESTIMATE: "mean estimate",
}


@dataclass(frozen=True)
class PlotRequest:
    """The request for a plot."""

    measure: str = "bias"  # a performance measure, or 'estimate'
    methods: Sequence[str] = ()  # all when empty
    where: Mapping[str, str] = field(default_factory=dict)  # from a factor to the level that the cells must have, as typed
    x: str | None = None  # factors of a heat map
    y: str | None = None


@dataclass(frozen=True)
class PlotData:
    """A plot's numbers and words."""

    data: pd.DataFrame  # every number that it shows
    factors: list[str]  # those that vary
    measure: str
    title: str
    caption: str
    nominal: float | None = None  # the measure's ideal value
    subtitle: str = ""  # number of replicates, for a reader without the caption


def measure_table(results: Results, request: PlotRequest) -> tuple[pd.DataFrame, list[str]]:
    """Compute a measure in the requested cells and methods.

    Returns a row per cell and method in the order of the design (the factors that vary, ``truth, method, measure, value, mcse, completed,
    failed, note``), and the names of those factors.
    """
    from theory.sweeps.performance.table import performance

    table = performance(results, ["bias" if request.measure == ESTIMATE else request.measure])
    if request.measure == ESTIMATE:
        table = table.assign(value=table["truth"] + table["value"], measure=ESTIMATE)
    table = select(table, request)
    if table["value"].isna().all():
        raise InputError(f"measure '{request.measure}': nothing to show ({table['note'].iloc[0]})")
    factors = varying_factors(table)
    return table[[*factors, "truth", "method", "measure", "value", "mcse", "completed", "failed", "note"]], factors


def select(table: pd.DataFrame, request: PlotRequest) -> pd.DataFrame:
    """Select the rows of the requested cells and methods."""
    unknown = [name for name in request.methods if name not in set(table["method"])]
    if unknown:
        raise InputError(
            f"--method {unknown[0]}: not in this sweep (there are {first_few(list(dict.fromkeys(table['method'])), 9)})"
            f"{did_you_mean(unknown[0], table['method'])}"
        )
    if request.methods:
        table = table[table["method"].isin(request.methods)]
    for factor, level in request.where.items():
        if factor in NOT_FACTORS or factor not in table:
            raise InputError(
                f"--where {factor}={level}: no such factor (there are {first_few(varying_factors(table), 9)})"
                f"{did_you_mean(factor, varying_factors(table))}"
            )
        fits = table[factor].map(lambda value, level=level: same_level(value, level))
        if not fits.any():
            raise InputError(f"--where {factor}={level}: no such level (there are {first_few(list(dict.fromkeys(table[factor])), 9)})")
        table = table[fits]
    return table.reset_index(drop=True)


def same_level(value: Any, text: str) -> bool:
    """Whether a level of a factor is the typed one.

    Examples
    --------
    >>> same_level(0.5, ".5"), same_level("swap", "swap"), same_level(2, "3")
    (True, True, False)
    """
    try:
        return float(value) == float(text)
    except (TypeError, ValueError):
        return str(value) == text


def varying_factors(table: pd.DataFrame) -> list[str]:
    """The factors that have more than one level in a table, in the order of the design."""
    return [str(name) for name in table if name not in NOT_FACTORS and table[name].astype(str).nunique() > 1]


def plot_title(results: Results, measure: str) -> str:
    """The first sentence of the study's aims if it is short, else its name; and the measure."""
    first = results.study.aims.partition(".")[0].strip()
    return f"{first if 0 < len(first) <= LONGEST_TITLE else results.study.name}: {measure_label(measure)}"


def measure_label(measure: str) -> str:
    """Name a measure as on an axis."""
    return f"mean of {measure.removeprefix('mean:')}" if measure.startswith("mean:") else LABELS.get(measure, measure)


def factor_label(factor: str) -> str:
    """Write a factor's name with spaces."""
    return factor.replace("_", " ")


def level_label(level: Any) -> str:
    """Write a level of a factor: a number in short, or the text.

    Examples
    --------
    >>> level_label(0.30000000000000004), level_label(float("inf")), level_label("swap")
    ('0.3', '∞', 'swap')
    """
    if isinstance(level, (int, float)) and not isinstance(level, bool):
        return f"{level:.5g}".replace("inf", "∞").replace("-", "−")
    return str(level)


def cell_label(row: Mapping[Any, Any], factors: Sequence[str]) -> str:
    """Name a cell by the factors that vary, as in ``'rho 0.5, m 4'``."""
    return ", ".join(f"{factor_label(factor)} {level_label(row[factor])}" for factor in factors)


def replicates_sentence(table: pd.DataFrame) -> str:
    """Numbers of replicates, of failed ones, and of missing values."""
    least, most, failed = int(table["completed"].min()), int(table["completed"].max()), int(table["failed"].max())
    count = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    missing = int(table["value"].isna().sum())
    parts = [f"{count} completed replicates per cell"]
    parts += [f"at most {failed:,} failed in a cell"] if failed else ["none failed"]
    parts += [f"{missing} of {len(table)} numbers cannot be given and are left out"] if missing else []
    return "; ".join(parts) + "."


def rows_and_columns(panels: int, at_most: int) -> tuple[int, int]:
    """Arrange panels in rows of about equal length, `at_most` in a row.

    Examples
    --------
    >>> rows_and_columns(4, 3), rows_and_columns(3, 4)
    ((2, 2), (1, 3))
    """
    rows = -(-panels // max(at_most, 1))
    return rows, -(-panels // rows)
