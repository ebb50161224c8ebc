r"""T3: trials with the reference as a covariate; the variance of the effect and the power.

Two groups of n patients, each with a reference that does not depend on the group. Variance of the estimated effect in units of
:math:`2\sigma^2/n`, with N = 2 n:

======== ===========================================
analysis scaled variance
======== ===========================================
ttest    1
change   2 (1 - rho)
ancova   (1 - rho^2) (N - 3) / (N - 4)
======== ===========================================

All exact under normality; the factor 1 - rho^2 is that of Borm, Fransen and Lemmens (2007). Power is also exact, two-sided at level .05.
For the first two it is that of the noncentral t with N - 2 degrees of freedom. For ANCOVA it has N - 3, and its noncentrality varies with
the references by the root of a Beta((N - 2) / 2, 1 / 2) variable.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, stdtrit

from theory.numerics.montecarlo import MeanTally
from theory.numerics.quadrature import legendre
from theory.numerics.validation import Floats, correlation, finite, one_of, whole
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number
from theory.statements.t1_univariate_rules import draw_pairs, symbolic_variance

if TYPE_CHECKING:
    import sympy as sp

ANALYSES = ("ttest", "change", "ancova")
LEVEL = 0.05


def scaled_var(n_per_group: ArrayLike, rho: ArrayLike, d: ArrayLike, analysis: str) -> Floats:
    r"""Variance of the estimated effect, :math:`\mathrm{Var}(\hat\delta)\, n / (2\sigma^2)`, by the module's table.

    Examples
    --------
    >>> float(scaled_var(10, 0.6, 0.5, "ancova"))
    0.68
    """
    total, rho, d = 2 * whole(n_per_group, "n_per_group", 3), correlation(rho), finite(d, "d")
    one_of(analysis, "analysis", ANALYSES)
    factor = {"ttest": np.ones_like(rho), "change": 2 * (1 - rho), "ancova": (1 - rho) * (1 + rho) * (total - 3) / (total - 4)}[analysis]
    return np.asarray(factor + 0.0 * (total + d), dtype=np.float64)


def power(n_per_group: ArrayLike, rho: ArrayLike, d: ArrayLike, analysis: str) -> Floats:
    r"""Power of the two-sided test of no effect at level .05, exact under normality: :math:`P(|t_\nu(\mathrm{ncp})| > t_{.975})`.

    Notes
    -----
    :math:`\nu=2n-2` and :math:`\mathrm{ncp} = d \sqrt{n / (2 \times \text{scaled variance})}` for the t test and the change score.
    ANCOVA has :math:`\nu=2n-3` and, given the references, :math:`\mathrm{ncp}^2=\frac{n d^2}{2(1-\rho^2)}B`, B ~ Beta(n - 1, 1/2).

    Examples
    --------
    >>> float(power(30, 0.7, 0.5, "change")), float(power(4, 0.9, 1.0, "ancova"))
    (0.69093, 0.66488)
    """
    n, rho, d = whole(n_per_group, "n_per_group", 3), correlation(rho), finite(d, "d")
    one_of(analysis, "analysis", ANALYSES)
    factor = {"ttest": np.ones_like(rho), "change": 2 * (1 - rho), "ancova": (1 - rho) * (1 + rho)}[analysis]
    return exact_power(n, factor, d, analysis == "ancova")


def exact_power(n: ArrayLike, factor: ArrayLike, d: ArrayLike, adjusted: bool, level: float = LEVEL) -> Floats:
    """Power of two groups of n whose scaled variance is `factor` (with a known slope, where it is `adjusted` for a covariate)."""
    n, factor, d = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (n, factor, d)))
    freedom, centre = 2 * n - (3 if adjusted else 2), d * np.sqrt(n / (2 * factor))
    if not adjusted:
        return noncentral_t_power(freedom, centre, level)
    x, w = legendre(80)
    angle = np.minimum(np.pi / 2, 10 / np.sqrt(2 * n))[..., None] * x  # B = cos^2 of it
    weights = w * np.cos(angle) ** (2 * n - 3)[..., None]
    powers = noncentral_t_power(np.broadcast_to(freedom[..., None], angle.shape), centre[..., None] * np.cos(angle), level)
    return (weights * powers).sum(axis=-1) / weights.sum(axis=-1)


def noncentral_t_power(freedom: Floats, centre: Floats, level: float | Floats = LEVEL) -> Floats:
    """Probability that a noncentral t is beyond the two-sided critical value."""
    critical = stdtrit(freedom, 1 - level / 2)
    deviation, weights = _estimated_deviation(freedom)
    bound = critical[..., None] * deviation
    return (weights * (ndtr(centre[..., None] - bound) + ndtr(-centre[..., None] - bound))).sum(axis=-1)


def _estimated_deviation(freedom: Floats) -> tuple[Floats, Floats]:
    """Quadrature over the estimated standard deviation, sqrt(chi^2 / freedom); the noncentral t is a mixture over it."""
    x, w = legendre(200)
    degrees = np.asarray(freedom)[..., None]
    spread = 12 / np.sqrt(2 * degrees)
    low = np.maximum(0.0, 1 - spread)
    s = low + (1 + spread - low) * x
    log_density = (degrees - 1) * np.log(s) - degrees * np.square(s) / 2
    weights = w * np.exp(log_density - log_density.max(axis=-1, keepdims=True))
    return s, weights / weights.sum(axis=-1, keepdims=True)


@functools.cache
def symbolic_ancova_inflation() -> tuple[sp.Expr, sp.Symbol]:
    r"""Cost of estimating the slope: the expectation of :math:`1 + \chi^2_1/\chi^2_{N-2}`, by integrating over both, and its symbol N.
    Given the references, the variance is that with a known slope times this ratio."""
    import sympy as sp

    total, x, k = sp.Symbol("N", positive=True), sp.Symbol("x", positive=True), sp.Symbol("k", positive=True)
    density = x ** (k / 2 - 1) * sp.exp(-x / 2) / (2 ** (k / 2) * sp.gamma(k / 2))
    mean = sp.gammasimp(sp.integrate(x * density, (x, 0, sp.oo), conds="none"))
    inverse = sp.gammasimp(sp.integrate(density / x, (x, 0, sp.oo), conds="none"))
    return sp.simplify(1 + mean.subs(k, 1) * inverse.subs(k, total - 2)), total


def _symbolic_scaled_var(n_per_group: int, rho: float, d: float, analysis: str) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    v, correlated, w = symbolic_variance()
    best = sp.solve(sp.diff(v, w), w)[0]
    inflation, total = symbolic_ancova_inflation()
    expression = {"ttest": v.subs(w, 0), "change": v.subs(w, 1), "ancova": v.subs(w, best) * inflation}[analysis]
    return symbolic.evaluate(expression, {correlated: rho, total: 2 * n_per_group})


def _symbolic_power(n_per_group: int, rho: float, d: float, analysis: str) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    v, correlated, w = symbolic_variance()
    at = {"ttest": 0, "change": 1, "ancova": sp.solve(sp.diff(v, w), w)[0]}[analysis]
    return power_series(int(n_per_group), symbolic.evaluate(v.subs(w, at), {correlated: rho}), d, analysis == "ancova")


def power_series(n: int, factor: float, d: float, adjusted: bool, level: float = LEVEL) -> float:
    """As `exact_power`, by `noncentral_series`."""
    import mpmath as mp  # type: ignore[import-untyped]

    noncentrality = mp.mpf(d) ** 2 * n / (2 * mp.mpf(factor))
    return noncentral_series(1, 2 * n - (3 if adjusted else 2), noncentrality, level, n - 1 if adjusted else None)


def noncentral_series(groups: int, freedom: int, noncentrality: object, level: float, beta: float | None = None) -> float:
    """Power of an F test on `groups` and `freedom` degrees of freedom (1: the two-sided t), by the series of the noncentral F in incomplete
    beta functions (Johnson, Kotz and Balakrishnan 1995, ch. 30). With `beta` the noncentrality is multiplied by a Beta(beta, 1/2) variable,
    and the weights of the series are their means, confluent hypergeometric functions."""
    import mpmath as mp  # type: ignore[import-untyped]
    from scipy.special import fdtri

    over, under, half = mp.mpf(groups) / 2, mp.mpf(freedom) / 2, mp.mpf(1) / 2
    rate = mp.mpf(noncentrality) / 2

    def _above(f: mp.mpf) -> mp.mpf:
        return mp.betainc(under, over, 0, freedom / (freedom + groups * f), regularized=True)

    def _weight(j: int) -> mp.mpf:
        poisson = rate**j / mp.factorial(j)
        if beta is None:
            return poisson * mp.exp(-rate)
        a = mp.mpf(beta)
        return poisson * mp.rf(a, j) / mp.rf(a + half, j) * mp.hyp1f1(a + j, a + half + j, -rate)

    critical = mp.findroot(lambda f: _above(f) - mp.mpf(level), float(fdtri(groups, freedom, 1 - level)))
    x, inside, j = groups * critical / (freedom + groups * critical), mp.mpf(0), 0
    while j <= 2 * rate or _weight(j) > 1e-20:  # P(F <= critical): a mixture over the numerator's chi-squared
        inside += _weight(j) * mp.betainc(j + over, under, 0, x, regularized=True)
        j += 1
    return float(1 - inside)


# Raw simulation: whole trials, fitted one by one.


def _trials(params: Params, replicates: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Queries and references of simulated trials, shape (trials, group, patient)."""
    n = int(params["n_per_group"])
    pairs = draw_pairs(replicates * 2 * n, params["rho"], rng).reshape(replicates, 2, n, 2)
    query, reference = pairs[..., 0], pairs[..., 1]
    query[:, 1] += params["d"]
    return query, reference


