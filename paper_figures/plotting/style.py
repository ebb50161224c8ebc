"""The style of all figures: large type, few lines, colours that colour-blind readers can tell apart (Okabe and Ito)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1f24"
MUTED = "#5f6873"
GRID = "#e3e6ea"
BLUE, ORANGE, GREEN, RED, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"

COLOURS = {"single": MUTED, "pair": BLUE, "difference": RED, "optimal": BLUE, "duplicate": ORANGE, "control": ORANGE, "ideal": GREEN}
"""The colour of each arm, rule and observer, the same in every figure."""

WIDE = (11.0, 5.8)
"""Usual size in inches; with `DPI` about 1760 by 930 pixels."""

DPI = 160
INCHES_PER_LETTER = 0.14
"""Width of a letter of a heading, a little more than the average."""

POINTS: dict[str, Any] = {"fmt": "o", "ms": 9, "mec": "white", "capsize": 4, "elinewidth": 2, "zorder": 4}
"""Options of ``errorbar`` for estimates with their intervals."""

SMALL_POINTS: dict[str, Any] = {"fmt": "o", "ms": 5.5, "mec": "white", "capsize": 3, "elinewidth": 1.6, "zorder": 4}
"""The same for simulated points on a curve."""

SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a figure looks the same on every machine
    "font.size": 14,
    "axes.titlesize": 15,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 14,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlepad": 12,
    "grid.color": GRID,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 13,
    "ytick.labelsize": 13,
    "legend.fontsize": 13,
    "legend.frameon": False,
    "lines.linewidth": 2.6,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "pdf.fonttype": 42,  # text stays text
    "figure.constrained_layout.use": True,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in this style inside the block; matplotlib's global settings are restored after it."""
    import matplotlib
    import seaborn

    settings: Any = {**seaborn.axes_style("ticks"), **SETTINGS}
    with matplotlib.rc_context(settings):
        yield


def heading(figure: Figure, text: str) -> None:
    """Write the title over a figure, in as many lines as its width asks for."""
    import textwrap

    lines = textwrap.fill(text, int(figure.get_figwidth() / INCHES_PER_LETTER))
    figure.suptitle(lines, x=0.01, ha="left", fontsize=16, fontweight="bold")


def note(axes: Axes, x: float, y: float, text: str, colour: str = MUTED, **options: object) -> None:
    """Write a small remark into a plot at data coordinates, on a white ground so that lines do not run through it."""
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
    axes.text(x, y, text, **({"color": colour, "fontsize": 12, "bbox": ground, "zorder": 6} | options))  # type: ignore[arg-type]
