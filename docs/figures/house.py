"""The style of all figures, for those of these pages: the same type, the same colour and words for each rule."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt

from paper_figures.plotting import style


def panels(columns: int = 1, *, width: float = 8.8, height: float = 5.0, **options: Any) -> Any:
    """Make a figure with its axes, one or several in a row, in the house style."""
    plt.rcParams.update(style.SETTINGS)  # the docs build puts matplotlib's own settings back before the next script
    return plt.subplots(1, columns, figsize=(width, height), **options)


def legend_below(figure: Any, axes: Any, columns: int = 2) -> None:
    """Write the legend of axes below the figure, where no curve runs through it."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=columns, columnspacing=1.4)
