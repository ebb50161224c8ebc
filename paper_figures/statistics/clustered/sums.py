"""Sums per cluster, the input of every clustered accuracy test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.result import Result
from paper_figures.statistics.validation import Floats, NotEstimable, as_codes, as_flags, same_length


@dataclass(frozen=True)
class ClusterSums:
    """Counts of each of the K clusters.

    Shapes: `n` (K,), `b` (K,), `c` (K,).
    """

    n: Floats  # items
    b: Floats  # items right in A only
    c: Floats  # items right in B only

    @property
    def d(self) -> Floats:
        """Right in A only minus right in B only, per cluster; shape (K,)."""
        return self.b - self.c


@dataclass(frozen=True, repr=False)
class ClusteredTestResult(Result):
    """A chi-squared test of equal accuracy that allows for correlation within clusters."""

    statistic: float  # chi-squared with 1 degree of freedom under the null hypothesis, for many clusters
    p: float  # its upper tail; 1 when no cluster shows a difference
    clusters: int


def cluster_sums(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, clusters: npt.ArrayLike) -> ClusterSums:
    """Validate a clustered paired comparison and count per cluster.

    Shapes: `correct_a` (n,), `correct_b` (n,), `clusters` (n,).
    """
    a, b = as_flags(correct_a, "correct_a"), as_flags(correct_b, "correct_b")
    codes = as_codes(clusters, same_length(correct_a=a, correct_b=b))
    if codes.max() == 0:
        raise NotEstimable("one cluster only: the variation between clusters cannot be estimated")
    count = lambda members: np.bincount(codes[members], minlength=codes.max() + 1).astype(np.float64)
    return ClusterSums(count(slice(None)), count(a & ~b), count(b & ~a))
