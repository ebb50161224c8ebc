"""Zip plot: the intervals of all replicates, sorted by distance from the true value, so that those that miss it are on top."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.number_format import short
from paper_figures.plotting.style import BLUE, GREEN, INK, MUTED, RED
from paper_figures.sweep_plots.plot_data import PlotData, PlotRequest, Z, cell_label, plot_title, rows_and_columns, select, varying_factors
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theory.sweeps import Results

MAX_PANELS = 12
MAX_COLUMNS = 4
MAX_INTERVALS = 2000  # a panel


def collect(results: Results, request: PlotRequest) -> PlotData:
    """Read the intervals, a row each.

    ``centile`` is the share of replicates whose z statistic is smaller in size; ``coverage`` and ``mcse`` are from all replicates of the
    cell.
    """
    from theory.sweeps.performance.table import performance

    cells = select(performance(results, ["coverage"]), request).dropna(subset=["value"])
    if not len(cells):
        raise InputError(
            "--kind zip: no method gives an interval ('lower' and 'upper') and no cell a true value, so there is nothing to show"
        )
    if len(cells) > MAX_PANELS:
        raise InputError(
            f"--kind zip: {len(cells)} cells and methods do not fit (at most {MAX_PANELS}); choose with --where FACTOR=LEVEL and --method"
        )
    factors = varying_factors(cells)
    data = _intervals(results, cells, factors)
    caption = (
        f"95 % intervals of at most {MAX_INTERVALS:,} replicates per panel, sorted by the size of their z statistic; orange ones miss "
        "the true value (line). Dashed: coverage over all replicates, with its 95 % Monte Carlo interval; dotted: 95 %. After Morris, "
        "White and Crowther (2019)."
    )
    under = f"At most {MAX_INTERVALS:,} replicates a panel; coverage is over all of them, ± its 95 % Monte Carlo interval"
    return PlotData(data, factors, "coverage", plot_title(results, "coverage"), caption, 0.95, under)


def _intervals(results: Results, cells: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for cell, rows in cells.groupby("cell", sort=False):
        replicates = _first_replicates(results, str(cell), list(rows["method"]))
        for row in rows.to_dict("records"):
            of_method = replicates[replicates["method"] == row["method"]]
            parts.append(_ranked(of_method.dropna(subset=["lower", "upper"]).head(MAX_INTERVALS), row, factors))
    return pd.concat(parts, ignore_index=True)


def _first_replicates(results: Results, cell: str, methods: list[str]) -> pd.DataFrame:
    """Read the first replicates of a cell: only the batches that the drawn intervals need, even if half of them are missing."""
    import pandas as pd

    found, count = [], 0
    for batch in results.batches(cell):
        found.append(batch[batch["method"].isin(methods)])
        count += len(found[-1])
        if count >= 2 * MAX_INTERVALS * len(methods):
            break
    return pd.concat(found, ignore_index=True)


def _ranked(intervals: pd.DataFrame, row: dict[Any, Any], factors: list[str]) -> pd.DataFrame:
    """Rank intervals by the distance of their middle from the truth in half widths; open ones that miss it come first."""
    truth, half = row["truth"], (intervals["upper"] - intervals["lower"]) / 2
    covers = (intervals["lower"] <= truth) & (truth <= intervals["upper"])
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = ((intervals["upper"] + intervals["lower"]) / 2 - truth).abs() / half
    distance = distance.where(np.isfinite(half), np.where(covers, 0.0, 1.0))
    rank = distance.fillna(0).rank(method="first").to_numpy() - 0.5
    constants = {name: row[name] for name in (*factors, "method", "truth")} | {"coverage": row["value"], "mcse": row["mcse"]}
    return intervals[["lower", "upper"]].assign(**constants, centile=rank / max(len(intervals), 1), covers=covers)


def draw(plot_data: PlotData) -> Figure:
    """Draw a panel per cell and method."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    groups = list(plot_data.data.groupby([*plot_data.factors, "method"], sort=False))
    rows, columns = rows_and_columns(len(groups), MAX_COLUMNS)
    figure = Figure(figsize=(1.2 + 3.3 * max(columns, 2), 2.6 + 4.2 * rows))
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, (_, intervals) in zip(panels.flat, groups, strict=False):
        _panel(axes, intervals, plot_data)
    for axes in panels.flat[len(groups) :]:
        axes.set_visible(False)
    # Methods of one cell share their horizontal axis, so that the widths of their intervals can be compared.
    for cell in {key[:-1] for key, _ in groups}:
        together = [axes for axes, (key, _) in zip(panels.flat, groups, strict=False) if key[:-1] == cell]
        ends = [axes.get_xlim() for axes in together]
        for axes in together:
            axes.set_xlim(min(low for low, _ in ends), max(high for _, high in ends))
    for axes in panels[:, 0]:
        axes.set_ylabel("replicates, by |z| (centile)")
    for axes in panels[-1]:
        axes.set_xlabel("95 % interval")
    looks = ((BLUE, "-", "covers the true value"), (RED, "-", "misses it"), (INK, "-", "true value"), (GREEN, "--", "coverage"))
    handles = [Line2D([], [], color=colour, ls=line, lw=2.4, label=label) for colour, line, label in (*looks, (MUTED, ":", "95 %"))]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles) if columns > 1 else 2, columnspacing=1.2)
    return figure


def _panel(axes: Axes, intervals: pd.DataFrame, plot_data: PlotData) -> None:
    first: dict[Any, Any] = intervals.iloc[0].to_dict()
    ends = intervals[["lower", "upper"]].to_numpy()
    within = np.append(ends[np.isfinite(ends)], first["truth"])
    room = 0.05 * (np.ptp(within) or 1.0)  # open intervals are drawn a little beyond the others
    for covers, colour in ((True, BLUE), (False, RED)):
        rows = intervals[intervals["covers"] == covers]
        lower, upper = (
            rows["lower"].clip(within.min() - room, within.max() + room),
            rows["upper"].clip(within.min() - room, within.max() + room),
        )
        axes.hlines(rows["centile"] * 100, lower, upper, color=colour, lw=0.7, alpha=0.55, rasterized=True)
    axes.axvline(first["truth"], color=INK, lw=1.6)
    coverage, half_width = first["coverage"], Z * first["mcse"]
    axes.axhspan(100 * (coverage - half_width), 100 * min(coverage + half_width, 1), color=GREEN, alpha=0.25, lw=0)
    axes.axhline(100 * coverage, color=GREEN, lw=1.6, ls="--")
    axes.axhline(95, color=MUTED, lw=1.4, ls=":")
    covered = f"covers {short(100 * coverage, 1)} ± {short(100 * half_width, 1)} %"
    title = [textwrap.fill(str(first["method"]), 26), cell_label(first, plot_data.factors), covered]
    axes.set_title("\n".join(part for part in title if part), fontweight="normal", fontsize=12.5)
    axes.set(ylim=(0, 100), yticks=[0, 25, 50, 75, 95])
    axes.grid(visible=False)
