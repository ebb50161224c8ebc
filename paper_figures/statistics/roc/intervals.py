"""Intervals of areas under the ROC curve that remain finite and valid when the usual variance estimate is 0."""

from __future__ import annotations

import math

from paper_figures.statistics.distributions import normal_quantile
from paper_figures.statistics.result import Interval


def mann_whitney_interval(auc: float, positives: int, negatives: int, confidence_level: float = 0.95) -> Interval:
    r"""Newcombe's interval of one area, which has a width even at an area of 0 or 1.

    Returns its lower and upper end, within [0, 1].

    Notes
    -----
    Solves :math:`|\hat A - A| = z \sqrt{V(A)}` with, under exponential scores and with :math:`N = (m + n) / 2 - 1`,

    .. math:: V(A) = \frac{A (1 - A)}{m n} \left[1 + N \frac{1 - A}{2 - A} + N \frac{A}{1 + A}\right]

    References
    ----------
    Newcombe (2006), Statistics in Medicine 25:559, method 5. Hanley and McNeil (1982), Radiology 143:29.

    Examples
    --------
    >>> tuple(round(end, 3) for end in mann_whitney_interval(1.0, 10, 10))
    (0.8, 1.0)
    """
    z = normal_quantile(confidence_level)
    return _end(auc, positives, negatives, z, 0.0), _end(auc, positives, negatives, z, 1.0)


def _end(auc: float, m: int, n: int, z: float, edge: float) -> float:
    """End of the interval between the estimate and an edge of [0, 1], where V is 0."""
    from scipy.optimize import brentq

    def excess(value: float) -> float:
        spread = (m + n) / 2 - 1
        variance = value * (1 - value) / (m * n) * (1 + spread * (1 - value) / (2 - value) + spread * value / (1 + value))
        return (auc - value) ** 2 - z**2 * variance

    if auc == edge:
        return edge
    inside = math.nextafter(auc, edge) if excess(auc) == 0 else auc  # at an estimate of 0 or 1, step off the trivial root
    while excess(inside) >= 0 and inside != edge:  # until the signs differ, as the solver needs
        inside += (edge - inside) * 1e-6
    return float(brentq(excess, min(inside, edge), max(inside, edge)))


def square_and_add(first: float, first_interval: Interval, second: float, second_interval: Interval) -> Interval:
    r"""Combine the intervals of two independent estimates into one of their difference.

    The interval is of the first minus the second.

    Notes
    -----
    :math:`\hat\delta - \sqrt{(\hat a - l_a)^2 + (u_b - \hat b)^2}`, and likewise above: Zou and Donner (2008), Statistics in Medicine
    27:1693.

    Examples
    --------
    >>> square_and_add(1.0, (0.7, 1.0), 0.5, (0.1, 0.9))
    (0.0, 0.9)
    """
    difference = first - second
    lower = difference - math.hypot(first - first_interval[0], second_interval[1] - second)
    upper = difference + math.hypot(first_interval[1] - first, second - second_interval[0])
    return lower, upper
