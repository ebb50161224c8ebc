"""Small shapes with soft edges that are added to a background one by one, at known places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EDGE = 0.8
"""Width of a sharp shape's edge, in pixels."""

APART = 1.5
"""Smallest distance of two centres in sums of radii: above the square root of 2, so that squares do not touch at their corners."""

ATTEMPTS = 100
"""Places that are tried before all shapes are scattered again."""

SignedDistance = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _disk(rows: np.ndarray, columns: np.ndarray, radius: float) -> np.ndarray:
    return np.hypot(rows, columns) - radius


def _square(rows: np.ndarray, columns: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(np.abs(rows), np.abs(columns)) - radius


def _cross(rows: np.ndarray, columns: np.ndarray, radius: float) -> np.ndarray:
    long, short = np.maximum(np.abs(rows), np.abs(columns)), np.minimum(np.abs(rows), np.abs(columns))
    return np.maximum(long - radius, short - radius / 3)


def _ring(rows: np.ndarray, columns: np.ndarray, radius: float) -> np.ndarray:
    return np.abs(np.hypot(rows, columns) - 0.8 * radius) - radius / 4


OUTLINES: dict[str, SignedDistance] = {"disk": _disk, "square": _square, "cross": _cross, "ring": _ring}
"""Signed distance from the outline (negative inside), from offsets to the centre and a radius, all in pixels."""


@dataclass(frozen=True)
class PlacedShape:
    """A shape of some outline, size and strength at a place."""

    outline: str  # a key of `OUTLINES`
    row: float  # its centre, in pixels
    column: float
    radius: float
    amplitude: float  # gray value in its middle, in standard deviations of the background
    edge: float = EDGE  # width of its soft edge, in pixels

    def paint(self, size: int) -> np.ndarray:
        """Paint the shape alone, (size, size): `amplitude` inside, 0 outside, in between at the edge.

        Examples
        --------
        >>> float(PlacedShape("disk", 8, 8, 3, 2.0).paint(16)[8, 8].round(2))
        1.95
        """
        rows, columns = np.indices((size, size), dtype=float)
        outside = OUTLINES[self.outline](rows - self.row, columns - self.column, self.radius)
        return self.amplitude / (1 + np.exp(np.clip(outside / self.edge, -30, 30)))


def scattered(
    rng: np.random.Generator, size: int, number: int, amplitude: float, outline: str | None = None, edge: float = EDGE
) -> list[PlacedShape]:
    """Scatter shapes that do not touch each other, with centres at least an eighth of the side from the picture's border."""
    sign, margin = float(rng.choice([-1.0, 1.0])), size / 8
    shapes: list[PlacedShape] = []
    for _ in range(ATTEMPTS):
        radius = rng.uniform(0.045, 0.08) * size
        row, column = rng.uniform(margin, size - margin, 2)
        drawn = outline or str(rng.choice(list(OUTLINES)))
        if all(np.hypot(row - shape.row, column - shape.column) > APART * (radius + shape.radius) for shape in shapes):
            shapes.append(PlacedShape(drawn, float(row), float(column), float(radius), sign * amplitude, edge))
        if len(shapes) == number:
            return shapes
    return scattered(rng, size, number, amplitude, outline, edge)  # the first ones left no room for the others: start again
