"""Percentile, basic and BCa intervals from a bootstrap distribution, with their Monte Carlo error."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from paper_figures.statistics.result import Interval
from paper_figures.statistics.validation import Codes, Floats
from see_in_pairs.errors import InputError

METHODS = ("percentile", "basic", "bca")


def bootstrap_interval(
    distribution: Floats, estimate: float, method: str = "bca", confidence_level: float = 0.95, acceleration: float = 0.0
) -> tuple[Interval, Interval]:
    r"""Interval of an estimate from its bootstrap distribution.

    Shapes: `distribution` (B,). Returns the interval, and the Monte Carlo standard error of its two ends.

    Notes
    -----
    BCa, after Efron and Tibshirani (1993), An Introduction to the Bootstrap:

    1. :math:`\hat z_0 = \Phi^{-1}(\text{share of resamples below the estimate, ties one half})` (eq. 14.14);
    2. levels :math:`\alpha = \Phi(\hat z_0 + \frac{\hat z_0 + z}{1 - \hat a (\hat z_0 + z)})` (eq. 14.10);
    3. the quantiles of the distribution at these levels.

    The Monte Carlo error of a quantile at level :math:`\alpha` is half the distance between the quantiles at
    :math:`\alpha \pm \sqrt{\alpha (1 - \alpha) / B}`.

    Examples
    --------
    >>> bootstrap_interval(np.arange(101.0), 50.0, "percentile")[0]
    (2.5, 97.5)
    """
    levels = _levels(distribution, estimate, method, confidence_level, acceleration)
    low, high = (float(end) for end in np.quantile(distribution, levels))
    errors = _quantile_errors(distribution, levels)
    if method == "basic":  # eq. 13.6: reflected about the estimate
        return (2 * estimate - high, 2 * estimate - low), errors[::-1]
    return (low, high), errors


def _levels(distribution: Floats, estimate: float, method: str, confidence_level: float, acceleration: float) -> tuple[float, float]:
    tail = (1 - confidence_level) / 2
    if method in ("percentile", "basic"):
        return tail, 1 - tail
    if method != "bca":
        raise InputError(f"method: choose one of {', '.join(METHODS)}, not {method!r}")
    resamples = len(distribution)
    gaps = distribution - estimate
    tied = np.abs(gaps) <= 1e-12 * max(1.0, abs(estimate))  # a difference of two means has rounding errors, which must not break ties
    below = ((gaps < 0) & ~tied).mean() + tied.mean() / 2
    z0 = float(special.ndtri(min(max(below, 0.5 / resamples), 1 - 0.5 / resamples)))
    z = float(special.ndtri(tail))
    return _bca_level(z0, z, acceleration), _bca_level(z0, -z, acceleration)


def _bca_level(z0: float, z: float, a: float) -> float:
    return float(special.ndtr(z0 + (z0 + z) / (1 - a * (z0 + z))))


def _quantile_errors(distribution: Floats, levels: tuple[float, float]) -> Interval:
    def error(level: float) -> float:
        step = math.sqrt(level * (1 - level) / len(distribution))
        low, high = np.quantile(distribution, [max(level - step, 0.0), min(level + step, 1.0)])
        return float(high - low) / 2

    return error(levels[0]), error(levels[1])


def acceleration(jackknife: Floats, strata: Codes) -> float:
    r"""Estimate BCa's acceleration from leave-one-cluster-out values.

    Shapes: `jackknife` (rows,), `strata` (rows,). It is 0 if the statistic does not vary.

    Notes
    -----
    With :math:`U_{si} = (n_s - 1)(\bar\theta_s - \theta_{si})` in stratum s:
    :math:`\hat a = \frac{\sum_s n_s^{-3} \sum_i U_{si}^3}{6 (\sum_s n_s^{-2} \sum_i U_{si}^2)^{3/2}}`; Efron and Tibshirani (1993),
    eq. 14.15, for several samples as in Davison and Hinkley (1997), eq. 5.24.

    Examples
    --------
    >>> round(acceleration(np.array([0.0, 1.0, 5.0]), np.zeros(3, dtype=int)), 4)
    -0.0572
    """
    cubes = squares = 0.0
    for stratum in np.unique(strata):
        values = jackknife[strata == stratum]
        size = len(values)
        influence = (size - 1) * (values.mean() - values)
        cubes += float((influence**3).sum()) / size**3
        squares += float((influence**2).sum()) / size**2
    return cubes / (6 * squares**1.5) if squares > 1e-24 else 0.0
