"""The difference of two areas under the ROC curve with few clusters (t), and when items share patients and references (two-way)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.arms import arms_apart
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult, student_result
from paper_figures.statistics.clustered.two_way import membership_sets, two_way_variance
from paper_figures.statistics.roc.delong import curves_and_labels
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_codes, as_level
from see_in_pairs.errors import InputError
from see_in_pairs.roc import auroc, placements

_TINY = 1e-18  # as in `delong`: variances below this are rounding


@arms_apart(3)
def clustered_auroc_difference(
    scores: npt.ArrayLike, labels: npt.ArrayLike, clusters: npt.ArrayLike, confidence_level: float = 0.95
) -> ClusteredDifferenceResult:
    r"""Compare two areas under the ROC curve of clustered items, with a cluster jackknife and t, for few and unequal clusters.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Scores of arms A and B on the same items; higher speaks for positive. Both may come in one argument, `scores`, shape (2, n).
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    clusters : array_like, shape (n,)
        The cluster of each item, for example its patient.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    ClusteredDifferenceResult
        The difference of the areas, A minus B, with its standard error, degrees of freedom, interval and p-value.

    Raises
    ------
    InputError
        When inputs do not fit, or fewer than two clusters have items of a class.

    Notes
    -----
    With the sums over the positive items of cluster k of their contributions (`contributions`), :math:`P_k`, and over its negative items,
    :math:`Q_k`, and with :math:`m_k` of M positive and :math:`n_k` of N negative items, leaving cluster k out moves the difference of the
    areas by about :math:`a_k + b_k`, :math:`a_k = P_k M / (M - m_k)`, :math:`b_k = Q_k N / (N - n_k)`. The jackknife over the
    :math:`K_{10}` clusters with positive items, the :math:`K_{01}` with negative ones, and all K clusters:

    .. math:: V = V_{10} + V_{01} + 2 V_{11} = \frac{K_{10} - 1}{K_{10}} \sum a_k^2 + \frac{K_{01} - 1}{K_{01}} \sum b_k^2
              + 2 \frac{K - 1}{K} \sum a_k b_k

    For clusters of one size and class this is `clustered_delong`; if sizes differ it is larger, and avoids that variance's bias
    (the cluster jackknife, CR3). As with Welch's test the sum has about
    :math:`(V_{10} + V_{01})^2 / [V_{10}^2 / (K_{10} - 1) + V_{01}^2 / (K_{01} - 1)]` degrees of freedom, at most K - 1.
    If V is not positive, :math:`\frac{K-1}{K} \sum (a_k + b_k)^2` replaces it. The combination is our choice; the error-rate study
    shows its size beside that of z with the variance of `clustered_delong`, which rejects too often when patients are few or unequal.

    References
    ----------
    Obuchowski (1997), Biometrics 53:567. MacKinnon, Nielsen and Webb (2023), Journal of Econometrics 232:272 (the cluster jackknife).

    Examples
    --------
    >>> pair, single = [0.9, 0.8, 0.4, 0.3, 0.1, 0.5], [0.6, 0.2, 0.7, 0.3, 0.1, 0.2]
    >>> result = clustered_auroc_difference(pair, single, [1, 1, 1, 0, 0, 0], clusters=list("aabbcc"))
    >>> round(result.estimate, 4), round(result.df, 2)
    (0.0556, 1.81)
    """
    curves, flags = _two_curves(scores, labels)
    codes = as_codes(clusters, len(flags))
    return _clustered(curves, flags, codes, as_level(confidence_level))


def _clustered(curves: Floats, flags: Bools, codes: Codes, level: float) -> ClusteredDifferenceResult:
    counts = [len(np.unique(codes[members])) for members in (flags, ~flags)]
    if min(counts) < 2:
        raise NotEstimable("fewer than two clusters hold items of a class: the variation between clusters cannot be estimated")
    variance, df = jackknife_variance(contributions(curves, flags), (flags, ~flags), codes)
    return student_result(_difference(curves, flags, variance), math.sqrt(variance), df, level)


def jackknife_variance(parts: Floats, groups: Sequence[Bools], codes: Codes) -> tuple[float, float]:
    """Estimate the variance of a sum of contributions over one or two disjoint groups of items, and its degrees of freedom.

    Shapes: `parts` (n,), each of `groups` (n,), `codes` (n,). The variance of `clustered_auroc_difference`, whose groups are the classes.
    """
    k = int(codes.max()) + 1
    sizes = [np.bincount(codes[members], minlength=k) for members in groups]
    counts = [int(np.count_nonzero(size)) for size in sizes]
    if min(counts) < 2:
        raise NotEstimable("fewer than two clusters hold items that count: the variation between clusters cannot be estimated")
    shifts = [_jackknife(parts, members, codes, size) for members, size in zip(groups, sizes, strict=True)]
    own = [(count - 1) / count * float((sums**2).sum()) for count, sums in zip(counts, shifts, strict=True)]
    total = sum(own)
    if total <= _TINY:
        return 0.0, float(min(counts) - 1)
    df = total**2 / sum(part**2 / (count - 1) for part, count in zip(own, counts, strict=True))
    if len(groups) == 1:
        return total, float(df)
    variance = total + 2 * (k - 1) / k * float((shifts[0] * shifts[1]).sum())
    # the three terms have different factors, so their sum may be negative: if clusters have both groups, the shifts can
    # cancel. The jackknife of their sum cannot be negative and has no such factors
    if variance <= 1e-12 * total:
        variance = (k - 1) / k * float(((shifts[0] + shifts[1]) ** 2).sum())
    return variance, float(min(df, k - 1))


def _jackknife(parts: Floats, members: Bools, codes: Codes, sizes: Codes) -> Floats:
    """Shift of the sum when each cluster, of these sizes, is left out of one group; shape (K,)."""
    total = sizes.sum()
    sums: Floats = np.bincount(codes[members], parts[members], minlength=len(sizes)) * total / (total - sizes)
    return sums


def _difference(curves: Floats, flags: Bools, variance: float) -> float:
    areas = [auroc(row, flags) for row in curves]
    # both arms separate the classes: no cluster moves any area, but that does not mean that the difference is known exactly
    if variance <= _TINY and abs(areas[0] - areas[1]) > 1e-12:
        raise NotEstimable("each area separates the classes perfectly: no variation between clusters is left")
    return areas[0] - areas[1]


@arms_apart(4)
def two_way_delong(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    clusters: npt.ArrayLike,
    memberships: npt.ArrayLike | Sequence[Sequence[object]],
    confidence_level: float = 0.95,
) -> ClusteredDifferenceResult:
    r"""Compare two areas under the ROC curve when items are correlated within two kinds of clusters.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Scores of arms A and B on the same items; higher speaks for positive. Both may come in one argument, `scores`, shape (2, n).
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    clusters : array_like, shape (n,)
        The first kind of cluster of each item, for example its patient.
    memberships : array_like, shape (n,), or sequence of n sequences
        The second kind: one name per item, or several (its references). Items that share *any* are treated as correlated.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    ClusteredDifferenceResult
        The difference of the areas, A minus B, with its standard error, degrees of freedom, interval and p-value.

    Raises
    ------
    InputError
        When inputs do not fit, a class or a kind of cluster has one cluster only, or each area separates perfectly.

    Notes
    -----
    The difference of the areas is, up to terms of higher order, a sum of one contribution per item (`contributions`), from which DeLong's
    and Obuchowski's (1997) variances follow. The variance of a sum over items that are correlated within patients or within
    references is the one of `two_way`: that of patients plus that of references minus that of both (Cameron, Gelbach and Miller 2011).
    Applying it to contributions to the AUROC is our own derivation;
    ``docs/explanation/statistics/clusters.md`` gives it, with the simulation.

    The reference distribution is t with the smallest number of clusters (patients with positive items, with negative items, references)
    minus 1 degrees of freedom.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels, patients, references = np.arange(200) % 2, np.arange(200) // 2, rng.integers(0, 25, size=200)
    >>> scores = rng.normal(size=(2, 200)) + labels
    >>> result = two_way_delong(*scores, labels, clusters=patients, memberships=references)
    >>> result.df, result.interval[0] < result.estimate < result.interval[1]
    (24, True)
    """
    curves, flags = _two_curves(scores, labels)
    codes, level = as_codes(clusters, len(flags)), as_level(confidence_level)
    sets = membership_sets(memberships, len(flags))
    counts = [len(np.unique(codes[members])) for members in (flags, ~flags)] + [len(set().union(*sets))]
    if min(counts) < 2:
        raise NotEstimable("one cluster of a kind only: the variation between clusters cannot be estimated")
    parts = contributions(curves, flags)
    variance, note = two_way_variance(parts, codes, sets)
    return student_result(_difference(curves, flags, variance), math.sqrt(max(variance, 0.0)), min(counts) - 1, level, note=note)


def contributions(curves: Floats, labels: Bools) -> Floats:
    r"""Contribution of each item to the difference of two areas, A minus B, beyond its expectation.

    Shapes: `curves` (2, n), `labels` (n,). Returns (n,), which sums to 0 within each class.

    Notes
    -----
    With the placements :math:`V^a_i` (see `placements`) and the areas :math:`A^a`: :math:`\psi_i = [(V^A_i - A^A) - (V^B_i - A^B)] / m` for
    the m positive items and the same over n for the n negative ones. DeLong's variance of the difference is
    :math:`\frac{m}{m-1} \sum_{+} \psi_i^2 + \frac{n}{n-1} \sum_{-} \psi_i^2`.
    """
    return centred(placements(curves[0], labels) - placements(curves[1], labels), labels)


def centred(values: Floats, labels: Bools) -> Floats:
    """Contribution of each item to a sum of areas, beyond its expectation.

    Shapes: `values` (n,), `labels` (n,). Returns (n,), which sums to 0 within each class.
    """
    parts = values - values[labels].mean()  # the mean of the negative items' placements is the same area
    result: Floats = parts / np.where(labels, labels.sum(), (~labels).sum())
    return result


def _two_curves(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, Bools]:
    curves, flags = curves_and_labels(scores, labels)
    if len(curves) != 2:
        raise InputError(f"scores: give two arms, not {len(curves)}")
    return curves, flags
