"""One look for all figures: large type, few lines, colours that colour-blind readers can tell apart (Okabe and Ito)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1b1f24"
MUTED = "#5f6873"
GRID = "#e3e6ea"
BLUE, ORANGE, GREEN, RED, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"

COLOURS = {"single": MUTED, "pair": BLUE, "difference": RED, "optimal": BLUE, "duplicate": ORANGE, "control": ORANGE, "ideal": GREEN}
"""The colour of each arm, rule and observer, the same in every figure."""

WIDE = (11.0, 5.8)
"""Usual size in inches; with `DPI` about 1760 by 930 pixels."""

DPI = 160

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
    """Draw in the house style inside the block; global settings are left as they were."""
    import matplotlib
    import seaborn

    settings: Any = {**seaborn.axes_style("ticks"), **SETTINGS}
    with matplotlib.rc_context(settings):
        yield


def note(axes: Axes, x: float, y: float, text: str, colour: str = MUTED, **options: object) -> None:
    """Write a small remark into a plot, on a white ground so that lines do not run through it."""
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
    axes.text(x, y, text, **({"color": colour, "fontsize": 12, "bbox": ground, "zorder": 6} | options))  # type: ignore[arg-type]


def short(value: float, digits: int = 2) -> str:
    """Write a number as it stands in figures: a fixed number of digits and a true minus sign.

    A number that these digits would show as 0 is given one significant digit, down to 0.0001, so that the sign of an interval's end
    can be read.

    Returns for example ``'−0.13'``; ``'–'`` for NaN, ``'∞'`` for an unbounded end of an interval.

    Examples
    --------
    >>> short(-0.126), short(-0.00047)
    ('−0.13', '−0.0005')
    """
    if value != value:
        return "–"
    if abs(value) == float("inf"):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    if float(text) == 0 and abs(value) >= 1e-4:
        text = f"{value:.1g}"
    return ("0." + "0" * digits if float(text) == 0 else text).replace("-", "−")


def with_interval(estimate: float, low: float, high: float, digits: int = 2) -> str:
    """Write an estimate with its interval.

    Returns for example ``'0.13 [0.08, 0.18]'``.

    Examples
    --------
    >>> with_interval(0.129, 0.08, 0.181)
    '0.13 [0.08, 0.18]'
    """
    return f"{short(estimate, digits)} [{short(low, digits)}, {short(high, digits)}]"
