"""Three chi-squared tests of two clustered paired proportions, which differ in the variance of the summed differences.

Obuchowski (1998) computes it under the null hypothesis, Yang, Sun and Hardin (2010) half under it and half not, Durkalski and others (2003)
weight all clusters equally.
"""

from __future__ import annotations

import numpy.typing as npt

from paper_figures.statistics.clustered.sums import ClusteredTestResult, cluster_sums
from paper_figures.statistics.distributions import chi_squared_p


def obuchowski(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, clusters: npt.ArrayLike) -> ClusteredTestResult:
    r"""Test whether two arms are right equally often when items come in clusters, by Obuchowski's statistic.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Whether arm A, and arm B, is right on each item; both in the same order of items.
    clusters : array_like, shape (n,)
        The cluster of each item, for example its patient.

    Returns
    -------
    ClusteredTestResult
        The chi-squared statistic with 1 degree of freedom, its p-value, and the number of clusters.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one cluster only.

    Notes
    -----
    With :math:`d_k` the items of cluster k right in A only minus those right in B only, over K clusters:

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
    sums = cluster_sums(correct_a, correct_b, clusters)
    d, k = sums.d, len(sums.n)
    return _chi_squared((k - 1) / k * float(d.sum()) ** 2, float((d**2).sum()), k)


def yang(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, clusters: npt.ArrayLike) -> ClusteredTestResult:
    r"""Test whether two arms are right equally often when items come in clusters, by Yang, Sun and Hardin's statistic.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Whether arm A, and arm B, is right on each item; both in the same order of items.
    clusters : array_like, shape (n,)
        The cluster of each item, for example its patient.

    Returns
    -------
    ClusteredTestResult
        The chi-squared statistic with 1 degree of freedom, its p-value, and the number of clusters.

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
    sums = cluster_sums(correct_a, correct_b, clusters)
    d, n, k = sums.d, sums.n, len(sums.n)
    variance = float(((d - n * d.sum() / n.sum()) ** 2 + d**2).sum()) / 2
    return _chi_squared((k - 1) / k * float(d.sum()) ** 2, variance, k)


def durkalski(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, clusters: npt.ArrayLike) -> ClusteredTestResult:
    r"""Test whether two arms are right equally often when items come in clusters, by Durkalski and others' statistic.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Whether arm A, and arm B, is right on each item; both in the same order of items.
    clusters : array_like, shape (n,)
        The cluster of each item, for example its patient.

    Returns
    -------
    ClusteredTestResult
        The chi-squared statistic with 1 degree of freedom, its p-value, and the number of clusters.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one cluster only.

    Notes
    -----
    Every cluster counts the same, regardless of its size. With :math:`d_k` and :math:`n_k` as in `yang`:

    .. math:: X^2 = \frac{(\sum_k d_k / n_k)^2}{\sum_k (d_k / n_k)^2} \sim \chi^2_1

    References
    ----------
    Durkalski, Palesch, Lipsitz and Rust (2003), Statistics in Medicine 22:2417.

    Examples
    --------
    >>> round(durkalski([1, 1, 1, 0, 1, 1], [0, 0, 1, 1, 0, 1], ["p1", "p1", "p1", "p2", "p3", "p3"]).statistic, 4)
    0.0164
    """
    sums = cluster_sums(correct_a, correct_b, clusters)
    shares = sums.d / sums.n
    return _chi_squared(float(shares.sum()) ** 2, float((shares**2).sum()), len(shares))


def _chi_squared(square: float, variance: float, clusters: int) -> ClusteredTestResult:
    statistic = square / variance if variance else 0.0  # no discordant item: the arms do not differ
    return ClusteredTestResult(statistic, chi_squared_p(statistic), clusters)
