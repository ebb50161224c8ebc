"""Conditional logistic regression of being right on the arm, one pair per item: an odds ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass

from paper_figures.statistics.distributions import normal_p, normal_quantile
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import as_count, as_level
from see_in_pairs.errors import InputError


@dataclass(frozen=True, repr=False)
class ConditionalLogitResult(Result):
    """The log odds ratio of being right in A against B, within items."""

    log_odds_ratio: float
    se: float
    interval: Interval  # of the log odds ratio
    p: float


def conditional_logit(n10: int, n01: int, confidence_level: float = 0.95) -> ConditionalLogitResult:
    r"""Estimate the within-item odds ratio of being right in A against B.

    Parameters
    ----------
    n10, n01 : int
        Number of items right in A only, and of items right in B only.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    ConditionalLogitResult
        The log odds ratio with its standard error, interval and p-value.

    Raises
    ------
    InputError
        When a count is 0: the estimate is then infinite.

    Notes
    -----
    With one pair per item the conditional likelihood is binomial, and :math:`\log(n_{10} / n_{01})` with standard error
    :math:`\sqrt{1 / n_{10} + 1 / n_{01}}` maximises it; Breslow and Day (1980), Statistical Methods in Cancer Research I, 5.2.

    Examples
    --------
    >>> round(conditional_logit(121, 59).log_odds_ratio, 4)
    0.7183
    """
    a, b = as_count(n10, "n10"), as_count(n01, "n01")
    if not a or not b:
        raise InputError("for one of the arms no item is right in this arm only: the odds ratio is 0 or infinite; use mcnemar")
    estimate, se = math.log(a / b), math.sqrt(1 / a + 1 / b)
    half = normal_quantile(as_level(confidence_level)) * se
    return ConditionalLogitResult(estimate, se, (estimate - half, estimate + half), normal_p(estimate / se))
