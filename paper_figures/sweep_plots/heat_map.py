"""Heat map: a measure over two factors, a panel for every method and every combination of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.plotting.style import INK, short
from paper_figures.sweep_plots.drawing import (
    TARGETS,
    Drawing,
    PlotRequest,
    head,
    label_of,
    level_name,
    measured,
    name_of,
    replicates_line,
    rows_and_columns,
    spaced,
    title_of,
)
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    from theory.sweeps import Results

MOST_PANELS = 12
IN_A_ROW = 4
WIDEST = 14.0  # inches


def collect(results: Results, request: PlotRequest) -> Drawing:
    """Work out what is shown.

    Returns A row per cell and method; the first two factors are those of the map.
    """
    table, factors = measured(results, request)
    x, y = _two(factors, request)
    others = [name for name in factors if name not in (x, y)]
    panels = len(table[[*others, "method"]].drop_duplicates())
    if panels > MOST_PANELS:
        raise InputError(
            f"--kind heat-map: {panels} panels do not fit (at most {MOST_PANELS}); choose with --where FACTOR=LEVEL and --method"
        )
    caption = (
        f"{name_of(request.measure).capitalize()} over {x} and {y}; small numbers are Monte Carlo standard errors. {replicates_line(table)}"
    )
    title = title_of(results, request.measure)
    return Drawing(table, [x, y, *others], request.measure, title, caption, TARGETS.get(request.measure))


def _two(factors: list[str], request: PlotRequest) -> tuple[str, str]:
    unknown = [name for name in (request.x, request.y) if name is not None and name not in factors]
    if unknown:
        raise InputError(f"factor '{unknown[0]}': does not vary here (these do: {first_few(factors, 9) or 'none'})")
    free = [name for name in reversed(factors) if name not in (request.x, request.y)]
    if len(factors) < 2:
        raise InputError("--kind heat-map: needs two factors that vary; choose another kind")
    x = request.x or free.pop(0)
    y = request.y or free.pop(0)
    if x == y:
        raise InputError(f"--x {x} --y {y}: give two different factors")
    return x, y


def draw(drawing: Drawing) -> Figure:
    """Draw it.

    Returns panels with one colour scale.
    """
    from matplotlib.figure import Figure

    x, y, *others = drawing.factors
    groups = list(drawing.data.groupby([*others, "method"], sort=False))
    across, down = (drawing.data[name].astype(str).nunique() for name in (x, y))
    width = max(2.6, 0.86 * across)
    rows, columns = rows_and_columns(len(groups), min(IN_A_ROW, int(WIDEST / width)))
    figure = Figure(figsize=(max(7.0, 2.6 + columns * width), 1.9 + rows * (1.0 + 0.62 * down)))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    colours, scale = _colours(drawing)
    for axes, (_, cells) in zip(panels.flat, groups, strict=False):
        image = _panel(axes, cells, (x, y), colours, scale, _digits(drawing.data))
        first: dict[Any, Any] = cells.iloc[0].to_dict()
        axes.set_title(
            "\n".join(part for part in (str(first["method"]), label_of(first, others)) if part), fontweight="normal", fontsize=13
        )
    for axes in panels.flat[len(groups) - columns : len(groups)]:
        axes.tick_params(labelbottom=True)  # also where the panel below is empty
    for axes in panels.flat[len(groups) :]:
        axes.set_visible(False)
    figure.supxlabel(spaced(x), fontsize=14)
    figure.supylabel(spaced(y), fontsize=14)
    bar = figure.colorbar(image, ax=panels, label=name_of(drawing.measure), aspect=25, pad=0.02)
    low, high = drawing.data["value"].min(), drawing.data["value"].max()
    if high > low:
        bar.ax.set_ylim(low, high)  # a coverage above 1 need not have a colour
    head(figure, drawing.title)
    return figure


def _colours(drawing: Drawing) -> tuple[str, Normalize]:
    """Two hues around the ideal value, or around 0 where values have both signs; one hue otherwise."""
    from matplotlib.colors import Normalize

    low, high = float(drawing.data["value"].min()), float(drawing.data["value"].max())
    centre = 0.0 if drawing.nominal is None and low < 0 < high else drawing.nominal
    if centre is None:
        return "Blues", Normalize(low, high if high > low else low + 1)
    reach = max(abs(low - centre), abs(high - centre)) or 1.0
    return "RdBu", Normalize(centre - reach, centre + reach)


def _panel(axes: Axes, cells: pd.DataFrame, names: tuple[str, str], colours: str, scale: Normalize, digits: int) -> Any:
    x, y = names
    levels = [list(dict.fromkeys(cells[name])) for name in names]
    value = np.full((len(levels[1]), len(levels[0])), np.nan)
    axes.grid(visible=False)
    for row in cells.to_dict("records"):
        place = levels[1].index(row[y]), levels[0].index(row[x])
        value[place] = row["value"]
        _write(axes, place, row, (colours, scale, digits))
    axes.set(
        xticks=range(len(levels[0])), xticklabels=[level_name(level) for level in levels[0]],
        yticks=range(len(levels[1])), yticklabels=[level_name(level) for level in levels[1]],
    )  # fmt: skip
    axes.tick_params(length=0)
    return axes.imshow(value, cmap=colours, norm=scale, origin="lower", aspect="auto")


def _digits(data: pd.DataFrame) -> int:
    """Digits after the point that show two digits of the usual Monte Carlo standard error."""
    usual = float(data["mcse"].median())
    return max(0, min(5, int(1 - np.floor(np.log10(usual))))) if usual > 0 else 2


def _write(axes: Axes, place: tuple[int, int], row: dict[Any, Any], look: tuple[str, Normalize, int]) -> None:
    colours, scale, digits = look
    if not np.isfinite(row["value"]):
        axes.text(place[1], place[0], "–", ha="center", va="center", color=INK)
        return
    colour = "white" if _is_dark(colours, scale, row["value"]) else INK
    value, error = (short(number, digits) for number in (row["value"], row["mcse"]))
    axes.text(place[1], place[0] + 0.12, value, ha="center", va="center", color=colour, fontsize=12)
    axes.text(place[1], place[0] - 0.24, error, ha="center", va="center", color=colour, fontsize=8.5)


def _is_dark(colours: str, scale: Normalize, value: float) -> bool:
    from matplotlib import colormaps

    red, green, blue, _ = colormaps[colours](float(scale(value)))
    return bool(0.299 * red + 0.587 * green + 0.114 * blue < 0.5)
