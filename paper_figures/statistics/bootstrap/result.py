"""What a paired bootstrap gives back."""

from __future__ import annotations

from dataclasses import dataclass

from paper_figures.statistics.result import Interval, Result


@dataclass(frozen=True, repr=False)
class BootstrapDifference(Result):
    """A difference of a performance measure, A minus B, with its bootstrap interval."""

    metric: str
    a: float  # its value in A
    b: float  # its value in B
    difference: float
    interval: Interval
    a_interval: Interval  # of `a`, from the same resamples
    b_interval: Interval  # of `b`, from the same resamples
    se: float  # standard deviation of the resampled differences
    interval_mcse: Interval  # Monte Carlo standard error of the two ends of `interval`
    method: str  # the kind of interval
    resamples: int
    undefined: int  # resamples in which the measure has no value; they are left out of the interval
    seed: int  # seed of the resamples
