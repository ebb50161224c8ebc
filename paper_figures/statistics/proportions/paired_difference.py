"""All intervals of the difference of two paired proportions."""

from __future__ import annotations

from dataclasses import dataclass

from paper_figures.statistics.proportions.bonett_price import bonett_price_interval
from paper_figures.statistics.proportions.newcombe import newcombe_interval
from paper_figures.statistics.proportions.tango import tango_interval
from paper_figures.statistics.proportions.wald import wald_interval
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import as_count, as_level
from see_in_pairs.errors import InputError


@dataclass(frozen=True, repr=False)
class PairedDifferenceResult(Result):
    """The difference of two paired proportions, A minus B, with four intervals."""

    a: float  # share right in A
    b: float  # share right in B
    difference: float
    n10: int  # items right in A only
    n01: int  # items right in B only
    n: int
    intervals: dict[str, Interval]  # ``tango`` (score; the default choice), ``newcombe``, ``wald``, ``bonett_price``
    confidence_level: float


def paired_difference(n11: int, n10: int, n01: int, n00: int, confidence_level: float = 0.95) -> PairedDifferenceResult:
    """Estimate the difference of two paired proportions from the four counts.

    Parameters
    ----------
    n11, n10, n01, n00 : int
        Number of items right in both arms, in A only, in B only, and in neither.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    PairedDifferenceResult
        The difference and its four intervals; see `tango_interval`, `newcombe_interval`, `wald_interval`, `bonett_price_interval`.

    Raises
    ------
    InputError
        When a count is not a whole number, or negative, or all are 0.

    Examples
    --------
    >>> result = paired_difference(1, 1, 7, 12)
    >>> round(result.difference, 4), tuple(round(end, 3) for end in result.intervals["tango"])
    (-0.2857, (-0.517, -0.026))
    """
    a, b, c, d = as_count(n11, "n11"), as_count(n10, "n10"), as_count(n01, "n01"), as_count(n00, "n00")
    if a + b + c + d == 0:
        raise InputError("no items: all four counts are 0")
    return _paired_difference(a, b, c, d, as_level(confidence_level))


def _paired_difference(n11: int, n10: int, n01: int, n00: int, level: float) -> PairedDifferenceResult:
    n = n11 + n10 + n01 + n00
    intervals = {
        "tango": tango_interval(n10, n01, n, level),
        "newcombe": newcombe_interval(n11, n10, n01, n00, level),
        "wald": wald_interval(n10, n01, n, level),
        "bonett_price": bonett_price_interval(n10, n01, n, level),
    }
    return PairedDifferenceResult((n11 + n10) / n, (n11 + n01) / n, (n10 - n01) / n, n10, n01, n, intervals, level)
