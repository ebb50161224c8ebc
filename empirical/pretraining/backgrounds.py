"""Backgrounds of procedural pictures. Each has a few random parameters, whose middle band is reserved for the test.

A background is an array of gray values with mean about 0 and standard deviation about 1. Regular backgrounds repeat themselves, so that one
picture shows what is foreign to it; irregular backgrounds do not, and only a second picture can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter

HELD_OUT = (0.4, 0.6)
"""The band of every parameter (as a share of its range) that is never used in training and always in the test of new parameters."""

Background = Callable[[np.random.Generator, int, bool], np.ndarray]
"""From (generator, side in pixels, whether parameters are of the held-out band) to gray values of shape (side, side)."""


def parameter(rng: np.random.Generator, low: float, high: float, held_out: bool) -> float:
    """Draw a parameter uniformly from its range without the middle band, or from the middle band alone.

    Examples
    --------
    >>> draws = [parameter(np.random.default_rng(seed), 0, 10, held_out=False) for seed in range(99)]
    >>> any(4 < value < 6 for value in draws)
    False
    """
    start, stop = HELD_OUT
    share = rng.uniform(start, stop) if held_out else rng.uniform(0, 1 - (stop - start))
    if not held_out and share >= start:
        share += stop - start
    return low + (high - low) * share


def _stripes(rng: np.random.Generator, size: int, held_out: bool) -> np.ndarray:
    """Paint parallel stripes."""
    wave = _wave(rng, size, held_out)
    return _standardised(wave if rng.random() < 0.5 else np.sign(wave))


def _checks(rng: np.random.Generator, size: int, held_out: bool) -> np.ndarray:
    """Paint two crossing sets of stripes."""
    one, other = _crossing(rng, size, parameter(rng, 0, np.pi / 2, held_out), parameter(rng, 8, 20, held_out))
    return _standardised(np.sign(one * other) if rng.random() < 0.5 else one + other)


def _dots(rng: np.random.Generator, size: int, held_out: bool) -> np.ndarray:
    """Paint a lattice of soft dots."""
    one, other = _crossing(rng, size, parameter(rng, 0, np.pi / 2, held_out), parameter(rng, 9, 18, held_out))
    return _standardised(np.exp(2 * (one + other)))


def _field(rng: np.random.Generator, size: int, held_out: bool) -> np.ndarray:
    """Paint smoothed noise."""
    return _standardised(gaussian_filter(rng.standard_normal((size, size)), parameter(rng, 1.5, 8, held_out), mode="wrap"))


def _grain(rng: np.random.Generator, size: int, held_out: bool) -> np.ndarray:
    """Paint smoothed noise drawn out along one direction, like wood or cloth."""
    along, across = parameter(rng, 4, 12, held_out), parameter(rng, 0.8, 2.5, held_out)
    drawn = gaussian_filter(rng.standard_normal((size, size)), (along, across), mode="wrap")
    return _standardised(drawn if rng.random() < 0.5 else drawn.T)


def _pebbles(rng: np.random.Generator, size: int, held_out: bool) -> np.ndarray:
    """Paint soft round spots at random places, bright and dark."""
    canvas = np.zeros((size, size))
    places = rng.integers(0, size, (round(parameter(rng, 8, 30, held_out)), 2))
    np.add.at(canvas, tuple(places.T), rng.choice([-1.0, 1.0], len(places)))
    return _standardised(gaussian_filter(canvas, parameter(rng, 2, 5, held_out), mode="wrap"))


@dataclass(frozen=True)
class Scene:
    """Large soft shapes, like organs, and curved bands, like ribs, that two pictures share.

    Shapes: `places` (shapes, 2), `radii` (shapes, 2), `angles`, `levels` and `edges` (shapes,), in pixels and gray values.
    """

    places: np.ndarray
    radii: np.ndarray
    angles: np.ndarray
    levels: np.ndarray
    edges: np.ndarray
    bands: tuple[float, float, float, float]  # period, bend, phase in pixels, gray value

    @classmethod
    def draw(cls, rng: np.random.Generator, size: int, held_out: bool) -> Scene:
        """Draw a scene of 3 to 9 shapes."""
        number = round(parameter(rng, 3, 9, held_out))
        places, radii = rng.uniform(0, size, (number, 2)), rng.uniform(0.1, 0.4, (number, 2)) * size
        levels = rng.choice([-1.0, 1.0], number) * rng.uniform(0.5, 1.5, number)
        bands = (parameter(rng, 6, 14, held_out), rng.uniform(-0.4, 0.4), rng.uniform(0, size), rng.uniform(0, 0.35))
        return cls(places, radii, rng.uniform(0, np.pi, number), levels, rng.uniform(0.7, 3.0, number), bands)

    def moved(self, rng: np.random.Generator, by: float) -> Scene:
        """The scene of another picture: every shape a little elsewhere and a little larger or smaller (standard deviation in pixels)."""
        period, bend, phase, level = self.bands
        places = self.places + rng.normal(0, by, self.places.shape)
        radii = np.maximum(1.0, self.radii + rng.normal(0, by, self.radii.shape))
        return replace(self, places=places, radii=radii, bands=(period, bend, phase + rng.normal(0, by), level))

    def paint(self, size: int) -> np.ndarray:
        """Paint the scene, (size, size): gray values of about 1, cut off at 2."""
        rows, columns = np.indices((size, size), dtype=float)
        painted = np.zeros((size, size))
        for (row, column), (high, wide), angle, level, edge in zip(
            self.places, self.radii, self.angles, self.levels, self.edges, strict=True
        ):
            down, right = rows - row, columns - column
            along, across = down * np.cos(angle) + right * np.sin(angle), right * np.cos(angle) - down * np.sin(angle)
            outside = (np.hypot(along / high, across / wide) - 1) * min(high, wide)
            painted += level / (1 + np.exp(np.clip(outside / edge, -30, 30)))
        period, bend, phase, level = self.bands
        arc = rows + phase + bend * (columns - size / 2) ** 2 / size
        return np.clip(painted + level * np.sin(2 * np.pi * arc / period), -2, 2)


REGULAR: dict[str, Background] = {"stripes": _stripes, "checks": _checks, "dots": _dots}
"""Backgrounds that repeat themselves, by name."""
IRREGULAR: dict[str, Background] = {"field": _field, "grain": _grain, "pebbles": _pebbles}
"""Backgrounds that do not, by name."""


def _wave(rng: np.random.Generator, size: int, held_out: bool) -> np.ndarray:
    return _plane_wave(size, parameter(rng, 0, np.pi, held_out), parameter(rng, 7, 22, held_out), rng.uniform(0, 2 * np.pi))


def _crossing(rng: np.random.Generator, size: int, angle: float, period: float) -> list[np.ndarray]:
    return [_plane_wave(size, angle + turn, period, rng.uniform(0, 2 * np.pi)) for turn in (0, np.pi / 2)]


def _plane_wave(size: int, angle: float, period: float, phase: float) -> np.ndarray:
    rows, columns = np.indices((size, size), dtype=float)
    return np.sin(2 * np.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / period + phase)


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean()
    return centred / (centred.std() or 1.0)
