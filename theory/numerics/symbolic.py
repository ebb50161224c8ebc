"""Shared steps of the symbolic derivations. Importing this module imports sympy: do so inside functions."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import sympy as sp

DIGITS = 30


def symbol(name: str, **assumptions: bool) -> sp.Symbol:
    """Real symbol."""
    return sp.Symbol(name, real=True, **assumptions)


def normal_cdf(x: sp.Expr) -> sp.Expr:
    """Standard normal distribution function as ``erfc(-x / sqrt 2) / 2``, which keeps its digits in the lower tail."""
    return sp.erfc(-x / sp.sqrt(2)) / 2


def normal_log_density(x: sp.Expr, mean: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """Logarithm of a normal density."""
    return -((x - mean) ** 2) / (2 * variance) - sp.log(2 * sp.pi * variance) / 2


def covariance(loadings: sp.Matrix) -> sp.Matrix:
    """Covariance of variables from their loadings (variables, components) on independent unit-variance components."""
    return sp.simplify(loadings * loadings.T)


@functools.cache
def bayes_error() -> tuple[sp.Expr, sp.Symbol, sp.Symbol]:
    """Bayes error of a unit-variance normal score, with its symbols D and pi: solve for the threshold, then add both tails."""
    t, separation, pi = symbol("t"), symbol("D", positive=True), symbol("pi", positive=True)
    log_ratio = normal_log_density(t, separation, sp.Integer(1)) - normal_log_density(t, sp.Integer(0), sp.Integer(1))
    threshold = sp.solve(sp.Eq(sp.expand(log_ratio), sp.log((1 - pi) / pi)), t)[0]
    false_alarms, misses = normal_cdf(-threshold), normal_cdf(threshold - separation)
    return (1 - pi) * false_alarms + pi * misses, separation, pi


@functools.cache
def bayes_threshold() -> tuple[sp.Expr, sp.Symbol, sp.Symbol, sp.Symbol]:
    """Bayes threshold of a normal score above the healthy mean, with its symbols shift, variance and prevalence: where the posterior odds
    are one."""
    t, shift, variance, pi = symbol("t"), *(symbol(name, positive=True) for name in ("d", "v", "pi"))
    log_ratio = normal_log_density(t, shift, variance) - normal_log_density(t, sp.Integer(0), variance)
    return sp.solve(sp.Eq(sp.expand(log_ratio), sp.log((1 - pi) / pi)), t)[0], shift, variance, pi


def error(separation: sp.Expr, pi: float) -> float:
    """Value of the derived Bayes error at a separation and prevalence."""
    expression, distance, prevalence = bayes_error()
    return evaluate(expression, {distance: separation, prevalence: pi})


def sensitivity(separation: sp.Expr, specificity: float) -> float:
    """Sensitivity at a specificity: solve for the threshold that the healthy exceed so often, then take the tail of the diseased."""
    import mpmath as mp  # type: ignore[import-untyped]

    distance = mp.mpf(str(sp.N(separation, DIGITS)))
    threshold = mp.findroot(lambda t: mp.ncdf(t) - mp.mpf(specificity), (-1.0, 1.0))
    return float(mp.ncdf(distance - threshold))


def auc(separation: sp.Expr) -> sp.Expr:
    """AUROC of a unit-variance normal score: the difference of two independent scores is N(D, 2)."""
    return normal_cdf(separation / sp.sqrt(sp.Integer(1) + sp.Integer(1)))


def exact(value: float) -> sp.Expr:
    """The rational number that a float is."""
    return sp.Rational(value)


def evaluate(expression: sp.Expr, values: Mapping[sp.Symbol, float | sp.Expr] | None = None) -> float:
    """Value of an expression at exact values, to 30 digits and then as a float."""
    substitutes = {name: value if isinstance(value, sp.Basic) else exact(float(value)) for name, value in (values or {}).items()}
    # maxn: where nearly all cancels (rho close to 1) sympy needs more working digits than the 100 that it allows itself
    return float(sp.N(expression.subs(substitutes), DIGITS, maxn=400))
