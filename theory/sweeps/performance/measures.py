r"""Performance measures of a simulation study, each with its Monte Carlo standard error (MCSE), one small recipe each.

With estimates :math:`\hat\theta_i`, :math:`i=1..n`, of the true value :math:`\theta`, their mean :math:`\bar\theta`, their standard
deviation S, standard errors :math:`\mathrm{se}_i` and intervals :math:`[l_i,u_i]`:

======================== =============================================== =================================================
measure                  value                                           MCSE
======================== =============================================== =================================================
bias                     :math:`\bar\theta-\theta`                       :math:`S/\sqrt n`
relative_bias            :math:`\bar\theta/\theta-1`                     :math:`S/(\sqrt n|\theta|)`
empirical_se             S                                               jackknife
mse                      mean of :math:`(\hat\theta_i-\theta)^2`         standard error of that mean
rmse                     root of the MSE                                 delta method
coverage                 share of :math:`l_i\le\theta\le u_i`            binomial
bias_eliminated_coverage share of :math:`l_i\le\bar\theta\le u_i`        binomial
power, type_1_error      share of rejections                             binomial
model_se                 :math:`M=\sqrt{\text{mean of }\mathrm{se}_i^2}` delta method
relative_se_error        M / S - 1                                       delta method, both parts from the same replicates
relative_precision       :math:`S_0^2/S^2-1` against another method      delta method, replicate by replicate
mean:COLUMN              mean of any other result, such as patients      standard error of that mean
======================== =============================================== =================================================

Morris, White and Crowther (2019, Table 6) give the measures. Their MCSEs of the last two and of S hold for normal estimates that are
independent of their standard errors; ours are the nonparametric ones, which agree with theirs where that holds and remain right
where it does not (tests compare each with the bootstrap). Relative measures are fractions, not per cent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from see_in_pairs.errors import InputError, did_you_mean
from theory.numerics.validation import Floats
from theory.sweeps.performance.accumulators import RunningMoments

Columns = Mapping[str, Floats]
SAME = 1e-12  # truths that differ by less count as equal, since subtracting closed forms leaves a rounding error


@dataclass(frozen=True)
class MethodSummary:
    """Moments of a method in a cell, from a first pass over its replicates."""

    truth: float  # true value of the estimand; NaN where there is none
    null: float  # value under the null hypothesis; NaN where none was given
    n: int  # replicates with an estimate
    mean: float  # of the estimates
    deviation: float  # sample standard deviation of the estimates
    mean_square: float  # mean of the squared standard errors
    other_mean: float = math.nan  # of the estimates of the method that precision is compared with, NaN where there is none
    other_deviation: float = math.nan


@dataclass(frozen=True)
class PerformanceMeasure:
    """A performance measure: the score of each replicate, and how their moments give value and MCSE."""

    name: str  # in tables
    description: str
    needs: tuple[str, ...]  # columns that a replicate needs in order to count
    # columns and `MethodSummary` to one number per replicate; their moments give value and MCSE
    score: Callable[[Columns, MethodSummary], Floats]
    # `MethodSummary` and the moments of the scores to value and MCSE
    finish: Callable[[MethodSummary, RunningMoments], tuple[float, float]]
    least: int = 2  # fewest replicates that give an MCSE
    # `MethodSummary` to the reason why there is no such number, ``''`` where there is one
    obstacle: Callable[[MethodSummary], str] = lambda summary: ""
    paired: bool = False  # whether it compares two methods


def leave_one_out_deviations(values: Floats, summary: MethodSummary) -> Floats:
    r"""Compute the standard deviation without each value in turn, from that of all.

    Shapes: `values` (replicates,). Returns (replicates,): :math:`S_{(i)}=\sqrt{\big((n-1)S^2-\frac
    n{n-1}(\hat\theta_i-\bar\theta)^2\big)/(n-2)}`; NaN below three values.
    """
    n = summary.n
    if n < 3:
        return np.full(len(values), np.nan)
    left = (n - 1) * summary.deviation**2 - n / (n - 1) * np.square(values - summary.mean)
    return np.sqrt(np.maximum(left, 0.0) / (n - 2))


def proportion_error(share: float, n: int) -> float:
    r"""MCSE of a proportion, :math:`\sqrt{p(1-p)/n}`.

    Where p is 0 or 1 this would be 0, as if the proportion were known; there Jeffreys' p, :math:`(k+\frac12)/(n+1)`, is used.

    Examples
    --------
    >>> proportion_error(0.95, 1900)
    0.005
    >>> proportion_error(1.0, 100) > 0
    True
    """
    p = share if 0 < share < 1 else (share * n + 0.5) / (n + 1)
    return math.sqrt(p * (1 - p) / n)


def _no_truth(summary: MethodSummary) -> str:
    return "" if math.isfinite(summary.truth) else "no true value"


def _no_ratio(summary: MethodSummary) -> str:
    return _no_truth(summary) or ("" if summary.truth != 0 else "the true value is 0")


def _no_spread(summary: MethodSummary) -> str:
    return "" if summary.n < 2 or summary.deviation > 0 else "the estimates do not vary"


def _no_comparison(summary: MethodSummary) -> str:
    return _no_spread(summary) or ("" if summary.other_deviation > 0 else "nothing to compare with")


def _null_holds(summary: MethodSummary) -> bool:
    return abs(summary.truth - summary.null) <= SAME * max(1.0, abs(summary.null))


def _no_null(summary: MethodSummary) -> str:
    return _no_truth(summary) or ("" if math.isfinite(summary.null) else "no null value given")


def _no_power(summary: MethodSummary) -> str:
    return _no_null(summary) or ("the null is true here: see type_1_error" if _null_holds(summary) else "")


def _no_type_1_error(summary: MethodSummary) -> str:
    return _no_null(summary) or ("" if _null_holds(summary) else "the null is not true here: see power")


def _covers(columns: Columns, value: float) -> Floats:
    return ((columns["lower"] <= value) & (value <= columns["upper"])).astype(np.float64)


def _share(summary: MethodSummary, hits: RunningMoments) -> tuple[float, float]:
    return hits.mean, proportion_error(hits.mean, hits.n)


def _mean(summary: MethodSummary, scores: RunningMoments) -> tuple[float, float]:
    return scores.mean, scores.standard_error


def _root(summary: MethodSummary, squares: RunningMoments) -> tuple[float, float]:
    root = math.sqrt(squares.mean)
    return root, (squares.standard_error / (2 * root) if root > 0 else 0.0)


def _jackknife(summary: MethodSummary, without: RunningMoments) -> tuple[float, float]:
    return summary.deviation, math.sqrt((without.n - 1) / without.n * without.sum_of_squares)


def _se_error_score(columns: Columns, summary: MethodSummary) -> Floats:
    """Influence of each replicate on log(M / S)."""
    model = (np.square(columns["se"]) / summary.mean_square - 1) / 2
    return model - (np.square((columns["estimate"] - summary.mean) / summary.deviation) - 1) / 2


def _se_error(summary: MethodSummary, influence: RunningMoments) -> tuple[float, float]:
    ratio = math.sqrt(summary.mean_square) / summary.deviation
    return ratio - 1, ratio * influence.standard_error


def _precision_score(columns: Columns, summary: MethodSummary) -> Floats:
    """Influence of each replicate on log(other variance / own variance), up to constants."""
    own = (columns["estimate"] - summary.mean) / summary.deviation
    return np.square((columns["other"] - summary.other_mean) / summary.other_deviation) - np.square(own)


def _precision(summary: MethodSummary, influence: RunningMoments) -> tuple[float, float]:
    ratio = (summary.other_deviation / summary.deviation) ** 2
    return ratio - 1, ratio * influence.standard_error


MEASURES = {
    measure.name: measure
    for measure in (
        PerformanceMeasure(
            "bias", "mean estimate minus the true value", ("estimate",), lambda c, s: c["estimate"] - s.truth, _mean, obstacle=_no_truth
        ),
        PerformanceMeasure(
            "relative_bias", "bias over the true value", ("estimate",),
            lambda c, s: (c["estimate"] - s.truth) / s.truth, _mean, obstacle=_no_ratio,
        ),
        PerformanceMeasure(
            "empirical_se", "standard deviation of the estimates", ("estimate",),
            lambda c, s: leave_one_out_deviations(c["estimate"], s), _jackknife, least=3,
        ),
        PerformanceMeasure(
            "mse", "mean squared error", ("estimate",), lambda c, s: np.square(c["estimate"] - s.truth), _mean, obstacle=_no_truth
        ),
        PerformanceMeasure(
            "rmse", "root of the mean squared error", ("estimate",),
            lambda c, s: np.square(c["estimate"] - s.truth), _root, obstacle=_no_truth,
        ),
        PerformanceMeasure(
            "coverage", "share of intervals that hold the true value", ("lower", "upper"),
            lambda c, s: _covers(c, s.truth), _share, obstacle=_no_truth,
        ),
        PerformanceMeasure(
            "bias_eliminated_coverage", "share of intervals that hold the mean estimate", ("lower", "upper"),
            lambda c, s: _covers(c, s.mean), _share,
        ),
        PerformanceMeasure(
            "power", "share of rejections where the null is false", ("rejects",),
            lambda c, s: c["rejects"], _share, obstacle=_no_power,
        ),
        PerformanceMeasure(
            "type_1_error", "share of rejections where the null is true", ("rejects",),
            lambda c, s: c["rejects"], _share, obstacle=_no_type_1_error,
        ),
        PerformanceMeasure("model_se", "root of the mean squared standard error", ("se",), lambda c, s: np.square(c["se"]), _root),
        PerformanceMeasure(
            "relative_se_error", "model SE over empirical SE, minus 1", ("estimate", "se"), _se_error_score, _se_error,
            least=3, obstacle=_no_spread,
        ),
        PerformanceMeasure(
            "relative_precision", "variance of another method over the own, minus 1", ("estimate", "other"),
            _precision_score, _precision, least=3, obstacle=_no_comparison, paired=True,
        ),
    )
}  # fmt: skip
"""Every measure of estimates, by its name."""

MEAN = "mean:"


def measure_of(name: str) -> PerformanceMeasure:
    """The measure of a name, or of ``mean:COLUMN``."""
    if name.startswith(MEAN) and name != MEAN:
        column = name.removeprefix(MEAN)
        return PerformanceMeasure(name, f"mean of {column}", (column,), lambda c, s: c[column], _mean)
    if name not in MEASURES:
        raise InputError(
            f"measure '{name}': unknown; there are {', '.join(MEASURES)}, and {MEAN}COLUMN for the mean of another result"
            f"{did_you_mean(name, MEASURES)}"
        )
    return MEASURES[name]
