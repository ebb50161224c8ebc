"""What the figures of the ready studies share: the committed tables, and points with their 95 % Monte Carlo intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULTS = Path(__file__).resolve().parent.parent / "results" / "sweeps"
SIZE = (8.6, 3.6)


def table(study: str, measure: str) -> pd.DataFrame:
    """One measure of a study's committed table; for bias also the mean estimate."""
    rows = pd.read_csv(RESULTS / study / "performance.csv")
    rows = rows[rows["measure"] == measure].dropna(subset=["value"])
    return rows.assign(estimate=rows["truth"] + rows["value"]) if measure == "bias" else rows


def points(axes: Axes, rows: pd.DataFrame, x: str, y: str = "value", shift: float = 0.0, **look: Any) -> None:
    """Draw points with intervals."""
    look = {"fmt": "o", "ms": 4.5, "capsize": 2, "lw": 1} | look
    axes.errorbar(rows[x] + shift, rows[y], yerr=1.96 * rows["mcse"], **look)


def nominal(axes: Axes, level: float = 0.95) -> None:
    """Draw where a measure should be."""
    axes.axhline(level, color="0.5", lw=1, ls=":")
