"""How the examples of the gallery look: the house style of the figures, at the size of a page."""

from __future__ import annotations

from typing import Any

SIZES = {
    "figure.figsize": (7.4, 4.4), "figure.dpi": 100, "savefig.dpi": 100, "font.size": 11.5, "axes.titlesize": 12, "axes.titlepad": 8,
    "axes.labelsize": 11.5, "xtick.labelsize": 11, "ytick.labelsize": 11, "legend.fontsize": 10.5, "lines.linewidth": 2.2,
}  # fmt: skip


def house_style(gallery_conf: dict[str, Any], file_name: str) -> None:
    """Draw every example in the house style, as `reset_modules` of sphinx-gallery asks before each of them."""
    import matplotlib
    import seaborn
    from cycler import cycler

    from paper_figures.plotting import style

    settings = {**seaborn.axes_style("ticks"), **style.SETTINGS, **SIZES, "axes.prop_cycle": cycler(color=style.LINES)}
    matplotlib.rcParams.update(settings)
