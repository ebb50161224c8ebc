"""Heat map: a measure over two factors, a panel for every method and every combination of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.number_format import short
from paper_figures.plotting.style import note
from paper_figures.sweep_plots.plot_data import (
    CANNOT_BE_GIVEN,
    NOMINAL,
    PlotData,
    PlotRequest,
    cell_label,
    factor_label,
    level_label,
    measure_label,
    measure_table,
    plot_title,
    replicates_sentence,
    rows_and_columns,
)
from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theory.sweeps import Results

MAX_PANELS = 12
MAX_COLUMNS = 4
MAX_WIDTH = 14.0  # inches


def collect(results: Results, request: PlotRequest) -> PlotData:
    """Compute the measure: a row per cell and method, and the factors in the order across, up, others."""
    table, factors = measure_table(results, request)
    x, y = _axes_of_map(factors, request)
    others = [name for name in factors if name not in (x, y)]
    panels = len(table[[*others, "method"]].drop_duplicates())
    if panels > MAX_PANELS:
        raise InputError(
            f"--kind heat-map: {panels} panels do not fit (at most {MAX_PANELS}); choose with --where FACTOR=LEVEL and --method"
        )
    caption = (
        f"{measure_label(request.measure).capitalize()} over {x} and {y}; Monte Carlo standard errors in brackets. "
        f"{replicates_sentence(table)}"
    )
    title = plot_title(results, request.measure)
    under = f"{replicates_sentence(table)} In brackets: Monte Carlo standard errors."
    return PlotData(table, [x, y, *others], request.measure, title, caption, NOMINAL.get(request.measure), under)


def _axes_of_map(factors: list[str], request: PlotRequest) -> tuple[str, str]:
    """The factors across and up: the requested ones, else the last ones of the design, which vary fastest."""
    unknown = [name for name in (request.x, request.y) if name is not None and name not in factors]
    if unknown:
        raise InputError(
            f"factor '{unknown[0]}': does not vary here (these do: {first_few(factors, 9) or 'none'}){did_you_mean(unknown[0], factors)}"
        )
    free = [name for name in reversed(factors) if name not in (request.x, request.y)]
    if len(factors) < 2:
        raise InputError("--kind heat-map: needs two factors that vary; choose another kind")
    x = request.x or free.pop(0)
    y = request.y or free.pop(0)
    if x == y:
        raise InputError(f"--x {x} --y {y}: give two different factors")
    return x, y


def draw(plot_data: PlotData) -> Figure:
    """Draw panels with one colour scale."""
    from matplotlib.figure import Figure

    x, y, *others = plot_data.factors
    groups = list(plot_data.data.groupby([*others, "method"], sort=False))
    across, up = (plot_data.data[name].astype(str).nunique() for name in (x, y))
    width = max(2.6, 0.86 * across)
    rows, columns = rows_and_columns(len(groups), min(MAX_COLUMNS, int(MAX_WIDTH / width)))
    figure = Figure(figsize=(max(7.0, 2.6 + columns * width), 1.9 + rows * (1.0 + 0.62 * up)))
    panels = figure.subplots(rows, columns, squeeze=False)
    colours, lowest, highest = _colour_scale(plot_data)
    usual_mcse = float(plot_data.data["mcse"].median())
    digits = max(0, min(5, int(1 - np.floor(np.log10(usual_mcse))))) if usual_mcse > 0 else 2  # two digits of the typical MCSE
    for axes, (_, cells) in zip(panels.flat, groups, strict=False):
        _panel(axes, cells, x, y, digits, cmap=colours, vmin=lowest, vmax=highest)
        first: dict[Any, Any] = cells.iloc[0].to_dict()
        title = [part for part in (str(first["method"]), cell_label(first, others)) if part]
        axes.set_title("\n".join(title), fontweight="normal", fontsize=13)
    for axes in panels.flat[len(groups) :]:
        axes.set_visible(False)
    figure.supxlabel(factor_label(x), fontsize=14)
    figure.supylabel(factor_label(y), fontsize=14)
    bar = figure.colorbar(panels[0, 0].collections[0], ax=panels, label=measure_label(plot_data.measure), aspect=25, pad=0.02)
    low, high = plot_data.data["value"].min(), plot_data.data["value"].max()
    if high > low:
        bar.ax.set_ylim(low, high)  # a coverage above 1 needs no colour
    return figure


def _colour_scale(plot_data: PlotData) -> tuple[str, float, float]:
    """Two hues around the ideal value, or around 0 if values have both signs; else one hue."""
    low, high = float(plot_data.data["value"].min()), float(plot_data.data["value"].max())
    centre = 0.0 if plot_data.nominal is None and low < 0 < high else plot_data.nominal
    if centre is None:
        return "Blues", low, high if high > low else low + 1
    reach = max(abs(low - centre), abs(high - centre)) or 1.0
    return "RdBu", centre - reach, centre + reach


def _panel(axes: Axes, cells: pd.DataFrame, x: str, y: str, digits: int, **colours: Any) -> None:
    import pandas as pd
    import seaborn

    text = [f"{short(value, digits)}\n({short(mcse, digits)})" for value, mcse in zip(cells["value"], cells["mcse"], strict=True)]
    levels = {name: list(dict.fromkeys(cells[name])) for name in (x, y)}  # in the order of the design
    index, columns = pd.Index(levels[y]), pd.Index(levels[x])
    values, texts = (
        cells.assign(text=text).pivot(index=y, columns=x, values=name).reindex(index=index, columns=columns) for name in ("value", "text")
    )
    seaborn.heatmap(values, annot=texts, fmt="", annot_kws={"fontsize": 10.5}, cbar=False, ax=axes, **colours)
    if cells["value"].isna().all():
        note(axes, 0.5, 0.5, CANNOT_BE_GIVEN, ha="center", va="center", transform=axes.transAxes)
    axes.invert_yaxis()
    axes.set(xlabel="", ylabel="")
    axes.set_xticklabels([level_label(level) for level in levels[x]], rotation=0)
    axes.set_yticklabels([level_label(level) for level in levels[y]], rotation=0)
    axes.tick_params(length=0)
