r"""T2: several references for one query.

The m references have correlation :math:`\rho` with the query and :math:`\rho_{rr}` with each other, so that their mean has
variance :math:`g_m = (1+(m-1)\rho_{rr})/m`.

============ ================================ =========================
rule         variance v                       beats single iff
============ ================================ =========================
meandiff     :math:`1 - 2\rho + g_m`          :math:`g_m < 2\rho`
optimal      :math:`1 - \rho^2/g_m`           :math:`\rho\neq0`
============ ================================ =========================

Possible are only :math:`-1/(m-1)\le\rho_{rr}\le1` and :math:`\rho^2\le g_m` (T2.4): independent references that are each
correlated with the query cannot be many. Change scores with several baselines: Frison and Pocock (1992).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from theory.numerics.gaussian import auc_of, error_of
from theory.numerics.sampling import score_auc, score_error
from theory.numerics.validation import Floats, correlation, finite, non_negative, one_of, require, whole
from theory.statements import linear_rule
from theory.statements.base import Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number

if TYPE_CHECKING:
    import sympy as sp

RULES = ("meandiff", "optimal")
_ROUNDING = 1e-12  # values on the bounds of T2.4 are allowed; a float just outside by rounding counts as on the bound


def mean_variance(m: ArrayLike, rho_rr: ArrayLike, rho: ArrayLike = 0.0) -> Floats:
    r"""Variance of the mean of m references: :math:`g_m = (1 + (m-1)\rho_{rr})/m`. Correlations that are impossible together (T2.4) are
    refused.

    Examples
    --------
    >>> float(mean_variance(4, 0.4))
    0.55
    """
    m, rho_rr, rho = whole(m, "m", 1), finite(rho_rr, "rho_rr"), correlation(rho)
    lowest = -1 / np.maximum(m - 1, 1)
    require(
        (rho_rr >= lowest - _ROUNDING) & (rho_rr <= 1),
        "rho_rr: the correlation of m references with each other must be between -1/(m-1) and 1",
    )
    g = (1 + (m - 1) * rho_rr) / m
    require(np.square(rho) <= g + _ROUNDING, "rho, rho_rr, m: impossible together, rho^2 must not exceed (1 + (m-1) rho_rr) / m")
    return g


def variance(rho: ArrayLike, rho_rr: ArrayLike, m: ArrayLike, rule: str) -> Floats:
    """Variance of the score within a class, in units of the query's: v of the module's table (T2.1, T2.2).

    Examples
    --------
    >>> float(variance(0.4, 0.4, 4, "meandiff"))
    0.75
    """
    one_of(rule, "rule", RULES)
    rho = correlation(rho)
    g = mean_variance(m, rho_rr, rho)
    if rule == "meandiff":
        return 1 - 2 * rho + g
    explained = np.divide(np.square(rho), g, out=np.zeros(np.broadcast(rho, g).shape), where=g > _ROUNDING)
    return np.maximum(1 - explained, 0.0)


def separation(d: ArrayLike, rho: ArrayLike, rho_rr: ArrayLike, m: ArrayLike, rule: str) -> Floats:
    r"""Separation of the classes under a rule: :math:`D = d/\sqrt v`; infinite where the references determine a healthy query exactly."""
    d = non_negative(d, "d")
    with np.errstate(divide="ignore"):
        return d / np.sqrt(variance(rho, rho_rr, m, rule))


def error(d: ArrayLike, rho: ArrayLike, rho_rr: ArrayLike, m: ArrayLike, rule: str, pi: ArrayLike = 0.5) -> Floats:
    r"""Bayes error of a rule at prevalence pi: :math:`\Phi(-D/2)` at equal priors, else that of T1.4."""
    return error_of(separation(d, rho, rho_rr, m, rule), pi)


def auc(d: ArrayLike, rho: ArrayLike, rho_rr: ArrayLike, m: ArrayLike, rule: str) -> Floats:
    r"""AUROC of a rule: :math:`\Phi(D/\sqrt2)`.

    Examples
    --------
    >>> float(auc(1.0, 0.4, 0.2, 8, "optimal"))
    0.84969
    """
    return auc_of(separation(d, rho, rho_rr, m, rule))


# Symbolic: sum the covariances over the references, then minimise over the weight.


@functools.cache
def symbolic_variance() -> tuple[sp.Expr, dict[str, sp.Symbol]]:
    """Var(X_q - w mean(X_r)) as the sum of the pairwise covariances, and its symbols ``rho``, ``rho_rr``, ``w``, ``m``."""
    import sympy as sp

    from theory.numerics import symbolic

    rho, rho_rr, w = (symbolic.symbol(name) for name in ("rho", "rho_rr", "w"))
    m, j, k = (sp.Symbol(name, integer=True, positive=True) for name in ("m", "j", "k"))
    between = sp.summation(sp.summation(rho_rr, (k, 1, m)) - rho_rr, (j, 1, m))
    of_mean = (sp.summation(1, (j, 1, m)) + between) / m**2
    with_query = sp.summation(rho, (j, 1, m)) / m
    return sp.expand(1 - 2 * w * with_query + w**2 * of_mean), {"rho": rho, "rho_rr": rho_rr, "w": w, "m": m}


@functools.cache
def symbolic_optimal_weight() -> sp.Expr:
    """Weight on the mean with the least variance: the root of the derivative."""
    import sympy as sp

    v, names = symbolic_variance()
    return sp.simplify(sp.solve(sp.diff(v, names["w"]), names["w"])[0])


def symbolic_separation(d: float, rho: float, rho_rr: float, m: int, rule: str) -> sp.Expr:
    """Separation from the derived variance and weight."""
    import sympy as sp

    from theory.numerics import symbolic

    v, names = symbolic_variance()
    chosen = v.subs(names["w"], 1 if rule == "meandiff" else symbolic_optimal_weight())
    return symbolic.exact(d) / sp.sqrt(
        chosen.subs({names["rho"]: symbolic.exact(rho), names["rho_rr"]: symbolic.exact(rho_rr), names["m"]: int(m)})
    )


def symbolic_error(d: float, rho: float, rho_rr: float, m: int, rule: str, pi: float = 0.5) -> float:
    """Value of the derived error."""
    from theory.numerics import symbolic

    return symbolic.error(symbolic_separation(d, rho, rho_rr, m, rule), pi)


def symbolic_auc(d: float, rho: float, rho_rr: float, m: int, rule: str) -> float:
    """Value of the derived AUROC."""
    from theory.numerics import symbolic

    return symbolic.evaluate(symbolic.auc(symbolic_separation(d, rho, rho_rr, m, rule)))


# Raw simulation: a query and each of its m references; the optimal rule is Bayes' rule given all of them, not their mean.


def images_covariance(rho: float, rho_rr: float, m: int) -> Floats:
    """Covariance of a query (first) and its m references, shape (m + 1, m + 1), unit variances."""
    model = np.full((m + 1, m + 1), float(rho_rr))
    model[0, :] = model[:, 0] = rho
    np.fill_diagonal(model, 1.0)
    return model


def observation(rule: str, m: int) -> Floats:
    """The data that a rule sees of a query and its m references: each image, or the query minus their mean."""
    return np.eye(m + 1) if rule == "optimal" else np.append(1.0, np.full(m, -1 / m))[None, :]


def solved_weights(model: Floats, rule: str) -> Floats:
    """Weights on the images, the query's scaled to 1; the optimal ones solve the linear system of all images, one weight each."""
    m = len(model) - 1
    weights = np.append(1.0, np.full(m, -1 / m))
    if rule == "optimal":
        weights = np.linalg.lstsq(model, np.eye(m + 1)[0], rcond=None)[0]
    return weights / weights[0]


