"""Wald's interval of a paired difference of proportions."""

from __future__ import annotations

import math

from paper_figures.statistics.distributions import normal_quantile
from paper_figures.statistics.result import Interval


def wald_interval(n10: int, n01: int, n: int, confidence_level: float = 0.95) -> Interval:
    r"""Wald's interval of the difference of two paired proportions.

    Returns its lower and upper end, within [-1, 1].

    Notes
    -----
    With :math:`\hat\delta = (n_{10} - n_{01}) / n`: :math:`\hat\delta \pm z \sqrt{n_{10} + n_{01} - (n_{10} - n_{01})^2 / n} / n`.
    Too short for few items, and of length 0 without discordant ones; included because most papers print it.

    Examples
    --------
    >>> tuple(round(end, 3) for end in wald_interval(1, 7, 21))
    (-0.52, -0.052)
    """
    gap = n10 - n01
    half = normal_quantile(confidence_level) * math.sqrt(max(n10 + n01 - gap**2 / n, 0.0)) / n
    return max(-1.0, gap / n - half), min(1.0, gap / n + half)
