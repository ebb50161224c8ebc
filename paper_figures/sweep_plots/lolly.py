"""Lolly plot: a measure of each method in each cell as a dot on a stick that starts where the method would ideally be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paper_figures.plotting.style import INK, MUTED
from paper_figures.sweep_plots.drawing import (  # fmt: skip
    COLOURS,
    TARGETS,
    Drawing,
    PlotRequest,
    head,
    label_of,
    measured,
    name_of,
    replicates_line,
    title_of,
)
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theory.sweeps import Results

Z = 1.959964
MOST_CELLS = 40


def collect(results: Results, request: PlotRequest) -> Drawing:
    """Work out what is shown.

    Returns A row per cell and method.
    """
    table, factors = measured(results, request)
    cells = len(table[factors].drop_duplicates()) if factors else 1
    if cells > MOST_CELLS:
        raise InputError(
            f"--kind lolly: {cells} cells do not fit (at most {MOST_CELLS}); choose some with --where FACTOR=LEVEL, or a nested-loop plot"
        )
    target = TARGETS.get(request.measure, 0.0)
    caption = (
        f"{name_of(request.measure).capitalize()} of each method; brackets are 95 % Monte Carlo intervals, sticks start at {target:g}. "
        f"{replicates_line(table)}"
    )
    return Drawing(table, factors, request.measure, title_of(results, request.measure), caption, target)


def draw(drawing: Drawing) -> Figure:
    """Draw it.

    Returns A panel per method, a line per cell.
    """
    from matplotlib.figure import Figure

    data = drawing.data.assign(label=[label_of(row, drawing.factors) or "all" for row in drawing.data.to_dict("records")])
    labels, methods = list(dict.fromkeys(data["label"])), list(dict.fromkeys(data["method"]))
    figure = Figure(figsize=(max(8.0, 4.0 + 3.1 * len(methods)), 2.3 + 0.36 * len(labels)))
    panels = figure.subplots(1, len(methods), sharex=True, sharey=True, squeeze=False)[0]
    for axes, colour, method in zip(panels, COLOURS * 9, methods, strict=False):
        _panel(axes, data[data["method"] == method], labels, colour, drawing)
        axes.set_title(_wrapped(method), fontweight="normal", fontsize=14)
    panels[0].set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.4, -0.6))
    figure.supxlabel(name_of(drawing.measure), fontsize=14)
    head(figure, drawing.title)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, labels: list[str], colour: str, drawing: Drawing) -> None:
    target = drawing.nominal or 0.0
    place = np.array([labels.index(label) for label in rows["label"]])
    value, half = rows["value"].to_numpy(), Z * rows["mcse"].to_numpy()
    axes.axvline(target, color=MUTED, lw=1.4)
    axes.hlines(place, target, value, color=colour, lw=2.0)
    axes.plot(value, place, "o", ms=7.5, color=colour, mec="white", zorder=4)
    for end, mark in ((value - half, "$($"), (value + half, "$)$")):
        axes.plot(end, place, linestyle="none", marker=mark, ms=9, color=INK, zorder=5)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.08)


def _wrapped(text: str, width: int = 24) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))
