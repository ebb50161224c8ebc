"""The result of a paired bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

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
    undefined: int  # resamples in which the measure has no value; the interval leaves them out
    seed: int  # seed of the resamples
    reason: str = ""  # why there is no interval (NaN); '' if there is one

    def to_dict(self) -> dict[str, Any]:
        """Fields by name; a missing interval is None."""
        return super().to_dict() | (dict.fromkeys(("interval", "a_interval", "b_interval")) if self.reason else {})

    def without_interval(self, reason: str) -> BootstrapDifference:
        """Keep the estimates without the interval, which would claim more than the resamples show."""
        no = (math.nan, math.nan)
        return replace(self, interval=no, a_interval=no, b_interval=no, se=math.nan, interval_mcse=no, reason=reason)
