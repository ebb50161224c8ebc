"""Yang, Sun and Hardin's (2010) test of two clustered paired proportions."""

from __future__ import annotations

import numpy.typing as npt

from paper_figures.statistics._clusters import ClusteredTestResult, ClusterSums, cluster_sums
from paper_figures.statistics._distributions import chi_squared_p


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
