"""The reliability plot: what was observed where a probability was stated, before and after the temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEFORE, AFTER, INK = "#9a5b2e", "#1f6f8b", "#222222"
SIDE = 3.6  # inches of a panel
COLUMNS = 3


def reliability_plot(table: pd.DataFrame) -> Figure:
    """Draw a panel for each run.

    Parameters
    ----------
    table : pandas.DataFrame
        The rows of `empirical.analysis.calibration.reliability` with ``run_id`` and ``temperature``, 1 for the scores as they are.

    Returns
    -------
    matplotlib.figure.Figure
        Observed share against stated probability with 95 % intervals; on the diagonal the two agree.
    """
    from matplotlib.figure import Figure

    runs = list(dict.fromkeys(table["run_id"]))
    columns = min(COLUMNS, len(runs))
    rows = -(-len(runs) // columns)
    figure = Figure(figsize=(0.6 + SIDE * columns, 0.8 + (SIDE + 0.5) * rows), layout="constrained")
    panels = np.ravel(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False))
    for axes, run in zip(panels, runs, strict=False):
        _panel(axes, table[table["run_id"] == run], str(run))
    for axes in panels[len(runs) :]:
        axes.set_visible(False)
    figure.supxlabel("stated probability of the positive answer", fontsize=12)
    figure.supylabel("observed share (bars: 95 % intervals)", fontsize=12)
    return figure


def _panel(axes: Axes, table: pd.DataFrame, title: str) -> None:
    axes.plot([0, 1], [0, 1], color=INK, lw=0.9, zorder=0)
    for temperature, points in table.groupby("temperature", sort=False):
        as_is = temperature == 1.0
        reach = np.clip([points["observed"] - points["low"], points["high"] - points["observed"]], 0, None)
        axes.errorbar(
            points["stated"],
            points["observed"],
            yerr=reach,
            fmt="o",
            ms=6,
            lw=1.5,
            color=BEFORE if as_is else AFTER,
            mfc="white" if as_is else AFTER,
            label="as scored" if as_is else f"temperature {temperature:.2f}",
        )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, frameon=False, fontsize=10)  # below: points may be anywhere
