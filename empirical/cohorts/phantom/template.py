"""The fixed anatomy of the phantom: a chest X-ray drawn from smooth shapes, with four anatomical parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Anatomy:
    """Departures from the standard chest, each 0 in the template, in units of half the image's width."""

    heart: float = 0.0  # growth of the heart's radii
    lungs: float = 0.0  # how far the lungs reach outwards and the diaphragm is pressed down
    ribs: float = 0.0  # how much lower the ribs are
    thickness: float = 0.0  # how far the body's outline is moved outwards (the soft tissue also gets denser)


MODES = tuple(item.name for item in fields(Anatomy))
AIR, TISSUE, LUNG, HEART, SPINE, ABDOMEN, BONE = 58.0, 132.0, 84.0, 176.0, 184.0, 178.0, 20.0
"""Gray levels of the parts, our choice; the level of a bone is added to the level behind it."""


def draw_template(size: int, anatomy: Anatomy | None = None) -> Array:
    """Draw the chest in gray levels, (size, size): air dark, bone bright, the patient's left on the viewer's right."""
    anatomy = anatomy or Anatomy()
    x, y = grid(size)
    soft = softness(size)
    lungs, heart = lung_field(size, anatomy), _heart(x, y, anatomy, soft)
    image = _blend(np.full((size, size), AIR), TISSUE + 60 * anatomy.thickness, _body(x, y, anatomy, soft))
    image = _blend(image, ABDOMEN, _abdomen(x, y, anatomy, soft))
    image = _blend(image, LUNG, lungs)
    image = _blend(image, HEART, heart * 0.92)
    image = _blend(image, SPINE, 0.75 * _mediastinum(x, y, soft))
    image = image + 16 * _spine(x, y) - 26 * _trachea(x, y, soft) + 30 * _vessels(x, y) * lungs * (1 - heart)
    return image + BONE * (_ribs(x, y, anatomy) * (0.25 * _body(x, y, anatomy, soft) + 0.75 * lungs) + 1.2 * _clavicles(x, y))


def lung_field(size: int, anatomy: Anatomy | None = None) -> Array:
    """Draw the air-filled part of the lungs, including the area of the heart, (size, size): 1 inside, 0 outside, smooth between."""
    anatomy = anatomy or Anatomy()
    x, y = grid(size)
    across = np.abs(x)
    outer = (0.80 + anatomy.lungs) * np.sqrt(np.clip(1 - np.abs((y - 0.30) / 1.08) ** 2.4, 1e-6, None))
    inner = 0.135 + 0.10 * np.exp(-(((y + 0.80) / 0.30) ** 2)) + 0.035 * (y + 0.1) ** 2
    inside = _softmin(across - inner, outer - across, _dome(x, anatomy) - y, softness=0.03)
    return edge(inside, 1.2 * softness(size))


def clear_lung(size: int) -> Array:
    """Draw, like `lung_field`, the part not covered by heart and mediastinum, where nodules can be."""
    x, y = grid(size)
    soft = softness(size)
    return lung_field(size) * (1 - _heart(x, y, Anatomy(), soft)) * (1 - _mediastinum(x, y, soft))


def grid(size: int) -> tuple[Array, Array]:
    """Place the pixels' centres between -1 and 1: x to the right, y downwards, both (size, size)."""
    centres = (2 * np.arange(size) + 1) / size - 1
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return x, y


def softness(size: int) -> float:
    """Compute the half width of an edge: half a pixel, but no sharper than in 64 pixels, so that modes are linear over their range."""
    return 1.0 / min(size, 64)


def edge(distance: Array, soft: float) -> Array:
    """Draw a smooth edge: 1 where the distance is positive, 0 where it is negative."""
    return 1 / (1 + np.exp(-np.clip(distance / soft, -60, 60)))


def _blend(below: Array, level: float, opacity: Array) -> Array:
    return below + (level - below) * opacity


def _softmin(*distances: Array, softness: float) -> Array:
    return -softness * np.log(sum(np.exp(-np.clip(distance, -5, 5) / softness) for distance in distances))


def _dome(x: Array, anatomy: Anatomy) -> Array:
    """Compute the height of the diaphragm: a dome on each side, the patient's right (viewer's left) one a little higher."""
    right = 0.50 - 0.16 * np.cos((x + 0.42) * 2.6)
    left = 0.55 - 0.15 * np.cos((x - 0.44) * 2.6)
    return np.where(x < 0, right, left) + 0.12 + 0.8 * anatomy.lungs


