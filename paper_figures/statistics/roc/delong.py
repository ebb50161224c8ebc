"""DeLong's test of areas under correlated ROC curves, in O(n log n) by midranks; independent items."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.statistics.arms import arms_apart
from paper_figures.statistics.distributions import chi_squared_p, normal_p, normal_quantile
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.intervals import mann_whitney_interval, square_and_add
from paper_figures.statistics.validation import Bools, Floats, NotEstimable, as_flags, as_level, as_scores, same_length
from see_in_pairs.errors import InputError
from see_in_pairs.roc import placements


@dataclass(frozen=True, repr=False)
class AurocDifference(Result):
    """The difference of two areas under the ROC curve, A minus B."""

    difference: float
    se: float  # its standard error; 0 if the estimated variance is 0
    z: float  # estimate over standard error
    p: float
    interval: Interval  # lower and upper end, within [-1, 1]
    note: str = ""  # a note on this result for the reader; '' if there is none


@dataclass(frozen=True, repr=False)
class EqualityTest(Result):
    """A test that several areas under the ROC curve are equal."""

    statistic: float
    df: int
    p: float


@dataclass(frozen=True, repr=False)
class DeLongResult(Result):
    """Areas under L correlated ROC curves and their covariance.

    Shapes: `auc` (L,), `covariance` (L, L).
    """

    auc: Floats  # the areas; ties count one half
    covariance: Floats
    positives: int
    negatives: int
    confidence_level: float
    units: tuple[int, int] | None = None  # clusters with a positive, with a negative item, if items are not independent

    def interval(self, curve: int = 0) -> Interval:
        r"""Interval of one area, on the logit scale so that it stays within (0, 1).

        If the variance estimate is 0, for example at an area of 1, it is Newcombe's interval, which is finite.

        Notes
        -----
        :math:`\operatorname{logit} A \pm z\, \mathrm{se} / [A (1 - A)]`; Pepe (2003), The Statistical Evaluation of Medical Tests, 5.2.
        """
        auc, variance = float(self.auc[curve]), float(self.covariance[curve, curve])
        if variance <= _TINY or not 0 < auc < 1:
            return mann_whitney_interval(auc, *(self.units or (self.positives, self.negatives)), self.confidence_level)
        half = normal_quantile(self.confidence_level) * math.sqrt(variance) / (auc * (1 - auc))
        return float(special.expit(special.logit(auc) - half)), float(special.expit(special.logit(auc) + half))

    def difference(self, first: int = 0, second: int = 1) -> AurocDifference:
        """Compare two of the areas, first minus second.

        If the variance estimate is 0 and the areas differ (each separates the classes perfectly, or not at all), the interval combines
        both areas' Newcombe intervals as if they were independent, and z follows from its width.
        """
        estimate = float(self.auc[first] - self.auc[second])
        contrast = np.zeros(len(self.auc))
        contrast[first], contrast[second] = 1, -1
        variance = float(contrast @ self.covariance @ contrast)
        if variance > _TINY:
            return _normal_difference(estimate, math.sqrt(variance), self.confidence_level)
        if abs(estimate) < 1e-12:
            return AurocDifference(0.0, 0.0, 0.0, 1.0, (0.0, 0.0), "no item says anything of the variation of this difference")
        return self._separated(first, second, estimate)

    def _separated(self, first: int, second: int, estimate: float) -> AurocDifference:
        low, high = square_and_add(float(self.auc[first]), self.interval(first), float(self.auc[second]), self.interval(second))
        reach = estimate - low if estimate > 0 else high - estimate  # towards zero
        z = normal_quantile(self.confidence_level) * estimate / reach
        return AurocDifference(estimate, 0.0, z, normal_p(z), (low, high), "zero variance estimate; interval from those of the two areas")

    def equality(self) -> EqualityTest:
        r"""Test that all areas are equal.

        Chi-squared with the rank of the contrasts' covariance as degrees of freedom; p = 1 if that is 0.

        Notes
        -----
        :math:`(L A)^\top (L S L^\top)^{-} (L A)` with L the successive differences; DeLong et al. (1988), eq. 5.
        """
        contrasts = np.diff(np.eye(len(self.auc)), axis=0)
        gaps, covariance = contrasts @ self.auc, contrasts @ self.covariance @ contrasts.T
        rank = int(np.linalg.matrix_rank(covariance, tol=_TINY)) if covariance.size else 0
        statistic = float(gaps @ np.linalg.pinv(covariance, rcond=1e-12) @ gaps) if rank else 0.0
        return EqualityTest(statistic, rank, chi_squared_p(statistic, rank) if rank else 1.0)


_TINY = 1e-18  # variances below this are rounding: an area moves in steps of 1 / (2 positives negatives)


@arms_apart(2, one_curve=True)
def delong(scores: npt.ArrayLike, labels: npt.ArrayLike, confidence_level: float = 0.95) -> DeLongResult:
    r"""Estimate areas under the ROC curves of two arms (or one, or more) of the same independent items, with their covariance.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Scores of arms A and B on the same items; higher speaks for positive. Infinities are allowed. Scores of one or more curves may
        come in one argument, `scores`, shape (n,) or (L, n).
    labels : array_like of bool, shape (n,)
        Whether each item is positive (diseased).
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    DeLongResult
        The areas and their covariance, with methods `interval`, `difference` and `equality`.

    Raises
    ------
    InputError
        When inputs do not fit, or there are fewer than two items of a class.

    Notes
    -----
    1. The placement of a positive item is the share of negative items scored below it, ties one half; of a negative item, the share of
       positive items scored above it. Both come from one sort per curve.
    2. The area is the mean placement.
    3. With :math:`S_{10}`, :math:`S_{01}` the sample covariances of the placements of the m positive and n negative items, the
       covariance of the areas is :math:`S_{10} / m + S_{01} / n`.

    Time O(L n log n), memory O(L n). Items that share a patient are not independent: use `clustered_delong`.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837. Sun and Xu (2014), IEEE Signal Processing Letters 21:1389 (midranks).

    Examples
    --------
    >>> result = delong([0.9, 0.8, 0.4, 0.3, 0.1], [0.6, 0.2, 0.7, 0.3, 0.1], [1, 1, 1, 0, 0])
    >>> result.auc.round(4)
    array([1.    , 0.8333])
    >>> round(result.difference().p, 4)
    0.4795
    """
    curves, flags = curves_and_labels(scores, labels)
    if min(flags.sum(), (~flags).sum()) < 2:
        raise NotEstimable("DeLong's variance needs at least two positive and two negative items")
    return _delong(curves, flags, as_level(confidence_level))


def curves_and_labels(scores: npt.ArrayLike, labels: npt.ArrayLike, name: str = "scores") -> tuple[Floats, Bools]:
    """Validate `scores`, (n,) or (L, n), and `labels`, (n,); the scores are returned as (L, n). Mistakes are about `name`."""
    flags = as_flags(labels)
    try:
        rows = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError(f"{name}: not numbers, or curves of different lengths") from None
    if not len(rows):
        raise InputError(f"{name}: no curve")
    curves = np.stack([as_scores(row, f"{name} of curve {number}") for number, row in enumerate(rows)])
    same_length(**{name: curves[0], "labels": flags})
    if flags.all() or not flags.any():
        raise NotEstimable(f"one class only ({'no negative' if flags.all() else 'no positive'} items): no ROC curve")
    return curves, flags


def _delong(curves: Floats, flags: Bools, level: float) -> DeLongResult:
    placed = placements(curves, flags)
    positive, negative = placed[:, flags], placed[:, ~flags]
    m, n = positive.shape[1], negative.shape[1]
    covariance = np.atleast_2d(np.cov(positive)) / m + np.atleast_2d(np.cov(negative)) / n
    return DeLongResult(positive.mean(axis=1), covariance, m, n, level)


def _normal_difference(estimate: float, se: float, level: float) -> AurocDifference:
    z, half = estimate / se, normal_quantile(level) * se
    return AurocDifference(estimate, se, z, normal_p(z), (max(-1.0, estimate - half), min(1.0, estimate + half)))
