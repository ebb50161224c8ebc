"""Nested-loop plot: a measure over all cells in the order of the design, with the levels of every factor drawn as steps below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paper_figures.plotting.style import INK, MUTED
from paper_figures.sweep_plots.drawing import (
    COLOURS,
    ESTIMATE,
    TARGETS,
    Drawing,
    PlotRequest,
    head,
    level_name,
    measured,
    name_of,
    replicates_line,
    spaced,
    title_of,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theory.sweeps import Results

Z = 1.959964


def collect(results: Results, request: PlotRequest) -> Drawing:
    """Work out what is shown.

    Returns A row per cell and method; ``place`` is the cell's number along the axis.
    """
    table, factors = measured(results, request)
    ordered = in_loops(table, factors)
    truth = " The black line is the true value." if request.measure == ESTIMATE else ""
    caption = (
        f"{name_of(request.measure).capitalize()} in every cell; bands are 95 % Monte Carlo intervals. Steps below show the factors' "
        f"levels.{truth} {replicates_line(table)} Layout after Rücker and Schwarzer (2014)."
    )
    return Drawing(ordered, factors, request.measure, title_of(results, request.measure), caption, TARGETS.get(request.measure))


def in_loops(table: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """Number the cells so that the last factor varies fastest."""
    import pandas as pd

    cells = table[factors].drop_duplicates()
    ranks = pd.DataFrame({name: pd.factorize(cells[name])[0] for name in factors}, index=cells.index)
    cells = cells.loc[ranks.sort_values(factors, kind="stable").index] if factors else cells
    placed = cells.assign(place=range(len(cells)))
    return table.merge(placed, on=factors, how="left").sort_values(["place"], kind="stable") if factors else table.assign(place=0)


def draw(drawing: Drawing) -> Figure:
    """Draw it.

    Returns the measure above, the loops below.
    """
    from matplotlib.figure import Figure

    loops = len(drawing.factors)
    figure = Figure(figsize=(12.0, 5.0 + 0.62 * loops))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4.4, max(0.62 * loops, 0.3)])
    _measure(above, drawing)
    _loops(below, drawing)
    head(figure, drawing.title)
    return figure


def _measure(axes: Axes, drawing: Drawing) -> None:
    data = drawing.data
    if drawing.nominal is not None:
        axes.axhline(drawing.nominal, color=MUTED, lw=1.6, ls=":")
    if drawing.measure == ESTIMATE:
        truth = data.drop_duplicates("place")
        edges = _steps(truth["place"].to_numpy(), truth["truth"].to_numpy())
        axes.step(*edges, where="post", color=INK, lw=1.6, label="true value", zorder=4)
    for colour, (method, rows) in zip(COLOURS * 9, data.groupby("method", sort=False), strict=False):
        place, value = _steps(rows["place"].to_numpy(), rows["value"].to_numpy())
        half = Z * np.append(rows["mcse"], rows["mcse"].iloc[-1])
        axes.fill_between(place, value - half, value + half, step="post", color=colour, alpha=0.25, lw=0)
        axes.step(place, value, where="post", color=colour, lw=2.2, label=str(method))
    axes.set(ylabel=name_of(drawing.measure), xlim=(-0.5, data["place"].max() + 0.5))
    axes.tick_params(axis="x", bottom=False)
    axes.grid(axis="x", visible=False)
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)


def _steps(place: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges of steps that are centred on the places."""
    return np.append(place - 0.5, place[-1] + 0.5), np.append(value, value[-1])


def _loops(axes: Axes, drawing: Drawing) -> None:
    cells = drawing.data.drop_duplicates("place")
    axes.set(ylim=(-0.15, max(len(drawing.factors), 1)), yticks=[], xlabel=f"{len(cells)} cells")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.grid(visible=False)
    for row, factor in enumerate(reversed(drawing.factors)):
        levels = list(dict.fromkeys(drawing.data[factor]))
        height = np.array([levels.index(value) for value in cells[factor]]) / max(len(levels) - 1, 1)
        axes.step(*_steps(cells["place"].to_numpy(), row + 0.12 + 0.55 * height), where="post", color=INK, lw=1.5)
        names = ", ".join(level_name(level) for level in levels)
        words = f"{spaced(factor)}\n{_short(names)}"
        middle = (row + 0.4) / max(len(drawing.factors), 1)
        axes.text(-0.012, middle, words, transform=axes.transAxes, ha="right", va="center", fontsize=11.5, color=INK)


def _short(names: str) -> str:
    return names if len(names) <= 26 else f"{names[:11].rsplit(',', 1)[0]}, … {names.rsplit(', ', 1)[1]}"