def _body(x: Array, y: Array, anatomy: Anatomy, soft: float) -> Array:
    shoulder = edge(y + 0.80, 0.06)
    half_width = 0.30 + 0.66 * shoulder - 0.06 * np.clip(y, 0, 1) + anatomy.thickness
    return edge(half_width - np.abs(x), 1.5 * soft)


def _abdomen(x: Array, y: Array, anatomy: Anatomy, soft: float) -> Array:
    below = edge(y - _dome(x, anatomy), 2 * soft) * _body(x, y, anatomy, soft)
    bubble = np.exp(-(((x - 0.42) / 0.16) ** 2 + ((y - 0.74) / 0.09) ** 2))  # gas in the stomach, under the left dome
    return below * (1 - 0.5 * bubble)


def _heart(x: Array, y: Array, anatomy: Anatomy, soft: float) -> Array:
    turn = 0.60
    along = (x - 0.15) * np.cos(turn) + (y - 0.26) * np.sin(turn)
    across = -(x - 0.15) * np.sin(turn) + (y - 0.26) * np.cos(turn)
    ventricle = 1 - np.hypot(along / (0.40 + anatomy.heart), across / (0.29 + anatomy.heart))
    atrium = 1 - np.hypot((x + 0.06) / (0.19 + anatomy.heart), (y - 0.24) / (0.26 + anatomy.heart))
    return edge(-_softmin(-ventricle, -atrium, softness=0.05) * 0.3, 2 * soft)


def _mediastinum(x: Array, y: Array, soft: float) -> Array:
    half_width = 0.115 + 0.05 * np.exp(-(((y + 0.62) / 0.22) ** 2)) + 0.035 * np.clip(y + 0.1, 0, 1)
    arch = np.exp(-((np.hypot(x - 0.13, y + 0.27) / 0.11) ** 4))  # the aortic knob
    return np.maximum(edge(half_width - np.abs(x), 2 * soft), arch)


def _spine(x: Array, y: Array) -> Array:
    column = np.exp(-((x / 0.085) ** 4))
    return column * (0.72 + 0.28 * np.cos(2 * np.pi * y / 0.155))  # vertebrae and the discs between them


def _trachea(x: Array, y: Array, soft: float) -> Array:
    return np.exp(-(((x + 0.012) / 0.055) ** 4)) * edge(-0.26 - y, 4 * soft)


def _vessels(x: Array, y: Array) -> Array:
    """Draw the hila and a few branching vessels, brightest near the middle."""
    total = np.zeros_like(x)
    for side, height in ((-1.0, 0.0), (1.0, -0.05)):
        out, down = side * x - 0.20, y - height
        total += 0.9 * np.exp(-((out / 0.07) ** 2 + (down / 0.13) ** 2))
        for angle in (-0.95, -0.45, 0.1, 0.6, 1.0):
            along, off = out * np.cos(angle) + down * np.sin(angle), -out * np.sin(angle) + down * np.cos(angle)
            total += 0.45 * np.exp(-((off / 0.022) ** 2)) * np.exp(-np.clip(along, 0, None) / 0.22) * edge(along, 0.02)
    return total


def _ribs(x: Array, y: Array, anatomy: Anatomy) -> Array:
    """Draw the posterior ribs (running down outwards) and, fainter, the anterior ones (running down inwards)."""
    across = np.abs(x)
    total = np.zeros_like(x)
    for rib in range(9):
        arc = -0.80 + 0.165 * rib + anatomy.ribs - 0.22 * np.sin(np.pi * np.clip(across / 0.9, 0, 1)) + 0.30 * across**1.6
        total += np.exp(-(((y - arc - 0.10) / 0.030) ** 2)) * edge(across - 0.12, 0.02)
    for rib in range(5):
        arc = -0.42 + 0.21 * rib + anatomy.ribs - 0.42 * (across - 0.15)
        total += 0.4 * np.exp(-(((y - arc) / 0.034) ** 2)) * edge(across - 0.36, 0.05)
    return total * edge(0.84 - across, 0.04)


def _clavicles(x: Array, y: Array) -> Array:
    across = np.abs(x)
    arc = -0.60 - 0.17 * np.clip(across - 0.1, 0, 1) - 0.05 * np.sin(5.5 * (across - 0.1))
    return np.exp(-((np.abs(y - arc) / 0.042) ** 3)) * edge(across - 0.10, 0.02) * edge(0.80 - across, 0.03)
