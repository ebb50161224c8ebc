"""The style: one look for every arm, colours that colour-blind readers can tell apart, titles and subtitles aligned."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from numpy.typing import NDArray

from empirical.arms import ARMS
from paper_figures.plotting import style

# Simulation of readers without red or green cones: Machado, Oliveira and Fernandes (2009), severity 1.
READERS = {
    "usual": np.eye(3),
    "no red cones": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "no green cones": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
USUAL = ("single", "pair", "duplicate", "blank", "random", "embedding", "cross_center", "reference_only", "difference", "ideal")


def lab(colour: str, reader: str) -> NDArray[np.float64]:
    """CIE L*a*b* of a colour as a reader sees it."""
    shares = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(TO_XYZ @ np.clip(READERS[reader] @ linear, 0, 1) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one: str, other: str) -> float:
    """The smallest difference of two colours (CIE 1976) over the readers."""
    return min(float(np.linalg.norm(lab(one, reader) - lab(other, reader))) for reader in READERS)


def test_every_arm_has_a_look_of_its_own() -> None:
    assert set(ARMS) <= set(style.LOOKS)
    looks = [(style.LOOKS[arm].colour, style.LOOKS[arm].marker) for arm in ARMS]
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize(("names", "least"), [(USUAL, 17.0), (tuple(ARMS), 10.0)])
def test_colours_stay_apart_for_colour_blind_readers(names: tuple[str, ...], least: float) -> None:
    near = [(one, other) for one, other in combinations(names, 2) if distance(style.COLOURS[one], style.COLOURS[other]) < least]
    assert near == []


def test_lines_of_one_figure_are_no_two_blues() -> None:
    assert style.SKY not in style.LINES
    assert min(distance(one, other) for one, other in combinations(style.LINES, 2)) > 17


def test_title_and_subtitle_begin_at_the_same_place() -> None:
    with style.house_style():
        figure = Figure(figsize=(6, 4))
        figure.subplots()
        style.heading(figure, "A title that is too long for one line of this little figure", "and what it is drawn from")
        figure.draw_without_rendering()
    title, (subtitle,) = figure._suptitle, [artist for artist in figure.artists if isinstance(artist, Annotation)]  # type: ignore[attr-defined]
    upper, lower, axes = title.get_window_extent(), subtitle.get_window_extent(), figure.axes[0].get_window_extent()
    assert lower.x0 == pytest.approx(upper.x0, abs=2)
    assert title.get_text().count("\n") == 2  # two lines, and room for the subtitle
    assert axes.y1 < lower.y0 < lower.y1 < upper.y1
