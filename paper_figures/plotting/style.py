"""The style of all figures: large type, few lines, and one colour for each thing, which colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1f24"
MUTED = "#5f6873"
GRID = "#e3e6ea"
BLUE, ORANGE, GREEN, RED, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"


class Look(NamedTuple):
    """How one thing is drawn and named in every figure."""

    colour: str
    marker: str
    label: str


LOOKS = {
    "single": Look(MUTED, "o", "single image"),
    "pair": Look(BLUE, "s", "pair"),
    "multi": Look("#0E2E9B", "s", "several healthy references"),
    "random": Look("#5B2A0E", "D", "pair, random reference"),
    "demographic": Look(BLUE, "s", "pair, matched reference"),
    "embedding": Look("#92CE7E", "^", "pair, embedding reference"),
    "cross_center": Look("#825EED", "v", "pair, cross-center reference"),
    "prior": Look("#1A1446", "<", "pair, earlier image of the patient"),
    "duplicate": Look(ORANGE, "P", "duplicate (query twice)"),
    "blank": Look(PURPLE, "X", "gray image as reference"),
    "noise": Look("#7ECEA6", "p", "noise as reference"),
    "fixed": Look("#F28E8E", "*", "one reference for all"),
    "diseased": Look("#1A1446", "h", "diseased reference"),
    "wrong_modality": Look("#B01E4F", "<", "reference of another kind"),
    "reversed": Look("#5EC9ED", ">", "pair, query first"),
    "unlabelled": Look("#274768", "d", "pair, not said healthy"),
    "text": Look("#6B6B00", "H", "comparing words, no image"),
    "question_only": Look("#4B00E4", "D", "question alone, no image"),
    "reference_only": Look("#944F38", "8", "reference alone, query blanked"),
    "optimal": Look(BLUE, "o", "optimal comparison"),
    "difference": Look(RED, "o", "plain difference"),
    "ideal": Look(GREEN, "D", "ideal observer"),
}
"""Every arm, strategy, rule and observer: the same colour, marker and words in every figure.

The colours of single, pair, difference, ideal observer and the usual controls are those of Okabe and Ito. The others were chosen so that
any two differ for readers without red or green cones (a test computes it); different markers tell them apart in gray, too.
"""

COLOURS = {name: look.colour for name, look in LOOKS.items()} | {"control": ORANGE}
"""The colour of each arm, rule and observer."""

LINES = (BLUE, ORANGE, GREEN, RED, PURPLE, "#5B2A0E", "#92CE7E", MUTED)
"""Colours of lines for levels of a factor or for methods, in the order of use; no two blues."""

WIDE = (11.0, 5.8)
"""Usual size in inches; with `DPI` about 1760 by 930 pixels."""

DPI = 160
TITLE_SIZE, SUBTITLE_SIZE = 17, 13.5
TITLE_LETTER, SUBTITLE_LETTER = 0.145, 0.108
"""Width of a letter of title and subtitle in inches, a little more than the average."""

POINTS: dict[str, Any] = {"fmt": "o", "ms": 9, "mec": "white", "capsize": 4, "elinewidth": 2, "zorder": 4}
"""Options of ``errorbar`` for estimates with their intervals."""

SMALL_POINTS: dict[str, Any] = {"fmt": "o", "ms": 5.5, "mec": "white", "capsize": 3, "elinewidth": 1.6, "zorder": 4}
"""The same for simulated points on a curve."""

SETTINGS = {
    "font.family": "DejaVu Sans",  # included in matplotlib, so a figure looks the same on every machine
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


def heading(figure: Figure, text: str, subtitle: str = "") -> None:
    """Write title and subtitle over a figure, both from its left edge, wrapped to its width."""
    import textwrap

    from matplotlib.text import Annotation

    width, subtitle = figure.get_figwidth(), subtitle.replace(" %", "\u00a0%")  # no line begins with the sign
    lines, below = (textwrap.fill(words, int(width / letter)) for words, letter in ((text, TITLE_LETTER), (subtitle, SUBTITLE_LETTER)))
    # The layout keeps room only for a figure's title, so empty lines of the title make room for the subtitle.
    room = "\n " * len(below.splitlines())
    title = figure.suptitle(lines + room, x=0.01, ha="left", fontsize=TITLE_SIZE, fontweight="bold", linespacing=1.25)
    if below:
        figure.add_artist(
            Annotation(below, (0, 0), xycoords=title, ha="left", va="bottom", fontsize=SUBTITLE_SIZE, color=MUTED, linespacing=1.25)
        )


def note(axes: Axes, x: float, y: float, text: str, colour: str = MUTED, **options: object) -> None:
    """Write a small remark into a plot at data coordinates, on a white background so that no line crosses it."""
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
    axes.text(x, y, text, **({"color": colour, "fontsize": 12, "bbox": ground, "zorder": 6} | options))  # type: ignore[arg-type]
