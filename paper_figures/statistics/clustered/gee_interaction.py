"""Whether the difference between two arms depends on a factor, for example the reference strategy: an interaction by GEE."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.clustered.gee import GeeResult, gee
from paper_figures.statistics.distributions import chi_squared_p
from paper_figures.statistics.result import Result
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_codes, as_flags, as_level, same_length


@dataclass(frozen=True, repr=False)
class GeeInteractionResult(Result):
    """A test that the odds ratio between two arms is the same at every level of a factor."""

    statistic: float
    df: int
    p: float
    by_level: dict[str, GeeResult]  # the odds ratio of A against B at each level
    clusters: int


def gee_interaction(
    correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, factor: npt.ArrayLike, clusters: npt.ArrayLike, confidence_level: float = 0.95
) -> GeeInteractionResult:
    r"""Test whether the population-average odds ratio between two arms differs between levels of a factor.

    Parameters
    ----------
    correct_a : array_like of bool, shape (n,)
        Whether A is right; one row per item and level.
    correct_b : array_like of bool, shape (n,)
        Whether B is right on the same item at the same level.
    factor : array_like, shape (n,)
        The level of each row, for example the reference strategy. The same items may occur at every level.
    clusters : array_like, shape (n,)
        The cluster of each row, for example its patient.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    GeeInteractionResult
        The test of equal odds ratios, and the odds ratio at each level.

    Raises
    ------
    InputError
        When inputs do not fit, there is one level or cluster only, or an arm is always right or always wrong at a level.

    Notes
    -----
    The model is logit P(right) = level + level x arm with an independence working correlation, so the estimates are the log odds of the
    shares. With the contributions of cluster k to the log odds ratio of level l,
    :math:`\phi_{lk}`, the robust covariance is :math:`\hat C = \Phi \Phi^\top` (Liang and Zeger 1986), and with the successive differences
    L of the levels the statistic is :math:`(L \hat\beta)^\top (L \hat C L^\top)^{-} L \hat\beta`. Robust errors are too small with fewer
    than about 50 clusters, see the error-rate study.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> patients, strategy = np.tile(np.arange(100), 2), np.repeat(["matched", "random"], 100)
    >>> a, b = rng.random(200) < np.where(strategy == "matched", 0.9, 0.6), rng.random(200) < 0.6
    >>> result = gee_interaction(a, b, strategy, patients)
    >>> result.df, result.p < 0.05
    (1, True)
    """
    a, b = as_flags(correct_a, "correct_a"), as_flags(correct_b, "correct_b")
    items = same_length(correct_a=a, correct_b=b)
    codes, levels, level = as_codes(clusters, items), as_codes(factor, items, "factor"), as_level(confidence_level)
    if levels.max() == 0:
        raise NotEstimable("one level only: give a factor with two levels or more")
    names = np.unique(np.asarray(factor).astype(str))
    by_level = {str(name): gee(a[levels == i], b[levels == i], codes[levels == i], level) for i, name in enumerate(names)}
    estimates = np.array([result.log_odds_ratio for result in by_level.values()])
    parts = np.stack([_contributions(a, b, levels == i, codes) for i in range(len(names))])
    contrasts = np.diff(np.eye(len(names)), axis=0)
    gaps, covariance = contrasts @ estimates, contrasts @ parts @ parts.T @ contrasts.T
    statistic = float(gaps @ np.linalg.pinv(covariance, rcond=1e-12) @ gaps)
    df = int(np.linalg.matrix_rank(covariance, tol=1e-18))  # smaller than the number of contrasts if levels have the same items
    return GeeInteractionResult(statistic, df, chi_squared_p(statistic, df) if df else 1.0, by_level, int(codes.max()) + 1)


def _contributions(a: Bools, b: Bools, rows: Bools, codes: Codes) -> Floats:
    """Contribution of each cluster to the log odds ratio of one level."""
    total = np.zeros(int(codes.max()) + 1)
    for sign, right in ((1.0, a[rows]), (-1.0, b[rows])):
        share = float(right.mean())
        total += sign * np.bincount(codes[rows], (right - share) / (rows.sum() * share * (1 - share)), minlength=len(total))
    return total