def _effects(params: Params, query: Floats, reference: Floats) -> Floats:
    """Estimated effect of each trial."""
    if params["analysis"] == "change":
        return np.diff((query - reference).mean(axis=2))[:, 0]
    effect = np.diff(query.mean(axis=2))[:, 0]
    if params["analysis"] == "ttest":
        return effect
    within_query, within_reference = (x - x.mean(axis=2, keepdims=True) for x in (query, reference))
    slope = (within_query * within_reference).sum(axis=(1, 2)) / np.square(within_reference).sum(axis=(1, 2))
    return effect - slope * np.diff(reference.mean(axis=2))[:, 0]


def _simulate_scaled_var(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    estimated = _effects(params, *_trials(params, replicates, rng))
    return np.square(estimated - params["d"]) * params["n_per_group"] / 2


def _simulate_power(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    query, reference = _trials(params, replicates, rng)
    if params["analysis"] == "ancova":
        return ancova_rejects(query, reference, LEVEL)
    outcome, n = query - reference if params["analysis"] == "change" else query, params["n_per_group"]
    standard_error = np.sqrt(outcome.var(axis=2, ddof=1).mean(axis=1) * 2 / n)
    return np.abs(_effects(params, query, reference)) / standard_error > stdtrit(2 * n - 2, 1 - LEVEL / 2)


def ancova_rejects(query: Floats, covariate: Floats, level: float) -> np.ndarray:
    """Whether least squares on group and covariate finds an effect; both of shape (trials, 2, n)."""
    within, other = (x - x.mean(axis=2, keepdims=True) for x in (query, covariate))
    squares, products = np.square(other).sum(axis=(1, 2)), (within * other).sum(axis=(1, 2))
    n, gap = query.shape[2], np.diff(covariate.mean(axis=2))[:, 0]
    effect = np.diff(query.mean(axis=2))[:, 0] - products / squares * gap
    freedom = 2 * n - 3
    residual = (np.square(within).sum(axis=(1, 2)) - products**2 / squares) / freedom
    return np.abs(effect) > stdtrit(freedom, 1 - level / 2) * np.sqrt(residual * (2 / n + gap**2 / squares))


# Fast sampling: an effect depends on the trial through a normal and two sums of squares.


def _fast_scaled_var(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    n, rho, squares = params["n_per_group"], params["rho"], np.square(rng.standard_normal(replicates))
    if params["analysis"] != "ancova":
        return squares * (1 if params["analysis"] == "ttest" else 2 * (1 - rho))
    return squares * (1 - rho**2) * (1 + rng.chisquare(1, replicates) / rng.chisquare(2 * n - 2, replicates))


def _fast_power(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    adjusted, rho = params["analysis"] == "ancova", params["rho"]
    freedom, variance = 2 * params["n_per_group"] - 2, {"ttest": 1.0, "change": 2 * (1 - rho), "ancova": 1 - rho**2}[params["analysis"]]
    centre = params["d"] * np.sqrt(params["n_per_group"] / (2 * variance))
    if adjusted:
        centre = centre / np.sqrt(1 + rng.chisquare(1, replicates) / rng.chisquare(freedom, replicates))
        freedom -= 1
    effect = rng.standard_normal(replicates) + centre
    return np.abs(effect) / np.sqrt(rng.chisquare(freedom, replicates) / freedom) > stdtrit(freedom, 1 - LEVEL / 2)


def _parameters(analyses: tuple[str, ...]) -> tuple:
    return (
        number("n_per_group", "patients per group, 3 or more"),
        number("rho", "correlation of query and reference within a group"),
        number("d", "true effect in standard deviations"),
        choice("analysis", "the analysis", analyses),
    )


def _draws(params: Params) -> int:
    return 6 * int(params["n_per_group"])


_SCALED = (
    *grid(n_per_group=[10], rho=[0.6], d=[0.5], analysis=ANALYSES),
    *grid(n_per_group=[4], rho=[-0.5, 0.9], d=[0.0], analysis=["ancova"]),
)
_POWER = (
    *grid(n_per_group=[30], rho=[0.7], d=[0.5], analysis=ANALYSES),
    *grid(n_per_group=[3, 4], rho=[0.9], d=[0.0, 1.0], analysis=["ancova"]),
    *grid(n_per_group=[3], rho=[0.95, -0.5], d=[0.5], analysis=["change"]),
    *grid(n_per_group=[8], rho=[0.0], d=[0.0, 2.0], analysis=["ttest"]),
)

STATEMENT = Statement(
    "T3",
    "Sample size for an effect",
    "Trials: the covariate multiplies the variance by 1 - rho^2 (ANCOVA) or 2 (1 - rho) (change score).",
    (
        Quantity(
            "scaled_var",
            "variance of the estimated effect in units of 2 sigma^2 / n",
            _parameters(ANALYSES),
            scaled_var,
            _symbolic_scaled_var,
            _simulate_scaled_var,
            _SCALED,
            tally=MeanTally,
            mcse=1e-3,
            fast=_fast_scaled_var,
            draws=_draws,
        ),
        Quantity(
            "power",
            "power of the two-sided test of the effect at level .05, exact",
            _parameters(ANALYSES),
            power,
            _symbolic_power,
            _simulate_power,
            _POWER,
            fast=_fast_power,
            draws=_draws,
            symbolic_tolerance=QUADRATURE,
            mcse=1e-3,  # trials are expensive: 180 random numbers each at 30 per group
        ),
    ),
)
