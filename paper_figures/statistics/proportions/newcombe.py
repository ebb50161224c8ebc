"""Newcombe's square-and-add interval of a paired difference of proportions (his method 10)."""

from __future__ import annotations

import math

from paper_figures.statistics.distributions import normal_quantile
from paper_figures.statistics.result import Interval


def newcombe_interval(n11: int, n10: int, n01: int, n00: int, confidence_level: float = 0.95) -> Interval:
    r"""Newcombe's score-based interval of the difference of two paired proportions.

    Returns its lower and upper end, within [-1, 1].

    Notes
    -----
    With Wilson intervals :math:`[l_1, u_1]` and :math:`[l_2, u_2]` of the two shares :math:`p_1, p_2`:

    .. math:: \hat\delta - \sqrt{(p_1 - l_1)^2 - 2 \hat\phi (p_1 - l_1)(u_2 - p_2) + (u_2 - p_2)^2},\quad
              \hat\delta + \sqrt{(p_2 - l_2)^2 - 2 \hat\phi (p_2 - l_2)(u_1 - p_1) + (u_1 - p_1)^2}

    where :math:`\hat\phi` is the correlation of the 2 x 2 table; a positive numerator :math:`n_{11} n_{00} - n_{10} n_{01}` is reduced
    by n/2, not below 0 (the correlation correction of method 10).

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17:2635.

    Examples
    --------
    >>> tuple(round(end, 3) for end in newcombe_interval(1, 1, 7, 12))
    (-0.507, -0.026)
    """
    n = n11 + n10 + n01 + n00
    z, p1, p2, phi = normal_quantile(confidence_level), (n11 + n10) / n, (n11 + n01) / n, _corrected_phi(n11, n10, n01, n00)
    (l1, u1), (l2, u2) = wilson_interval(n11 + n10, n, z), wilson_interval(n11 + n01, n, z)
    lower = p1 - p2 - _hypotenuse(p1 - l1, u2 - p2, phi)
    upper = p1 - p2 + _hypotenuse(p2 - l2, u1 - p1, phi)
    return max(-1.0, lower), min(1.0, upper)


def wilson_interval(k: float, n: float, z: float) -> Interval:
    """Wilson's score interval of one proportion; k and n need not be whole.

    Written out here, because importing statsmodels' ``proportion_confint`` would delay the start of `see-in-pairs compare` by a second.
    """
    middle = k + z**2 / 2
    half = z * math.sqrt(k * (n - k) / n + z**2 / 4)
    return max(0.0, (middle - half) / (n + z**2)), min(1.0, (middle + half) / (n + z**2))


def _corrected_phi(n11: int, n10: int, n01: int, n00: int) -> float:
    margins = (n11 + n10) * (n01 + n00) * (n11 + n01) * (n10 + n00)
    excess: float = n11 * n00 - n10 * n01
    if margins == 0:
        return 0.0
    if excess > 0:
        excess = max(excess - (n11 + n10 + n01 + n00) / 2, 0)
    return excess / math.sqrt(margins)


def _hypotenuse(x: float, y: float, phi: float) -> float:
    return math.sqrt(max(x**2 - 2 * phi * x * y + y**2, 0.0))
