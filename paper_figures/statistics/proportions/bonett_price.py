"""Bonett and Price's adjusted Wald interval of a paired difference of proportions."""

from __future__ import annotations

import math

from paper_figures.statistics.distributions import normal_quantile
from paper_figures.statistics.result import Interval


def bonett_price_interval(n10: float, n01: float, n: float, confidence_level: float = 0.95) -> Interval:
    r"""Bonett and Price's interval of the difference of two paired proportions.

    Returns its lower and upper end, within [-1, 1].

    Notes
    -----
    Wald's interval after one pseudo-item in each discordant cell: with :math:`\tilde p_{10} = (n_{10} + 1) / (n + 2)` and
    :math:`\tilde p_{01} = (n_{01} + 1) / (n + 2)`,
    :math:`\tilde p_{10} - \tilde p_{01} \pm z \sqrt{[\tilde p_{10} + \tilde p_{01} - (\tilde p_{10} - \tilde p_{01})^2] / (n + 2)}`.

    References
    ----------
    Bonett and Price (2012), Journal of Educational and Behavioral Statistics 37:479.

    Examples
    --------
    >>> tuple(round(end, 3) for end in bonett_price_interval(1, 7, 21))
    (-0.508, -0.013)
    """
    p10, p01 = (n10 + 1) / (n + 2), (n01 + 1) / (n + 2)
    half = normal_quantile(confidence_level) * bonett_price_standard_error(n10, n01, n)
    return max(-1.0, p10 - p01 - half), min(1.0, p10 - p01 + half)


def bonett_price_standard_error(n10: float, n01: float, n: float) -> float:
    """Standard error of the adjusted difference in `bonett_price_interval`; never 0."""
    p10, p01 = (n10 + 1) / (n + 2), (n01 + 1) / (n + 2)
    return math.sqrt((p10 + p01 - (p10 - p01) ** 2) / (n + 2))
