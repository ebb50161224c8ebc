"""The difference of two areas under the ROC curve with few clusters (t), and when items share patients and references (two-way)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from paper_figures.statistics._inputs import Bools, Codes, Floats, NotEstimable, as_codes, as_level
from paper_figures.statistics.clustered_difference import ClusteredDifferenceResult, student_result
from paper_figures.statistics.delong import curves_and_labels, placements
from paper_figures.statistics.two_way import membership_sets, two_way_variance
from see_in_pairs.errors import InputError

_TINY = 1e-18  # as in `delong`: variances below this are rounding


def clustered_auroc_difference(
    scores: npt.ArrayLike, labels: npt.ArrayLike, clusters: npt.ArrayLike, confidence_level: float = 0.95
) -> ClusteredDifferenceResult:
    r"""Compare two areas under the ROC curve of clustered items, against t instead of the normal distribution.

    Parameters
    ----------
    scores : array_like, shape (2, n)
        Scores of arms A and B; higher speaks for positive.
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    clusters : array_like, shape (n,)
        The cluster of each item, for example its patient.
    confidence_level : float, default 0.95
        Of the interval.

    Returns
    -------
    ClusteredDifferenceResult
        A minus B.

    Raises
    ------
    InputError
        When inputs do not fit, or fewer than two clusters hold a class.

    Notes
    -----
    Estimate and variance are those of `clustered_delong`. Its variance is a sum of two, over the :math:`K_{10}` clusters with positive
    and the :math:`K_{01}` with negative items, each known to one degree of freedom less than its clusters. As with Welch's test their sum
    has about

    .. math:: \nu = \frac{(V_{10} + V_{01})^2}{V_{10}^2 / (K_{10} - 1) + V_{01}^2 / (K_{01} - 1)}

    degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2:110). Its use here is our choice: with the normal distribution the test
    of a few patients rejects too often. Where clusters hold both classes the two parts are not independent and :math:`\nu` is at most the
    number of clusters less 1.

    Examples
    --------
    >>> scores = [[0.9, 0.8, 0.4, 0.3, 0.1, 0.5], [0.6, 0.2, 0.7, 0.3, 0.1, 0.2]]
    >>> result = clustered_auroc_difference(scores, [1, 1, 1, 0, 0, 0], list("aabbcc"))
    >>> round(result.estimate, 4), round(result.df, 2)
    (0.0556, 1.81)
    """
    curves, flags = _two_curves(scores, labels)
    codes = as_codes(clusters, len(flags))
    return _clustered(curves, flags, codes, as_level(confidence_level))


def _clustered(curves: Floats, flags: Bools, codes: Codes, level: float) -> ClusteredDifferenceResult:
    from paper_figures.statistics.clustered_delong import clustered_delong

    found = clustered_delong(curves, flags, codes, level).difference()
    parts = contributions(curves, flags)
    variances, counts = [], []
    for members in (flags, ~flags):
        sums = np.bincount(codes[members], parts[members])
        counts.append(len(np.unique(codes[members])))
        variances.append(counts[-1] / (counts[-1] - 1) * float((sums**2).sum()))
    total = sum(variances)
    squares = sum(variance**2 / (count - 1) for variance, count in zip(variances, counts, strict=True))
    df = min(total**2 / squares, codes.max()) if total > _TINY else min(counts) - 1
    if found.note and found.difference:
        raise NotEstimable("each area separates the classes perfectly: no variation between clusters is left")
    return student_result(found.difference, found.se, float(df), level)


def two_way_delong(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    clusters: npt.ArrayLike,
    memberships: npt.ArrayLike | Sequence[Sequence[object]],
    confidence_level: float = 0.95,
) -> ClusteredDifferenceResult:
    r"""Compare two areas under the ROC curve when items are correlated within two kinds of clusters at once.

    Parameters
    ----------
    scores : array_like, shape (2, n)
        Scores of arms A and B; higher speaks for positive.
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    clusters : array_like, shape (n,)
        The first kind of cluster of each item, for example its patient.
    memberships : array_like, shape (n,), or sequence of n sequences
        The second kind: one name per item, or several (its references). Items that share *any* are taken as correlated.
    confidence_level : float, default 0.95
        Of the interval.

    Returns
    -------
    ClusteredDifferenceResult
        A minus B.

    Raises
    ------
    InputError
        When inputs do not fit, a class or a kind of cluster has one cluster only, or each area separates perfectly.

    Notes
    -----
    The difference of the areas is, up to terms of higher order, a sum of one contribution per item (`contributions`), which is how DeLong's
    and Obuchowski's (1997) variances come about. The variance of a sum over items that are correlated within patients or within
    references is the one of `two_way`: that of patients plus that of references minus that of both (Cameron, Gelbach and Miller 2011).
    Applying it to contributions to the AUROC is our own derivation; ``docs/statistics.md`` gives it, with the simulation.

    The reference distribution is t with the smallest number of clusters (patients with positive items, with negative items, references)
    less 1 degrees of freedom.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels, patients, references = np.arange(200) % 2, np.arange(200) // 2, rng.integers(0, 25, size=200)
    >>> scores = rng.normal(size=(2, 200)) + labels
    >>> result = two_way_delong(scores, labels, patients, references)
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
    placed = [float(placements(row, flags)[flags].mean()) for row in curves]
    estimate, (variance, note) = placed[0] - placed[1], two_way_variance(parts, codes, sets)
    if variance <= _TINY and abs(estimate) > 1e-12:
        raise NotEstimable("each area separates the classes perfectly: no variation between clusters is left")
    return student_result(estimate, math.sqrt(max(variance, 0.0)), min(counts) - 1, level, note=note)


def contributions(curves: Floats, labels: Bools) -> Floats:
    r"""Give what each item contributes to the difference of two areas, A minus B, beyond its expectation.

    Parameters
    ----------
    curves : ndarray of float, shape (2, n)
        Scores of both arms.
    labels : ndarray of bool, shape (n,)
        Whether each item is positive; both classes occur.

    Returns
    -------
    ndarray of float, shape (n,)
        Their sum is 0 within each class.

    Notes
    -----
    With the placements :math:`V^a_i` (see `placements`) and the areas :math:`A^a`: :math:`\psi_i = [(V^A_i - A^A) - (V^B_i - A^B)] / m` for
    the m positive items and the same over n for the n negative ones. DeLong's variance of the difference is
    :math:`\frac{m}{m-1} \sum_{+} \psi_i^2 + \frac{n}{n-1} \sum_{-} \psi_i^2`.
    """
    gaps = placements(curves[0], labels) - placements(curves[1], labels)
    parts = gaps - gaps[labels].mean()  # the mean of the negative items' placements is the same area
    result: Floats = parts / np.where(labels, labels.sum(), (~labels).sum())
    return result


def _two_curves(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, Bools]:
    curves, flags = curves_and_labels(scores, labels)
    if len(curves) != 2:
        raise InputError(f"scores: give two arms, not {len(curves)}")
    return curves, flags
