"""The accuracy tests of independent items on a whole block of replicates."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from paper_figures.error_rates.accuracy import Columns, Counts
from paper_figures.statistics.validation import Floats
from theory.sweeps import method

Z = float(special.ndtri(0.975))


def chi_squared(statistic: Floats) -> Columns:
    """P-values of chi-squared statistics with 1 degree of freedom, shape (R,); an undefined statistic (0 / 0) counts as 0."""
    return {"p": special.chdtrc(1, np.nan_to_num(statistic, nan=0.0))}


def student(estimate: Floats, variance: Floats, df: Floats | float) -> Columns:
    """Interval and p-value of estimates by the t distribution; p is 1 where the variance is 0.

    Shapes: `estimate`, `variance` (R,), `df` (R,) or one number.
    """
    error = np.sqrt(np.maximum(variance, 0))
    z = np.where(error > 1e-12, estimate / np.where(error > 1e-12, error, 1.0), 0.0)
    half = special.stdtrit(df, 0.975) * error
    p = 2 * special.stdtr(df, -np.abs(z))
    return {"estimate": estimate, "se": error, "lower": estimate - half, "upper": estimate + half, "p": p}


@method("McNemar exact", vectorised=True)
def exact(data: Counts) -> Columns:
    """Run McNemar's exact test."""
    return {"p": np.where(data.n10 == data.n01, 1.0, np.minimum(1.0, 2 * _tail(data)))}


@method("McNemar mid-p", vectorised=True)
def mid_p(data: Counts) -> Columns:
    """Run McNemar's mid-p test."""
    low, n = np.minimum(data.n10, data.n01), data.n10 + data.n01
    point = np.exp(special.gammaln(n + 1) - special.gammaln(low + 1) - special.gammaln(n - low + 1) - n * math.log(2))
    return {"p": np.where(data.n10 == data.n01, 1.0, 2 * _tail(data) - point)}


def _tail(data: Counts) -> Floats:
    return np.asarray(special.bdtr(np.minimum(data.n10, data.n01), (data.n10 + data.n01).astype(np.intp), 0.5), dtype=np.float64)


@method("McNemar asymptotic", vectorised=True)
def asymptotic(data: Counts) -> Columns:
    """Run McNemar's asymptotic test, which is equivalent to whether Tango's interval excludes 0."""
    with np.errstate(invalid="ignore"):
        return chi_squared((data.n10 - data.n01) ** 2 / (data.n10 + data.n01))


@method("McNemar corrected", vectorised=True)
def corrected(data: Counts) -> Columns:
    """Run McNemar's test with the continuity correction."""
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = np.maximum(np.abs(data.n10 - data.n01) - 1, 0) ** 2 / (data.n10 + data.n01)
    return chi_squared(statistic)


@method("Wald interval", vectorised=True)
def wald(data: Counts) -> Columns:
    """Make Wald's interval."""
    gap = data.n10 - data.n01
    return _around(gap / data.items, np.sqrt(np.maximum(data.n10 + data.n01 - gap**2 / data.items, 0)) / data.items)


@method("Bonett-Price interval", vectorised=True)
def bonett_price(data: Counts) -> Columns:
    """Make Bonett and Price's interval."""
    n = data.items + 2
    p10, p01 = (data.n10 + 1) / n, (data.n01 + 1) / n
    return _around(p10 - p01, np.sqrt((p10 + p01 - (p10 - p01) ** 2) / n))


def _around(centre: Floats, error: Floats) -> Columns:
    return {"lower": np.maximum(centre - Z * error, -1), "upper": np.minimum(centre + Z * error, 1)}


@method("Newcombe interval", vectorised=True)
def newcombe(data: Counts) -> Columns:
    """Make Newcombe's interval."""
    n, n11 = data.items, data.both.sum(axis=1).astype(np.float64)
    k1, k2 = n11 + data.n10, n11 + data.n01
    margins = k1 * (n - k1) * k2 * (n - k2)
    excess: Floats = n11 * (n - n11 - data.n10 - data.n01) - data.n10 * data.n01
    excess = np.where(excess > 0, np.maximum(excess - n / 2, 0), excess)
    phi = np.where(margins > 0, excess / np.sqrt(np.maximum(margins, 1)), 0.0)
    (l1, u1), (l2, u2), p1, p2 = _wilson(k1, n), _wilson(k2, n), k1 / n, k2 / n
    side = lambda x, y: np.sqrt(np.maximum(x**2 - 2 * phi * x * y + y**2, 0))
    return {"lower": p1 - p2 - side(p1 - l1, u2 - p2), "upper": p1 - p2 + side(p2 - l2, u1 - p1)}


def _wilson(k: Floats, n: int) -> tuple[Floats, Floats]:
    middle, half = k + Z**2 / 2, Z * np.sqrt(k * (n - k) / n + Z**2 / 4)
    return (middle - half) / (n + Z**2), (middle + half) / (n + Z**2)


@method("conditional logit", vectorised=True)
def conditional_logit(data: Counts) -> Columns:
    """Run Wald's test of the conditional log odds ratio; p is 1 where it is infinite."""
    one, other = np.maximum(data.n10, 1), np.maximum(data.n01, 1)
    z = np.log(one / other) / np.sqrt(1 / one + 1 / other)
    return {"p": np.where(np.minimum(data.n10, data.n01) > 0, 2 * special.ndtr(-np.abs(z)), 1.0)}
