"""The back of an eye drawn from smooth shapes: a right eye in green light, its optic disc on the viewer's right."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.phantom.template import edge, grid, softness

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Eye:
    """Departures from the standard eye, each 0 in the template; lengths in units of half the image's side."""

    disc: float = 0.0  # growth of the optic disc's radius
    place: float = 0.0  # how far disc and vessels are moved towards the nose
    arcade: float = 0.0  # how much wider the arcades of the large vessels open
    gradient: float = 0.0  # change of the brightness from the temporal to the nasal edge, in gray levels


MODES = tuple(item.name for item in fields(Eye))
DARK, RETINA, DISC, VESSEL = 62.0, 128.0, 178.0, 26.0
"""Gray levels of the camera's mask, the retina and the disc; how much darker a large vessel is. Our choice."""
DISC_AT, MACULA_AT = (0.46, 0.0), (-0.10, 0.04)
BRANCHES = tuple((side, fork, angle) for side in (-1, 1) for fork in (0.3, 0.62) for angle in (-0.9, 0.1, 0.9))
"""Small vessels: above or below, where on the arcade they begin (as a share of its length), and where they run (radians)."""


def draw_fundus(size: int, eye: Eye | None = None) -> Array:
    """Draw the retina in gray levels, (size, size): dark outside of the circle, bright disc, dark vessels and macula."""
    eye = eye or Eye()
    x, y = grid(size)
    inside = field_of_view(size)
    image = RETINA + (14 + eye.gradient) * x - 16 * (x**2 + y**2)  # from the temporal to the nasal side, and towards the edge
    image = image - 24 * np.exp(-(((x - MACULA_AT[0]) / 0.17) ** 2 + ((y - MACULA_AT[1]) / 0.17) ** 2) / 2)
    large = sum((_vessel(x, y, *_arcade(side, eye), 0.036) for side in (-1, 1)), np.zeros_like(x))
    small = sum((branch for branch in branches(size, eye)), np.zeros_like(x))
    image = image - VESSEL * large - 0.4 * VESSEL * small
    radius = np.hypot((x - DISC_AT[0] - eye.place) / (0.15 + eye.disc), (y - DISC_AT[1]) / (0.17 + eye.disc))
    image = image + (DISC - RETINA) * edge(0.15 * (1 - radius), 1.5 * softness(size)) * (1 - 0.5 * np.minimum(large, 1))
    return DARK + (image - DARK) * inside


def field_of_view(size: int) -> Array:
    """Draw the camera's circular field, (size, size): 1 inside, 0 outside, smooth between."""
    x, y = grid(size)
    return edge(0.92 - np.hypot(x, y), 1.5 * softness(size))


def clear_retina(size: int) -> Array:
    """Draw the part of the field in which findings can be: not at its edge, not on the optic disc."""
    x, y = grid(size)
    off_disc = np.hypot(x - DISC_AT[0], y - DISC_AT[1]) - 0.24
    return edge(np.minimum(0.84 - np.hypot(x, y), off_disc), softness(size))


def branches(size: int, eye: Eye | None = None) -> Array:
    """Draw the small vessels one by one, (branches, size, size), each of peak near 1 and within the field."""
    eye = eye or Eye()
    x, y = grid(size)
    drawn = []
    for side, fork, angle in BRANCHES:
        path_x, path_y = _arcade(side, eye)
        start = int(fork * (len(path_x) - 1))
        turn = np.arctan2(path_y[start + 1] - path_y[start], path_x[start + 1] - path_x[start]) + side * angle
        steps = np.linspace(0, 0.55, 28)
        bend = turn + 0.5 * np.sin(3.5 * steps)
        drawn.append(_vessel(x, y, path_x[start] + steps * np.cos(bend), path_y[start] + steps * np.sin(bend), 0.024))
    return np.stack(drawn) * field_of_view(size)


def _arcade(side: int, eye: Eye) -> tuple[Array, Array]:
    """Points of a large vessel, from the disc around the macula."""
    along = np.linspace(0, 1, 48)
    return DISC_AT[0] + eye.place - 1.15 * along, side * (0.50 + eye.arcade) * np.sin(np.pi * np.clip(along * 0.80, 0, 1)) ** 0.8


def _vessel(x: Array, y: Array, path_x: Array, path_y: Array, width: float) -> Array:
    """Draw a vessel along points; a soft minimum of the distances keeps it smooth where the nearest point changes."""
    squared = (x[..., None] - path_x) ** 2 + (y[..., None] - path_y) ** 2
    sharpness = 2 * (0.5 * width) ** 2
    near = -sharpness * (np.log(np.exp(-(squared - squared.min(-1, keepdims=True)) / sharpness).sum(-1)) - np.log(3.0))
    return np.exp(-np.maximum(near + squared.min(-1), 0) / (2 * width**2))
