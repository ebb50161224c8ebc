"""Obuchowski's (1997) clustered version of DeLong's test: items of a cluster may be correlated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.arms import arms_apart
from paper_figures.statistics.roc.delong import DeLongResult, curves_and_labels
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_codes, as_level
from see_in_pairs.roc import placements


@arms_apart(3, one_curve=True)
def clustered_delong(scores: npt.ArrayLike, labels: npt.ArrayLike, clusters: npt.ArrayLike, confidence_level: float = 0.95) -> DeLongResult:
    r"""Estimate areas under one or more ROC curves of clustered items, with their covariance.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Scores of arms A and B on the same items; higher speaks for positive. Infinities are allowed. Scores of one or more curves may
        come in one argument, `scores`, shape (n,) or (L, n).
    labels : array_like of bool, shape (n,)
        Whether each item is positive. A cluster may have both classes.
    clusters : array_like, shape (n,)
        The cluster of each item, for example its patient.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    DeLongResult
        The areas and their covariance, with methods `interval`, `difference` and `equality`.

    Raises
    ------
    InputError
        When inputs do not fit, or fewer than two clusters have items of a class.

    Notes
    -----
    With, per cluster k of K, the sum over its :math:`m_k` positive items of their placements minus the area, :math:`P_k`, and likewise
    :math:`Q_k` over its negative items, :math:`K_{10}` and :math:`K_{01}` clusters with a positive, with a negative item, M and N
    items of each class:

    .. math:: \widehat{\mathrm{cov}} = \frac{K_{10}}{K_{10} - 1} \frac{\sum P_k P_k^\top}{M^2}
              + \frac{K_{01}}{K_{01} - 1} \frac{\sum Q_k Q_k^\top}{N^2}
              + \frac{K}{K - 1} \frac{\sum (P_k Q_k^\top + Q_k P_k^\top)}{M N}

    Clusters of one item give DeLong's covariance. If this matrix is not positive semi-definite (its three factors differ),
    it is replaced by :math:`\frac{K}{K-1} \sum (P_k / M + Q_k / N)(P_k / M + Q_k / N)^\top`, which is (our choice).

    References
    ----------
    Obuchowski (1997), Biometrics 53:567.

    Examples
    --------
    >>> pair, single = [0.9, 0.8, 0.4, 0.3, 0.1, 0.5], [0.6, 0.2, 0.7, 0.3, 0.1, 0.2]
    >>> clustered_delong(pair, single, [1, 1, 1, 0, 0, 0], clusters=list("aabbcc")).auc.round(4)
    array([0.8889, 0.8333])
    """
    curves, flags = curves_and_labels(scores, labels)
    codes = as_codes(clusters, len(flags))
    if min(len(np.unique(codes[flags])), len(np.unique(codes[~flags]))) < 2:
        raise NotEstimable("fewer than two clusters hold items of a class: the variation between clusters cannot be estimated")
    return _clustered_delong(curves, flags, codes, as_level(confidence_level))


def _clustered_delong(curves: Floats, flags: Bools, codes: Codes, level: float) -> DeLongResult:
    placed = placements(curves, flags)
    auc, m, n = placed[:, flags].mean(axis=1), int(flags.sum()), int((~flags).sum())
    p = _cluster_means(placed - auc[:, None], flags, codes)
    q = _cluster_means(placed - auc[:, None], ~flags, codes)
    k = p.shape[1]
    cross = p @ q.T
    covariance = _factor(codes[flags]) * p @ p.T + _factor(codes[~flags]) * q @ q.T + k / (k - 1) * (cross + cross.T)
    if np.linalg.eigvalsh(covariance)[0] < -1e-12 * np.trace(covariance):
        covariance = k / (k - 1) * (p + q) @ (p + q).T
    return DeLongResult(auc, covariance, m, n, level, (len(np.unique(codes[flags])), len(np.unique(codes[~flags]))))


def _cluster_means(deviations: Floats, members: Bools, codes: Codes) -> Floats:
    """Sum deviations over the members of each cluster, divided by the number of all members; shape (L, K)."""
    sums = [np.bincount(codes[members], row[members], minlength=codes.max() + 1) for row in deviations]
    return np.stack(sums) / members.sum()


def _factor(codes: Codes) -> float:
    clusters = len(np.unique(codes))
    return clusters / (clusters - 1)
