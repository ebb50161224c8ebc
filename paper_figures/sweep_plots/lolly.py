"""Lolly plot: a measure of each method in each cell as a dot on a stick that starts at the ideal value."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.plotting.style import INK, MUTED, note
from paper_figures.sweep_plots.plot_data import (
    CANNOT_BE_GIVEN,
    METHOD_COLOURS,
    NOMINAL,
    PlotData,
    PlotRequest,
    Z,
    cell_label,
    measure_label,
    measure_table,
    plot_title,
    replicates_sentence,
)
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theory.sweeps import Results

MAX_CELLS = 40


def collect(results: Results, request: PlotRequest) -> PlotData:
    """Compute the measure: a row per cell and method."""
    table, factors = measure_table(results, request)
    cells = len(table[factors].drop_duplicates()) if factors else 1
    if cells > MAX_CELLS:
        raise InputError(
            f"--kind lolly: {cells} cells do not fit (at most {MAX_CELLS}); choose some with --where FACTOR=LEVEL, or a nested-loop plot"
        )
    nominal = NOMINAL.get(request.measure, 0.0)
    caption = (
        f"{measure_label(request.measure).capitalize()} of each method; brackets are 95 % Monte Carlo intervals, sticks start at "
        f"{nominal:g}. {replicates_sentence(table)}"
    )
    under = f"{replicates_sentence(table)} Brackets: 95 % Monte Carlo intervals."
    return PlotData(table, factors, request.measure, plot_title(results, request.measure), caption, nominal, under)


def draw(plot_data: PlotData) -> Figure:
    """Draw a panel per method, a line per cell."""
    from matplotlib.figure import Figure

    data = plot_data.data.assign(label=[cell_label(row, plot_data.factors) or "all" for row in plot_data.data.to_dict("records")])
    labels, methods = list(dict.fromkeys(data["label"])), list(dict.fromkeys(data["method"]))
    figure = Figure(figsize=(max(8.0, 4.0 + 3.1 * len(methods)), 2.3 + 0.36 * len(labels)))
    panels = figure.subplots(1, len(methods), sharex=True, sharey=True, squeeze=False)[0]
    for axes, colour, method in zip(panels, METHOD_COLOURS * 9, methods, strict=False):
        _panel(axes, data[data["method"] == method], labels, colour, plot_data.nominal or 0.0)
        axes.set_title(textwrap.fill(method, 24), fontweight="normal", fontsize=14)
    panels[0].set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.4, -0.6))
    figure.supxlabel(measure_label(plot_data.measure), fontsize=14)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, labels: list[str], colour: str, nominal: float) -> None:
    height = np.array([labels.index(label) for label in rows["label"]])
    value, half_width = rows["value"].to_numpy(), Z * rows["mcse"].to_numpy()
    axes.axvline(nominal, color=MUTED, lw=1.4)
    if np.isnan(value).all():
        note(axes, 0.5, 0.5, CANNOT_BE_GIVEN, ha="center", va="center", transform=axes.transAxes)
    axes.hlines(height, nominal, value, color=colour, lw=2.0)
    axes.plot(value, height, "o", ms=7.5, color=colour, mec="white", zorder=4)
    for end, bracket in ((value - half_width, "$($"), (value + half_width, "$)$")):
        axes.plot(end, height, linestyle="none", marker=bracket, ms=9, color=INK, zorder=5)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.08)
