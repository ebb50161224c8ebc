"""What a paired bootstrap gives back."""

from __future__ import annotations

import math
from dataclasses import dataclass

from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import Floats


@dataclass(frozen=True, repr=False)
class BootstrapDifference(Result):
    """A difference of a performance measure, A minus B, with its bootstrap interval.

    Parameters
    ----------
    metric : str
        The measure.
    a : float
        Its value in A.
    b : float
        Its value in B.
    difference : float
        `a` minus `b`.
    interval : tuple of float
        Of the difference.
    a_interval : tuple of float
        Of `a`, from the same resamples.
    b_interval : tuple of float
        Of `b`, from the same resamples.
    se : float
        Standard deviation of the resampled differences.
    interval_mcse : tuple of float
        Monte Carlo standard error of the two ends of `interval`.
    method : str
        The kind of interval.
    resamples : int
        Number of resamples.
    undefined : int
        Resamples in which the measure has no value; they are left out of the interval.
    seed : int
        Seed of the resamples.
    """

    metric: str
    a: float
    b: float
    difference: float
    interval: Interval
    a_interval: Interval
    b_interval: Interval
    se: float
    interval_mcse: Interval
    method: str
    resamples: int
    undefined: int
    seed: int


def make_difference(
    metric: str, estimate: float, distribution: Floats, interval: Interval, errors: Interval, method: str, seed: int
) -> BootstrapDifference:
    """Make a result of a difference alone, the arms' own values being unknown.

    Parameters
    ----------
    metric : str
        The measure.
    estimate : float
        The difference.
    distribution : ndarray of float, shape (B,)
        The resampled differences.
    interval : tuple of float
        Of the difference.
    errors : tuple of float
        Monte Carlo standard errors of its ends.
    method : str
        The kind of interval.
    seed : int
        Seed of the resamples.

    Returns
    -------
    BootstrapDifference
        With NaN for the arms' own values.
    """
    nothing = (math.nan, math.nan)
    se = float(distribution.std(ddof=1)) if len(distribution) > 1 else math.nan
    return BootstrapDifference(
        metric, math.nan, math.nan, estimate, interval, nothing, nothing, se, errors, method, len(distribution), 0, seed
    )