def _scores(params: Params, diseased: np.ndarray, rng: np.random.Generator) -> Floats:
    m, shift = int(params["m"]), params["d"] * np.eye(1, int(params["m"]) + 1)[0]
    model = images_covariance(params["rho"], params["rho_rr"], m)
    return linear_rule.draw_scores(model, shift, observation(params["rule"], m), diseased, rng)


def simulate_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Diagnose patients, each beside m references, by Bayes' rule; shape (replicates,), whether the diagnosis was wrong."""
    return linear_rule.simulate_error(_scores, params, replicates, rng)


def simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Rank a diseased against a healthy patient, each beside m references; shape (replicates,), whether the diseased one scored higher."""
    return linear_rule.simulate_ranking(_scores, params, replicates, rng)


# Fast sampling: the score is one normal per patient, whatever m is.


def _fast_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    distance = float(separation(*(params[name] for name in ("d", "rho", "rho_rr", "m", "rule"))))
    return score_error(distance, replicates, rng, params["pi"])


def _fast_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return score_auc(float(separation(**params)), replicates, rng)


PARAMETERS = (
    number("d", "effect in standard deviations of the query, 0 or more"),
    number("rho", "correlation of the query with each reference, between -1 and 1"),
    number("rho_rr", "correlation of the references with each other"),
    number("m", "number of references, 1 or more"),
    choice("rule", "subtract the mean of the references, or use them optimally", RULES),
)
_SETTINGS = (  # rho, rho_rr, m: ordinary points, then edges (one reference, many, negative, near-duplicates, the bound of T2.4)
    (0.4, 0.4, 1),
    (0.4, 0.4, 4),
    (0.4, 0.8, 4),
    (0.4, 0.2, 8),
    (0.0, 0.0, 3),
    (1e-6, 0.5, 3),
    (-0.3, 0.2, 5),
    (0.3, -0.2, 4),
    (0.5, 1.0, 3),
    (0.9, 0.9, 2),
    (0.99, 0.995, 16),
    (0.4, 0.4, 64),
    (0.7, 0.5, 24),
)
_POINTS = tuple({"d": 1.0, "rho": rho, "rho_rr": rho_rr, "m": m, "rule": rule} for rho, rho_rr, m in _SETTINGS for rule in RULES)
_PRIORS = grid(d=[1.0], rho=[0.6], rho_rr=[0.4], m=[3], rule=RULES, pi=[1e-3, 0.1, 0.9])


def _draws(params: Params) -> int:
    return 4 * (int(params["m"]) + 1)


STATEMENT = Statement(
    "T2",
    "Several references",
    "m references: the mean difference helps iff g_m < 2 rho; the optimal weight is rho / g_m; redundant references add little.",
    (
        Quantity(
            "error",
            "Bayes error of a rule",
            (*PARAMETERS, number("pi", "prevalence, strictly between 0 and 1", 0.5)),
            error,
            symbolic_error,
            simulate_error,
            (*_POINTS, *grid(d=[0.1, 3.0], rho=[0.5], rho_rr=[0.5], m=[2], rule=RULES), *_PRIORS),
            draws=_draws,
            fast=_fast_error,
        ),
        Quantity(
            "auc", "area under the ROC curve of a rule", PARAMETERS, auc, symbolic_auc, simulate_auc, _POINTS, draws=_draws, fast=_fast_auc
        ),
    ),
)
