"""Obuchowski's (1998) test of two clustered paired proportions.

Yang, Sun and Hardin's (2010) test of two clustered paired proportions.

Durkalski and others' (2003) test of two clustered paired proportions.
"""

from __future__ import annotations

import numpy.typing as npt

from paper_figures.statistics.clustered.sums import ClusteredTestResult, ClusterSums, cluster_sums
from paper_figures.statistics.distributions import chi_squared_p


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


def yang(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, clusters: npt.ArrayLike) -> ClusteredTestResult:
    r"""Test whether two arms are right equally often when items come in clusters, by Yang, Sun and Hardin's statistic.

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
    The variance is the mean of the estimates with and without the null hypothesis imposed. With :math:`d_k` as in `obuchowski`,
    :math:`n_k` items in cluster k, :math:`N = \sum n_k`:

    .. math:: X^2 = \frac{K-1}{K} \frac{(\sum_k d_k)^2}{\frac12 \sum_k [(d_k - n_k \sum_l d_l / N)^2 + d_k^2]} \sim \chi^2_1

    References
    ----------
    Yang, Sun and Hardin (2010), Biometrical Journal 52:638-652, doi:10.1002/bimj.201000035.

    Examples
    --------
    >>> round(yang([1, 1, 1, 0, 1, 1], [0, 0, 1, 1, 0, 1], ["p1", "p1", "p1", "p2", "p3", "p3"]).statistic, 4)
    0.6
    """
    return _yang(cluster_sums(correct_a, correct_b, clusters))


def _yang(sums: ClusterSums) -> ClusteredTestResult:
    d, n, k = sums.d, sums.n, len(sums.n)
    spread = float(((d - n * d.sum() / n.sum()) ** 2 + d**2).sum()) / 2
    statistic = (k - 1) / k * float(d.sum()) ** 2 / spread if spread else 0.0
    return ClusteredTestResult(statistic, chi_squared_p(statistic), k)


def durkalski(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, clusters: npt.ArrayLike) -> ClusteredTestResult:
    r"""Test whether two arms are right equally often when items come in clusters, by Durkalski and others' statistic.

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
    Every cluster counts the same, whatever its size. With :math:`d_k` and :math:`n_k` as in `yang`:

    .. math:: X^2 = \frac{(\sum_k d_k / n_k)^2}{\sum_k (d_k / n_k)^2} \sim \chi^2_1

    References
    ----------
    Durkalski, Palesch, Lipsitz and Rust (2003), Statistics in Medicine 22:2417.

    Examples
    --------
    >>> round(durkalski([1, 1, 1, 0, 1, 1], [0, 0, 1, 1, 0, 1], ["p1", "p1", "p1", "p2", "p3", "p3"]).statistic, 4)
    0.0164
    """
    return _durkalski(cluster_sums(correct_a, correct_b, clusters))


def _durkalski(sums: ClusterSums) -> ClusteredTestResult:
    shares = sums.d / sums.n
    squares = float((shares**2).sum())
    statistic = float(shares.sum()) ** 2 / squares if squares else 0.0
    return ClusteredTestResult(statistic, chi_squared_p(statistic), len(shares))
