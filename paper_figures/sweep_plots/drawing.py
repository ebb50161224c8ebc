"""What the plots of a sweep share: what is asked for, the numbers in a table, names, reference values and colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paper_figures.plotting.style import BLUE, GREEN, MUTED, ORANGE, PURPLE, RED, SKY
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from theory.sweeps import Results

COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, MUTED)
ESTIMATE = "estimate"
LONGEST_TITLE = 80
INCHES_PER_LETTER = 0.155
KEPT = ("cell", "truth", "method", "measure", "value", "mcse", "completed", "failed", "note")
COUNTS = ("wanted", "attempted", "done", "stopped")
TARGETS = {
    "bias": 0.0,
    "relative_bias": 0.0,
    "relative_se_error": 0.0,
    "relative_precision": 0.0,
    "coverage": 0.95,
    "bias_eliminated_coverage": 0.95,
    "type_1_error": 0.05,
}
"""Where a method would ideally be."""

NAMES = {
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
    """What a plot is to show."""

    measure: str = "bias"  # A performance measure, or ``'estimate'`` for the mean estimate beside the true value
    methods: Sequence[str] = ()  # methods; all when empty
    where: Mapping[str, str] = field(default_factory=dict)  # cells: factor to the level it must have
    x: str | None = None  # factors of a heat map
    y: str | None = None


@dataclass(frozen=True)
class Drawing:
    """A plot's numbers and words."""

    data: pd.DataFrame  # every number that it shows
    factors: list[str]
    measure: str
    title: str
    caption: str
    nominal: float | None = None  # where a method would ideally be


def title_of(results: Results, measure: str) -> str:
    """Title a plot.

    Returns the first sentence of the study's aims where that is short, else its name; and the measure.
    """
    first = results.study.aims.partition(".")[0].strip()
    return f"{first if 0 < len(first) <= LONGEST_TITLE else results.study.name}: {name_of(measure)}"


def head(figure: Figure, title: str) -> None:
    """Put the title over a figure, in as many lines as its width asks for."""
    import textwrap

    lines = textwrap.wrap(title, int(figure.get_figwidth() / INCHES_PER_LETTER))
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=16, fontweight="bold")


def rows_and_columns(panels: int, at_most: int) -> tuple[int, int]:
    """Lay panels out in rows of about equal length.

    Examples
    --------
    >>> rows_and_columns(4, 3), rows_and_columns(3, 4)
    ((2, 2), (1, 3))
    """
    rows = -(-panels // max(at_most, 1))
    return rows, -(-panels // rows)


def name_of(measure: str) -> str:
    """Name a measure as in a figure."""
    return f"mean of {measure.removeprefix('mean:')}" if measure.startswith("mean:") else NAMES.get(measure, measure)


def measured(results: Results, request: PlotRequest) -> tuple[pd.DataFrame, list[str]]:
    """Work out a measure in the cells that are asked for.

    Returns `table` Factors that vary, ``truth, method, value, mcse, completed, failed, note``, a row per cell and method, in the order of
    the design.
    """
    from theory.sweeps.performance.table import performance

    table = performance(results, ["bias" if request.measure == ESTIMATE else request.measure])
    if request.measure == ESTIMATE:
        table = table.assign(value=table["truth"] + table["value"], measure=ESTIMATE)
    table = chosen(table, request)
    if table["value"].isna().all():
        raise InputError(f"measure '{request.measure}': nothing to show ({table['note'].iloc[0]})")
    factors = varying(table)
    return table[[*factors, "truth", "method", "measure", "value", "mcse", "completed", "failed", "note"]], factors


def chosen(table: pd.DataFrame, request: PlotRequest) -> pd.DataFrame:
    """Keep the cells and methods that are asked for."""
    unknown = [name for name in request.methods if name not in set(table["method"])]
    if unknown:
        raise InputError(f"--method {unknown[0]}: not in this sweep (there are {first_few(list(dict.fromkeys(table['method'])), 9)})")
    if request.methods:
        table = table[table["method"].isin(request.methods)]
    for factor, level in request.where.items():
        if factor in (*KEPT, *COUNTS) or factor not in table:
            raise InputError(f"--where {factor}={level}: no such factor (there are {first_few(varying(table), 9)})")
        fits = table[factor].map(lambda value, level=level: same_level(value, level))
        if not fits.any():
            raise InputError(f"--where {factor}={level}: no such level (there are {first_few(list(dict.fromkeys(table[factor])), 9)})")
        table = table[fits]
    return table.reset_index(drop=True)


def same_level(value: Any, text: str) -> bool:
    """Tell whether a level is what a user wrote.

    Examples
    --------
    >>> same_level(0.5, ".5"), same_level("swap", "swap"), same_level(2, "3")
    (True, True, False)
    """
    try:
        return float(value) == float(text)
    except (TypeError, ValueError):
        return str(value) == text


def varying(table: pd.DataFrame) -> list[str]:
    """List the factors that have more than one level.

    Returns in the order of the design.
    """
    return [str(name) for name in table if name not in (*KEPT, *COUNTS) and table[name].astype(str).nunique() > 1]


def label_of(row: Mapping[Any, Any], factors: Sequence[str]) -> str:
    """Name a cell by the factors that vary.

    Returns as in ``'rho 0.5, m 4'``.
    """
    return ", ".join(f"{spaced(factor)} {level_name(row[factor])}" for factor in factors)


def spaced(factor: str) -> str:
    """Write a factor's name with spaces."""
    return factor.replace("_", " ")


def level_name(level: Any) -> str:
    """Write a level of a factor.

    Returns A number in short, or the text.

    Examples
    --------
    >>> level_name(0.30000000000000004), level_name(float("inf")), level_name("swap")
    ('0.3', '∞', 'swap')
    """
    if isinstance(level, (int, float)) and not isinstance(level, bool):
        return f"{level:.5g}".replace("inf", "∞").replace("-", "−")
    return str(level)


def replicates_line(table: pd.DataFrame) -> str:
    """Say how many replicates the numbers rest on, and what failed."""
    least, most, failed = int(table["completed"].min()), int(table["completed"].max()), int(table["failed"].max())
    count = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    missing = int(table["value"].isna().sum())
    lines = [f"{count} completed replicates per cell"]
    lines += [f"at most {failed:,} failed in a cell"] if failed else ["none failed"]
    lines += [f"{missing} of {len(table)} numbers cannot be given and are left out"] if missing else []
    return "; ".join(lines) + "."
