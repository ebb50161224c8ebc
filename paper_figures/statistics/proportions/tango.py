"""Tango's score statistic and interval of a paired difference of proportions."""

from __future__ import annotations

import math

from paper_figures.statistics.distributions import normal_quantile
from paper_figures.statistics.result import Interval


def tango_score(n10: int, n01: int, n: int, delta: float) -> float:
    r"""Tango's score statistic for the hypothesis that the difference of two paired proportions is `delta`.

    Standard normal under the hypothesis; infinite if the data are impossible under it, 0 if they are certain.

    Notes
    -----
    .. math:: Z(\delta) = \frac{n_{10} - n_{01} - n \delta}{\sqrt{n [2 \tilde q + \delta (1 - \delta)]}}

    where :math:`\tilde q` is the maximum-likelihood estimate of :math:`p_{01}` under the hypothesis, the larger root of
    :math:`2 n q^2 - [n_{10} + n_{01} - (2 n - n_{10} + n_{01}) \delta] q - n_{01} \delta (1 - \delta) = 0`.
    At :math:`\delta = 0` its square is McNemar's statistic.

    References
    ----------
    Tango (1998), Statistics in Medicine 17:891.

    Examples
    --------
    >>> round(tango_score(1, 7, 21, 0.0) ** 2, 6)  # McNemar's (7 - 1)^2 / 8
    4.5
    """
    gap = n10 - n01 - n * delta
    variance = n * (2 * _restricted_estimate(n10, n01, n, delta) + delta * (1 - delta))
    if variance <= 1e-14 * n:
        return 0.0 if abs(gap) <= 1e-12 * n else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def _restricted_estimate(n10: int, n01: int, n: int, delta: float) -> float:
    linear = (2 * n - n10 + n01) * delta - n10 - n01
    constant = -n01 * delta * (1 - delta)
    root = (math.sqrt(max(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
    return max(root, 0.0, -delta)  # p01 and p10 = p01 + delta cannot be negative; rounding must not make them so


def tango_interval(n10: int, n01: int, n: int, confidence_level: float = 0.95) -> Interval:
    """Tango's score interval of the difference of two paired proportions.

    Returns its lower and upper end, within [-1, 1].

    Examples
    --------
    >>> tuple(round(end, 3) for end in tango_interval(1, 7, 21))
    (-0.517, -0.026)
    """
    z, estimate = normal_quantile(confidence_level), (n10 - n01) / n
    return _end(n10, n01, n, z, -1.0, estimate), _end(n10, n01, n, -z, estimate, 1.0)


def _end(n10: int, n01: int, n: int, z: float, low: float, high: float) -> float:
    """Solve score(delta) = z between an edge of [-1, 1] and the estimate."""
    from scipy.optimize import brentq

    def distance(delta: float) -> float:
        score = tango_score(n10, n01, n, delta)
        return min(max(score, -1e6), 1e6) - z  # finite, for the solver

    edge = low if z > 0 else high
    if distance(edge) * z <= 0:  # even the edge of the parameter space is not rejected
        return edge
    return float(brentq(distance, low, high, xtol=1e-14, rtol=1e-14))
