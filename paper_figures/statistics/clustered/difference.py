"""The difference in accuracy with a standard error that allows for correlation within clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy.typing as npt

from paper_figures.statistics.clustered.sums import ClusterSums, cluster_sums
from paper_figures.statistics.distributions import student_p, student_quantile
from paper_figures.statistics.proportions.bonett_price import bonett_price_standard_error
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import as_level


@dataclass(frozen=True, repr=False)
class ClusteredDifferenceResult(Result):
    """A difference in accuracy, A minus B, with a cluster-robust interval."""

    estimate: float
    se: float
    df: float  # degrees of freedom of the t distribution
    interval: Interval  # lower and upper end
    p: float  # two-sided, of no difference
    design_effect: float = math.nan  # variance over that of independent items; NaN without discordant items
    note: str = ""  # a note on this result for the reader; '' if there is none


def clustered_difference(
    correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, clusters: npt.ArrayLike, confidence_level: float = 0.95
) -> ClusteredDifferenceResult:
    r"""Estimate the difference in accuracy of two arms when items come in clusters.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Whether arm A, and arm B, is right on each item; both in the same order of items.
    clusters : array_like, shape (n,)
        The cluster of each item, for example its patient.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    ClusteredDifferenceResult
        Estimate, standard error, interval, p-value and design effect.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one cluster only.

    Notes
    -----
    A ratio estimator: with :math:`d_k`, :math:`n_k`, N, K as in `yang`,

    .. math:: \hat\delta = \frac{\sum_k d_k}{N}, \qquad
              \widehat{\mathrm{var}} = \frac{K}{K-1} \frac{\sum_k (d_k - n_k \hat\delta)^2}{N^2}

    against t with K - 1 degrees of freedom. The design effect divides by :math:`[n_{10} + n_{01} - (n_{10} - n_{01})^2 / N] / N^2`.
    If every cluster shows the same difference and it is not 0, this variance is 0 and uninformative; then each cluster is counted as
    one item and `bonett_price_standard_error` is used (our choice; said in ``note``).

    References
    ----------
    Cochran (1977), Sampling Techniques, 3rd edition, section 6.3 and 9A.5. Rao and Scott (1992), Biometrics 48:577.

    Examples
    --------
    >>> result = clustered_difference([1, 1, 1, 0, 1, 1], [0, 0, 1, 1, 0, 1], ["p1", "p1", "p1", "p2", "p3", "p3"])
    >>> round(result.estimate, 4), round(result.se, 4), result.df
    (0.3333, 0.3469, 2)
    """
    return _clustered_difference(cluster_sums(correct_a, correct_b, clusters), as_level(confidence_level))


def _clustered_difference(sums: ClusterSums, level: float) -> ClusteredDifferenceResult:
    k, total = len(sums.n), float(sums.n.sum())
    estimate = float(sums.d.sum()) / total
    variance = k / (k - 1) * float(((sums.d - sums.n * estimate) ** 2).sum()) / total**2
    if variance < 1e-20 and estimate:  # only rounding is left: all clusters agree, which may happen by chance if there are few
        se = bonett_price_standard_error(float((sums.b / sums.n).sum()), float((sums.c / sums.n).sum()), k)
        return student_result(estimate, se, k - 1, level, note="every cluster shows the same difference; each is counted as one item")
    return student_result(estimate, math.sqrt(variance), k - 1, level, design_effect=_design_effect(sums, variance))


def student_result(
    estimate: float, se: float, df: float, level: float, design_effect: float = math.nan, note: str = ""
) -> ClusteredDifferenceResult:
    """Interval, kept within [-1, 1], and p-value of a difference of proportions from its standard error and the t distribution."""
    half = student_quantile(level, df) * se
    p = student_p(estimate / se, df) if se else 1.0
    return ClusteredDifferenceResult(estimate, se, df, (max(-1.0, estimate - half), min(1.0, estimate + half)), p, design_effect, note)


def _design_effect(sums: ClusterSums, variance: float) -> float:
    total, gap, discordant = float(sums.n.sum()), float(sums.d.sum()), float((sums.b + sums.c).sum())
    independent = (discordant - gap**2 / total) / total**2
    return variance / independent if independent > 0 else math.nan
