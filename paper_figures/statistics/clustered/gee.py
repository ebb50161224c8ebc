"""A population-average odds ratio between arms by generalised estimating equations, with patients as clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import NotEstimable, as_codes, as_flags, as_level, same_length
from see_in_pairs.errors import InputError


@dataclass(frozen=True, repr=False)
class GeeResult(Result):
    """The population-average log odds ratio of being right in A against B."""

    log_odds_ratio: float
    se: float
    interval: Interval  # of the log odds ratio
    p: float
    clusters: int


def gee(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, clusters: npt.ArrayLike, confidence_level: float = 0.95) -> GeeResult:
    """Fit being right on the arm by logistic GEE with an independence working correlation and robust errors.

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
    GeeResult
        The log odds ratio with its standard error, interval and p-value.

    Raises
    ------
    InputError
        When inputs do not fit, there is one cluster only, or an arm is always right or always wrong (an infinite odds ratio).

    Notes
    -----
    Liang and Zeger (1986), Biometrika 73:13, by statsmodels. Robust errors are too small with few clusters (below about 40).

    Examples
    --------
    >>> result = gee([1, 1, 0, 1, 1, 1, 0, 1], [0, 1, 0, 1, 1, 0, 0, 0], list("aabbccdd"))
    >>> round(result.log_odds_ratio, 4)  # log odds of 6/8 minus those of 3/8
    1.6094
    """
    a, b = as_flags(correct_a, "correct_a"), as_flags(correct_b, "correct_b")
    codes, level = as_codes(clusters, same_length(correct_a=a, correct_b=b)), as_level(confidence_level)
    if codes.max() == 0:
        raise NotEstimable("one cluster only: the variation between clusters cannot be estimated")
    if any(arm.all() or not arm.any() for arm in (a, b)):
        raise InputError("an arm is always right or always wrong: the odds ratio is 0 or infinite; use clustered_difference")
    if (a == b).all():  # statsmodels would divide by a standard error of 0
        return GeeResult(0.0, 0.0, (0.0, 0.0), 1.0, int(codes.max()) + 1)
    import statsmodels.api as sm

    right, arm = np.concatenate([a, b]).astype(np.float64), np.repeat([1.0, 0.0], len(a))
    model = sm.GEE(right, sm.add_constant(arm), groups=np.concatenate([codes, codes]), family=sm.families.Binomial())
    fit = model.fit()
    low, high = fit.conf_int(alpha=1 - level)[1]
    return GeeResult(float(fit.params[1]), float(fit.bse[1]), (float(low), float(high)), float(fit.pvalues[1]), int(codes.max()) + 1)
