"""Integrals by fixed rules: vectorised, deterministic, good to about 1e-12 for the smooth integrands here."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, owens_t

from theory.numerics.validation import Floats


@functools.cache
def legendre(nodes: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre rule on [0, 1]: nodes and weights."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return (x + 1) / 2, w / 2


@functools.cache
def standard_normal(step: float = 0.01, reach: float = 13.0) -> tuple[Floats, Floats]:
    """Trapezoidal rule for expectations over a standard normal: nodes, and weights that add up to 1. It converges faster than any power of
    the step for functions that are analytic near the real line."""
    z = np.arange(-reach, reach + step / 2, step)
    weights = np.exp(-z * z / 2)
    return z, weights / weights.sum()


def bivariate_normal_cdf(h: ArrayLike, k: ArrayLike, r: ArrayLike) -> Floats:
    r"""Probability :math:`\Phi_2(h, k; r)` that two standard normals of correlation r are below h and k.

    Notes
    -----
    By Owen's T function (Owen 1956, eq. 2.1); at :math:`|r| = 1` by its definition.

    Examples
    --------
    >>> float(bivariate_normal_cdf(0.0, 0.0, 0.5))
    0.33333
    """
    h, k, r = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (h, k, r)))
    width = np.sqrt((1 - r) * (1 + r))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # the cases |r| = 1 and h = k = 0 are handled below
        slope_h, slope_k = _slope(h, k, r, width), _slope(k, h, r, width)
    outside = (h * k < 0) | ((h * k == 0) & (h + k < 0))
    inner = (ndtr(h) + ndtr(k)) / 2 - owens_t(h, slope_h) - owens_t(k, slope_k) - np.where(outside, 0.5, 0.0)
    together, against = ndtr(np.minimum(h, k)), np.maximum(ndtr(h) + ndtr(k) - 1, 0)
    both_zero = 0.25 + np.arcsin(r) / (2 * np.pi)
    return np.where(r >= 1, together, np.where(r <= -1, against, np.where((h == 0) & (k == 0), both_zero, inner)))


def _slope(own: Floats, other: Floats, r: Floats, width: Floats) -> Floats:
    """Second argument of Owen's T; at a bound of 0 its limit."""
    return np.where(own == 0, np.copysign(np.inf, other), (other - r * own) / (own * np.where(width == 0, 1.0, width)))
