"""What the figures of the ready studies share: the committed tables, and points with their 95 % Monte Carlo intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from paper_figures.plotting.style import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULTS = Path(__file__).resolve().parent.parent / "results" / "sweeps"
SIZE: dict[str, Any] = {"width": 12.4, "height": 5.8}


def table(study: str, measure: str) -> pd.DataFrame:
    """One measure of a study's committed table; for bias also the mean estimate."""
    rows = pd.read_csv(RESULTS / study / "performance.csv")
    rows = rows[rows["measure"] == measure].dropna(subset=["value"])
    return rows.assign(estimate=rows["truth"] + rows["value"]) if measure == "bias" else rows


def points(axes: Axes, rows: pd.DataFrame, x: str, y: str = "value", shift: float = 0.0, **look: Any) -> None:
    """Draw points with intervals."""
    look = {"fmt": "o", "ms": 6, "capsize": 3, "lw": 1.4} | look
    axes.errorbar(rows[x] + shift, rows[y], yerr=1.96 * rows["mcse"], **look)


def nominal(axes: Axes, level: float = 0.95) -> None:
    """Draw where a measure should be."""
    axes.axhline(level, color=MUTED, lw=1.4, ls=":")
