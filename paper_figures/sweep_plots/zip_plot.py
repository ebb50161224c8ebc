"""Zip plot: the intervals of all replicates, sorted by how far they are from the true value, so that those that miss it stand on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.plotting.style import BLUE, GREEN, INK, MUTED, RED, short
from paper_figures.sweep_plots.drawing import Drawing, PlotRequest, chosen, head, label_of, rows_and_columns, title_of, varying
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theory.sweeps import Results

Z = 1.959964
MOST_PANELS = 12
MOST_INTERVALS = 2000
IN_A_ROW = 4


def collect(results: Results, request: PlotRequest) -> Drawing:
    """Work out what is shown.

    Returns A row per interval; ``centile`` is the share of replicates whose z statistic is smaller in size, ``coverage`` and ``mcse`` are
    from all replicates of the cell.
    """
    from theory.sweeps.performance.table import performance

    cells = performance(results, ["coverage"])
    cells = chosen(cells, request).dropna(subset=["value"])
    if not len(cells):
        raise InputError(
            "--kind zip: no method gives an interval ('lower' and 'upper') and no cell a true value, so there is nothing to show"
        )
    if len(cells) > MOST_PANELS:
        raise InputError(
            f"--kind zip: {len(cells)} cells and methods do not fit (at most {MOST_PANELS}); choose with --where FACTOR=LEVEL and --method"
        )
    factors = varying(cells)
    data = _intervals(results, cells, factors)
    caption = (
        f"95 % intervals of at most {MOST_INTERVALS:,} replicates per panel, sorted by the size of their z statistic; orange ones miss "
        "the true value (line). Dashed: coverage over all replicates, with its 95 % Monte Carlo interval; dotted: 95 %. After Morris, "
        "White and Crowther (2019)."
    )
    return Drawing(data, factors, "coverage", title_of(results, "coverage"), caption, 0.95)


def _intervals(results: Results, cells: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for cell, rows in cells.groupby("cell", sort=False):
        kept = _first(results, str(cell), list(rows["method"]))
        for row in rows.to_dict("records"):
            one = kept[kept["method"] == row["method"]].dropna(subset=["lower", "upper"]).head(MOST_INTERVALS)
            parts.append(_sorted(one, row, factors))
    return pd.concat(parts, ignore_index=True)


def _first(results: Results, cell: str, methods: list[str]) -> pd.DataFrame:
    """Read the first replicates of a cell, no more than are drawn."""
    import pandas as pd

    found, count = [], 0
    for batch in results.batches(cell):
        found.append(batch[batch["method"].isin(methods)])
        count += len(found[-1])
        if count >= 2 * MOST_INTERVALS * len(methods):
            break
    return pd.concat(found, ignore_index=True)


def _sorted(intervals: pd.DataFrame, row: dict[Any, Any], factors: list[str]) -> pd.DataFrame:
    """Rank intervals by the distance of their middle from the truth in half widths."""
    truth, half = row["truth"], (intervals["upper"] - intervals["lower"]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = ((intervals["upper"] + intervals["lower"]) / 2 - truth).abs() / half
    rank = distance.fillna(0).rank(method="first").to_numpy() - 0.5
    about = {name: row[name] for name in (*factors, "method", "truth")} | {"coverage": row["value"], "mcse": row["mcse"]}
    return intervals[["lower", "upper"]].assign(
        **about, centile=rank / max(len(intervals), 1), covers=(intervals["lower"] <= truth) & (truth <= intervals["upper"])
    )


def draw(drawing: Drawing) -> Figure:
    """Draw it.

    Returns A panel per cell and method.
    """
    from matplotlib.figure import Figure

    groups = list(drawing.data.groupby([*drawing.factors, "method"], sort=False))
    rows, columns = rows_and_columns(len(groups), IN_A_ROW)
    figure = Figure(figsize=(1.2 + 3.3 * max(columns, 2), 1.5 + 4.2 * rows))
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, (_, intervals) in zip(panels.flat, groups, strict=False):
        _panel(axes, intervals, drawing)
    for axes in panels.flat[len(groups) :]:
        axes.set_visible(False)
    _same_reach(dict(zip([key[:-1] for key, _ in groups], [[] for _ in groups], strict=True)), groups, list(panels.flat))
    for axes in panels[:, 0]:
        axes.set_ylabel("centile of |z|")
    head(figure, drawing.title)
    return figure


def _same_reach(cells: dict[Any, list[Axes]], groups: list[Any], panels: list[Axes]) -> None:
    """Let the methods of a cell share an axis, so that the widths of their intervals can be compared."""
    for (key, _), axes in zip(groups, panels, strict=False):
        cells[key[:-1]].append(axes)
    for together in cells.values():
        ends = [axes.get_xlim() for axes in together]
        for axes in together:
            axes.set_xlim(min(end[0] for end in ends), max(end[1] for end in ends))


def _panel(axes: Axes, intervals: pd.DataFrame, drawing: Drawing) -> None:
    first: dict[Any, Any] = intervals.iloc[0].to_dict()
    for covers, colour in ((True, BLUE), (False, RED)):
        rows = intervals[intervals["covers"] == covers]
        axes.hlines(rows["centile"] * 100, rows["lower"], rows["upper"], color=colour, lw=0.7, alpha=0.55, rasterized=True)
    axes.axvline(first["truth"], color=INK, lw=1.6)
    coverage, half = first["coverage"], Z * first["mcse"]
    axes.axhspan(100 * (coverage - half), 100 * min(coverage + half, 1), color=GREEN, alpha=0.25, lw=0)
    axes.axhline(100 * coverage, color=GREEN, lw=1.6, ls="--")
    axes.axhline(95, color=MUTED, lw=1.4, ls=":")
    shown = f"covers {short(100 * coverage, 1)} ± {short(100 * half, 1)} %"
    heading = [_wrapped(str(first["method"])), label_of(first, drawing.factors), shown]
    axes.set_title("\n".join(part for part in heading if part), fontweight="normal", fontsize=12.5)
    axes.set(ylim=(0, 100), yticks=[0, 25, 50, 75, 95])
    axes.grid(visible=False)


def _wrapped(text: str, width: int = 26) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))
