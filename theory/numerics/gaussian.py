"""Error and AUROC of a linear score that is normal in each class with equal variance: the two formulas that all statements use.

With the separation D = (shift of the mean) / (standard deviation within a class), see `error_of` and `auc_of`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from theory.numerics.validation import Floats, prevalence, share


def error_of(separation: ArrayLike, pi: ArrayLike = 0.5) -> Floats:
    r"""Bayes error of a normal score at prevalence pi, broadcast over both.

    Notes
    -----
    With :math:`\lambda = \log\frac{1-\pi}{\pi}` (T1.4; McLachlan 1992, ch. 1),

    .. math:: (1-\pi)\,\Phi(-D/2 - \lambda/D) + \pi\,\Phi(-D/2 + \lambda/D),

    which is :math:`\Phi(-D/2)` at equal priors and tends to :math:`\min(\pi, 1-\pi)` as D goes to 0.

    Examples
    --------
    >>> round(float(error_of(1.0)), 5)
    0.30854
    """
    pi = prevalence(pi)
    distance, prior = np.broadcast_arrays(np.asarray(separation, dtype=np.float64), pi)
    shift = prior_shift(distance, prior)
    return (1 - prior) * ndtr(-distance / 2 - shift) + prior * ndtr(-distance / 2 + shift)


def prior_shift(separation: ArrayLike, pi: ArrayLike) -> Floats:
    r"""Distance of the Bayes threshold from the middle of the classes: :math:`\lambda/D` in within-class standard deviations, towards the
    rarer class; 0 at equal priors, infinite without separation."""
    distance, pi = np.asarray(separation, dtype=np.float64), np.asarray(pi, dtype=np.float64)
    log_odds = np.log1p(-pi) - np.log(pi)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(log_odds == 0, 0.0, log_odds / distance)


def sensitivity_of(separation: ArrayLike, specificity: ArrayLike) -> Floats:
    r"""Sensitivity of a normal score at specificity s: :math:`\Phi(D-\Phi^{-1}(s))`, the binormal ROC curve with equal variances.

    Examples
    --------
    >>> float(sensitivity_of(1.0, 0.9))
    0.38914
    """
    return ndtr(np.asarray(separation, dtype=np.float64) - ndtri(share(specificity, "specificity")))


def auc_of(separation: ArrayLike) -> Floats:
    r"""AUROC of a normal score: :math:`\Phi(D/\sqrt2)` (Bamber 1975).

    Examples
    --------
    >>> round(float(auc_of(1.0)), 5)
    0.76025
    """
    return ndtr(np.asarray(separation, dtype=np.float64) / np.sqrt(2))


def normal_density(x: ArrayLike) -> Floats:
    """Standard normal density."""
    return np.exp(-0.5 * np.square(x)) / np.sqrt(2 * np.pi)


def two_sided_bound(false_alarm: float, tests: int) -> float:
    """Bound on abs(z) at which the probability of any false alarm in several tests is at most `false_alarm`: the normal quantile at the
    Bonferroni level ``false_alarm / (2 tests)``.

    Examples
    --------
    >>> round(two_sided_bound(0.05, 1), 3)
    1.96
    """
    return float(-ndtri(false_alarm / (2 * max(tests, 1))))
