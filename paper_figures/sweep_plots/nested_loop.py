"""Nested-loop plot: a measure over all cells in the order of the design, with the levels of every factor drawn as steps below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paper_figures.plotting.style import INK, MUTED
from paper_figures.sweep_plots.plot_data import (
    CANNOT_BE_GIVEN,
    ESTIMATE,
    METHOD_COLOURS,
    NOMINAL,
    PlotData,
    PlotRequest,
    Z,
    factor_label,
    level_label,
    measure_label,
    measure_table,
    plot_title,
    replicates_sentence,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theory.sweeps import Results


def collect(results: Results, request: PlotRequest) -> PlotData:
    """Compute the measure: a row per cell and method; ``place`` is the cell's number along the axis."""
    table, factors = measure_table(results, request)
    ordered = number_cells(table, factors)
    truth = " The black line is the true value." if request.measure == ESTIMATE else ""
    caption = (
        f"{measure_label(request.measure).capitalize()} in every cell; bands are 95 % Monte Carlo intervals. Steps below show the factors' "
        f"levels.{truth} {replicates_sentence(table)} Layout after Rücker and Schwarzer (2014)."
    )
    under = f"{replicates_sentence(table)} Bands: 95 % Monte Carlo intervals."
    return PlotData(ordered, factors, request.measure, plot_title(results, request.measure), caption, NOMINAL.get(request.measure), under)


def number_cells(table: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """Number the cells so that the last factor varies fastest."""
    import pandas as pd

    cells = table[factors].drop_duplicates()
    ranks = pd.DataFrame({name: pd.factorize(cells[name])[0] for name in factors}, index=cells.index)
    cells = cells.loc[ranks.sort_values(factors, kind="stable").index] if factors else cells
    placed = cells.assign(place=range(len(cells)))
    return table.merge(placed, on=factors, how="left").sort_values(["place"], kind="stable") if factors else table.assign(place=0)


def draw(plot_data: PlotData) -> Figure:
    """Draw the measure above, the loops below."""
    from matplotlib.figure import Figure

    loops = len(plot_data.factors)
    figure = Figure(figsize=(12.0, 5.0 + 0.62 * loops))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4.4, max(0.62 * loops, 0.3)])
    _measure(above, plot_data)
    _loops(below, plot_data)
    return figure


def _measure(axes: Axes, plot_data: PlotData) -> None:
    data = plot_data.data
    if plot_data.nominal is not None:
        axes.axhline(plot_data.nominal, color=MUTED, lw=1.6, ls=":")
    if plot_data.measure == ESTIMATE:
        truth = data.drop_duplicates("place")
        edges = _steps(truth["place"].to_numpy(), truth["truth"].to_numpy())
        axes.step(*edges, where="post", color=INK, lw=1.6, label="true value", zorder=4)
    for colour, (method, rows) in zip(METHOD_COLOURS * 9, data.groupby("method", sort=False), strict=False):
        place, value = _steps(rows["place"].to_numpy(), rows["value"].to_numpy())
        half_width = Z * np.append(rows["mcse"], rows["mcse"].iloc[-1])
        axes.fill_between(place, value - half_width, value + half_width, step="post", color=colour, alpha=0.25, lw=0)
        axes.step(
            place,
            value,
            where="post",
            color=colour,
            lw=2.2,
            label=f"{method} ({CANNOT_BE_GIVEN})" if rows["value"].isna().all() else str(method),
        )
    axes.set(ylabel=measure_label(plot_data.measure), xlim=(-0.5, data["place"].max() + 0.5))
    axes.tick_params(axis="x", bottom=False)
    axes.grid(axis="x", visible=False)
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)


def _steps(place: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges of steps that are centred on the places, for ``step(where="post")``."""
    return np.append(place - 0.5, place[-1] + 0.5), np.append(value, value[-1])


def _loops(axes: Axes, plot_data: PlotData) -> None:
    cells = plot_data.data.drop_duplicates("place")
    axes.set(ylim=(-0.15, max(len(plot_data.factors), 1)), yticks=[], xlabel=f"{len(cells)} cells")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.grid(visible=False)
    for row, factor in enumerate(reversed(plot_data.factors)):
        levels = list(dict.fromkeys(plot_data.data[factor]))
        height = np.array([levels.index(value) for value in cells[factor]]) / max(len(levels) - 1, 1)
        axes.step(*_steps(cells["place"].to_numpy(), row + 0.12 + 0.55 * height), where="post", color=INK, lw=1.5)
        label = f"{factor_label(factor)}\n{_abbreviated(', '.join(level_label(level) for level in levels))}"
        middle = (row + 0.4) / max(len(plot_data.factors), 1)
        axes.text(-0.012, middle, label, transform=axes.transAxes, ha="right", va="center", fontsize=11.5, color=INK)


def _abbreviated(names: str) -> str:
    """The first levels and the last one, if they are too long to fit beside the axis."""
    return names if len(names) <= 26 else f"{names[:11].rsplit(',', 1)[0]}, … {names.rsplit(', ', 1)[1]}"
