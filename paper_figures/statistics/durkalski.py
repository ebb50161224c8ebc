"""Durkalski and others' (2003) test of two clustered paired proportions."""

from __future__ import annotations

import numpy.typing as npt

from paper_figures.statistics._clusters import ClusteredTestResult, ClusterSums, cluster_sums
from paper_figures.statistics._distributions import chi_squared_p


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
