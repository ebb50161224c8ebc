"""The reliability plot: observed shares against stated probabilities, before and after the temperature."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEFORE, AFTER, INK = "#9a5b2e", "#1f6f8b", "#222222"
SIDE = 3.6  # inches of a panel
COLUMNS = 3
WORDS = 46  # letters of a line below a panel
STEPS = 30  # of the histogram
TENTHS = 10  # an axis ends at one


def reliability_plot(table: pd.DataFrame, stated: pd.DataFrame, notes: Mapping[str, str]) -> Figure:
    """Draw a panel for each run.

    It shows the observed share against the stated probability with 95 % intervals (equal on the diagonal), and below each panel how many
    items had which probability. The axis ends at the tenths around all probabilities.
    """
    from matplotlib.figure import Figure

    runs = [str(run) for run in dict.fromkeys(table["run_id"])]
    columns = min(COLUMNS, len(runs))
    rows = -(-len(runs) // columns)
    figure = Figure(figsize=(0.6 + SIDE * max(columns, 1.3), 1.1 + (SIDE + 1.3) * rows), layout="constrained")
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=[4, 1] * rows)
    for place, run in enumerate(runs):
        row, column = divmod(place, columns)
        panel = figure.add_subplot(grid[2 * row, column])
        strip = figure.add_subplot(grid[2 * row + 1, column], sharex=panel)
        _panel(panel, table[table["run_id"] == run])
        _strip(strip, stated[stated["run_id"] == run])
        panel.set_title(fill(run, WORDS - 18), loc="left", fontsize=12, fontweight="bold")
        panel.set_xlabel("\n".join(fill(note, WORDS) for note in notes[run].split("; ")), loc="left", fontsize=9)
    known = {label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(known.values(), known.keys(), loc="outside upper left", ncols=3, frameon=False, fontsize=10)
    figure.supxlabel("stated probability of the positive answer", fontsize=12)
    figure.supylabel("observed share (bars: 95 % intervals)", fontsize=12)
    return figure


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    axes.plot([0, 1], [0, 1], color=INK, lw=0.9, zorder=0, label="stated = observed")
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
            label="as scored" if as_is else "with the temperature",
            clip_on=False,
        )
    axes.set(ylim=(-0.02, 1.02))
    axes.tick_params(labelbottom=False)
    axes.spines[["top", "right"]].set_visible(False)


def _strip(axes: Axes, stated: pd.DataFrame) -> None:
    """Histogram of the items by the probability that they were given."""
    from matplotlib.ticker import MaxNLocator

    low, high = span(stated["probability"].to_numpy())
    axes.set(xlim=(low - 0.02 * (high - low), high + 0.02 * (high - low)))
    for temperature, items in stated.groupby("temperature", sort=False):
        as_is = temperature == 1.0
        edges = np.linspace(low, high, STEPS + 1).tolist()
        axes.hist(
            items["probability"],
            bins=edges,
            histtype="step" if as_is else "stepfilled",
            color=BEFORE if as_is else AFTER,
            lw=1.2,
            zorder=3 if as_is else 2,
        )
    axes.set_ylabel("items", fontsize=9)
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.spines[["top", "right"]].set_visible(False)


def span(probability: np.ndarray) -> tuple[float, float]:
    """Range of the axis of probabilities: tenths around all of them; if all are within one tenth, the next on either side as well.

    Examples
    --------
    >>> span(np.array([0.512, 0.53])), span(np.array([0.51, 0.998])), span(np.array([1.0, 1.0]))
    ((0.4, 0.7), (0.5, 1.0), (0.9, 1.0))
    """
    low, high = int(np.floor(TENTHS * probability.min())), int(np.ceil(TENTHS * probability.max()))
    if high - low < 2:
        low, high = max(0, low - 1), min(TENTHS, high + 1)
    return low / TENTHS, high / TENTHS
