"""Marks: small shapes with soft edges that are added to a ground, one by one and of known place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EDGE = 0.8
"""Width of a sharp mark's edge, in pixels."""

APART = 1.5
"""Least distance of two centres in sums of radii: more than the square root of 2, so that squares do not touch at their corners."""

ATTEMPTS = 100
"""Places that are tried before a scatter of marks is begun anew."""

Outline = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _disk(rows: np.ndarray, columns: np.ndarray, radius: float) -> np.ndarray:
    return np.hypot(rows, columns) - radius


def _square(rows: np.ndarray, columns: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(np.abs(rows), np.abs(columns)) - radius


def _cross(rows: np.ndarray, columns: np.ndarray, radius: float) -> np.ndarray:
    long, short = np.maximum(np.abs(rows), np.abs(columns)), np.minimum(np.abs(rows), np.abs(columns))
    return np.maximum(long - radius, short - radius / 3)


def _ring(rows: np.ndarray, columns: np.ndarray, radius: float) -> np.ndarray:
    return np.abs(np.hypot(rows, columns) - 0.8 * radius) - radius / 4


SHAPES: dict[str, Outline] = {"disk": _disk, "square": _square, "cross": _cross, "ring": _ring}
"""Signed distance from the outline (negative inside), from offsets to the centre and a radius, all in pixels."""


@dataclass(frozen=True)
class Mark:
    """A shape at a place."""

    shape: str  # A key of `SHAPES`
    row: float  # its centre, in pixels
    column: float
    radius: float
    amplitude: float  # gray value in its middle, in standard deviations of the ground
    edge: float = EDGE  # width of its soft edge, in pixels

    def paint(self, size: int) -> np.ndarray:
        """Paint the mark alone.

        Returns (size, size): `amplitude` inside, 0 outside, in between at the edge.

        Examples
        --------
        >>> float(Mark("disk", 8, 8, 3, 2.0).paint(16)[8, 8].round(2))
        1.95
        """
        rows, columns = np.indices((size, size), dtype=float)
        outside = SHAPES[self.shape](rows - self.row, columns - self.column, self.radius)
        return self.amplitude / (1 + np.exp(np.clip(outside / self.edge, -30, 30)))


def scattered(
    rng: np.random.Generator, size: int, number: int, amplitude: float, shape: str | None = None, edge: float = EDGE
) -> list[Mark]:
    """Scatter marks that do not touch each other.

    Returns with centres at least an eighth of the side from the border of the picture.
    """
    sign, margin = float(rng.choice([-1.0, 1.0])), size / 8
    marks: list[Mark] = []
    for _ in range(ATTEMPTS):
        radius = rng.uniform(0.045, 0.08) * size
        row, column = rng.uniform(margin, size - margin, 2)
        drawn = shape or str(rng.choice(list(SHAPES)))
        if all(np.hypot(row - mark.row, column - mark.column) > APART * (radius + mark.radius) for mark in marks):
            marks.append(Mark(drawn, float(row), float(column), float(radius), sign * amplitude, edge))
        if len(marks) == number:
            return marks
    return scattered(rng, size, number, amplitude, shape, edge)  # they stand in each other's way: begin anew
