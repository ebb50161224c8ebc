"""Obuchowski's (1998) test of two clustered paired proportions."""

from __future__ import annotations

import numpy.typing as npt

from paper_figures.statistics._clusters import ClusteredTestResult, ClusterSums, cluster_sums
from paper_figures.statistics._distributions import chi_squared_p


def obuchowski(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, clusters: npt.ArrayLike) -> ClusteredTestResult:
    r"""Test whether two arms are right equally often when items come in clusters, by Obuchowski's statistic.

    Parameters
    ----------
    correct_a : array_like of bool, shape (n,)
        Whether A is right on each item.
    correct_b : array_like of bool, shape (n,)
        Whether B is right on each item.
    clusters : array_like, shape (n,)
        The cluster of each item, for example its patient.

    Returns
    -------
    ClusteredTestResult
        Statistic and p-value.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one cluster only.

    Notes
    -----
    With :math:`d_k` the items of cluster k right in A only less those right in B only, over K clusters:

    .. math:: X^2 = \frac{K-1}{K} \frac{(\sum_k d_k)^2}{\sum_k d_k^2} \sim \chi^2_1

    References
    ----------
    Obuchowski (1998), Statistics in Medicine 17:1495.

    Examples
    --------
    >>> obuchowski([1, 1, 1, 0, 1, 1], [0, 0, 1, 1, 0, 1], ["p1", "p1", "p1", "p2", "p3", "p3"])
    ClusteredTestResult
      statistic  0.4444
      p          0.505
      clusters   3
    """
    return _obuchowski(cluster_sums(correct_a, correct_b, clusters))


def _obuchowski(sums: ClusterSums) -> ClusteredTestResult:
    d, k = sums.d, len(sums.n)
    squares = float((d**2).sum())
    statistic = (k - 1) / k * float(d.sum()) ** 2 / squares if squares else 0.0
    return ClusteredTestResult(statistic, chi_squared_p(statistic), k)
