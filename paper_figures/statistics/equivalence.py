"""Non-inferiority and equivalence at a margin: two one-sided tests (TOST)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.statistics.proportions.tango import tango_score
from paper_figures.statistics.result import Result
from paper_figures.statistics.validation import as_count, as_scores
from see_in_pairs.errors import InputError


@dataclass(frozen=True, repr=False)
class EquivalenceResult(Result):
    """Two one-sided tests that a difference is within a margin."""

    margin: float  # the largest difference, A minus B, that does not matter; above 0
    p: float  # of equivalence: the larger of the two below
    non_inferior_p: float  # of the hypothesis that A is worse than B by the margin or more
    non_superior_p: float  # of the hypothesis that A is better than B by the margin or more
    df: float  # degrees of freedom of the t distribution; infinite for a normal one
    method: str  # source of the statistics


def equivalence(n10: int, n01: int, n: int, margin: float) -> EquivalenceResult:
    """Test whether two paired proportions of independent items differ by less than a margin.

    Parameters
    ----------
    n10, n01 : int
        Number of items right in A only, and of items right in B only.
    n : int
        Number of all items, discordant or not.
    margin : float
        The largest difference of proportions that does not matter, between 0 and 1, stated before the data are seen.

    Returns
    -------
    EquivalenceResult
        The two one-sided p-values and their maximum, from Tango's score statistic at minus and plus the margin.

    Raises
    ------
    InputError
        When counts do not fit, or the margin is not between 0 and 1.

    References
    ----------
    Schuirmann (1987), Journal of Pharmacokinetics and Biopharmaceutics 15:657. Tango (1998), Statistics in Medicine 17:891.

    Examples
    --------
    >>> round(equivalence(20, 18, 500, margin=0.05).p, 5)
    0.00043
    """
    a, b, items = as_count(n10, "n10"), as_count(n01, "n01"), as_count(n, "n")
    if not items or a + b > items:
        raise InputError(f"n10 + n01 = {a + b} of {items} items: counts do not fit")
    if not 0 < margin < 1:
        raise InputError(f"margin: give a difference of proportions between 0 and 1, not {margin!r}")
    lower, upper = tango_score(a, b, items, -margin), tango_score(a, b, items, margin)
    return _result(margin, float(special.ndtr(-lower)), float(special.ndtr(upper)), math.inf, "score (Tango)")


def tost(estimate: float, se: float, df: float, margin: float) -> EquivalenceResult:
    r"""Test whether a difference with a known standard error is within a margin.

    Parameters
    ----------
    estimate, se : float
        The difference, A minus B, and its standard error, which is not negative.
    df : float
        Degrees of freedom of the t distribution; infinite for a normal one.
    margin : float
        The largest difference that does not matter, above 0, in the unit of the estimate.

    Returns
    -------
    EquivalenceResult
        The two one-sided p-values and their maximum, from :math:`(\hat\delta \pm \text{margin}) / \text{se}` against t.

    Raises
    ------
    InputError
        When `se` is negative, or the margin is not above 0.

    Examples
    --------
    >>> round(tost(0.01, 0.02, 40, margin=0.05).p, 4)
    0.0262
    """
    if not margin > 0 or se < 0:
        raise InputError(f"give a margin above 0 and a standard error that is not negative (margin {margin!r}, se {se!r})")
    tail = lambda distance: float(special.stdtr(df, distance / se)) if se else float(distance > 0)
    if math.isinf(df) and se:
        tail = lambda distance: float(special.ndtr(distance / se))
    return _result(margin, tail(-(estimate + margin)), tail(estimate - margin), df, "t" if math.isfinite(df) else "normal")


def tost_means(a: npt.ArrayLike, b: npt.ArrayLike, margin: float) -> EquivalenceResult:
    """Test whether the means of two independent samples differ by less than a margin, with a pooled variance.

    The samples `a` (m,) and `b` (n,) leave m + n - 2 degrees of freedom.

    Examples
    --------
    >>> round(tost_means([4, 7, 8, 6, 3, 2], [6, 8, 7, 10, 11, 9], margin=1).p, 7)
    0.9650974
    """
    x, y = as_scores(a, "a"), as_scores(b, "b")
    df = len(x) + len(y) - 2
    if df < 1 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("give at least three finite values")
    pooled = (((x - x.mean()) ** 2).sum() + ((y - y.mean()) ** 2).sum()) / df
    return tost(float(x.mean() - y.mean()), float(np.sqrt(pooled * (1 / len(x) + 1 / len(y)))), df, margin)


def _result(margin: float, non_inferior: float, non_superior: float, df: float, method: str) -> EquivalenceResult:
    return EquivalenceResult(float(margin), max(non_inferior, non_superior), non_inferior, non_superior, df, method)
