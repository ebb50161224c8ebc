r"""T2 beyond one correlation: references with unequal correlations (:math:`w=\Sigma_r^{-1}c`), and infinitely many references (T2.3).

With :math:`c` the covariances of the query with its references and :math:`\Sigma_r` those of the references with each other, a unit
variance query leaves :math:`v=1-2w^\top c+w^\top\Sigma_rw`; the least is :math:`1-c^\top\Sigma_r^{-1}c` (T12.6, general form).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from theory.numerics.gaussian import auc_of, error_of
from theory.numerics.montecarlo import log_likelihood_ratio
from theory.numerics.sampling import score_auc, score_error
from theory.numerics.validation import Floats, correlation, finite, non_negative, one_of, positive_definite, require
from theory.statements import linear_rule
from theory.statements.base import Params, Quantity
from theory.statements.parameters import choice, grid, matrix, number, vector
from theory.statements.t2_several_references import RULES, observation

STATEMENT_ID = "T2"


def unequal_separation(d: ArrayLike, c: Sequence[float], Sigma_r: Sequence[Sequence[float]], rule: str) -> Floats:
    r"""Separation with m references of unequal correlations: :math:`d/\sqrt v`, v as at the top of this module; `c` (m,), `Sigma_r` (m, m).

    Examples
    --------
    >>> float(unequal_separation(1.0, [0.4, 0.4], [[1.0, 0.4], [0.4, 1.0]], "optimal"))
    1.13855
    """
    model = _model(c, Sigma_r)
    own, between = model[0, 1:], model[1:, 1:]
    one_of(rule, "rule", RULES)
    weights = np.linalg.solve(between, own) if rule == "optimal" else np.full(len(own), 1 / len(own))
    return non_negative(d, "d") / np.sqrt(1 - 2 * weights @ own + weights @ between @ weights)


def _model(c: Sequence[float], Sigma_r: Sequence[Sequence[float]]) -> Floats:
    """Covariance of the query (first) and its references."""
    own, between = finite(c, "c"), positive_definite(Sigma_r, "Sigma_r")
    require(own.shape == between.shape[:1], f"c: must be a list of {len(between)} numbers, one per reference of Sigma_r")
    return positive_definite(np.block([[np.ones((1, 1)), own[None, :]], [own[:, None], between]]), "[[1, c], [c', Sigma_r]]")


def unequal_error(d: ArrayLike, c: Sequence[float], Sigma_r: Sequence[Sequence[float]], rule: str, pi: ArrayLike = 0.5) -> Floats:
    r"""Bayes error with references of unequal correlations: :math:`\Phi(-D/2)` at equal priors, else that of T1.4."""
    return error_of(unequal_separation(d, c, Sigma_r, rule), pi)


def unequal_auc(d: ArrayLike, c: Sequence[float], Sigma_r: Sequence[Sequence[float]], rule: str) -> Floats:
    r"""AUROC with references of unequal correlations: :math:`\Phi(D/\sqrt2)`."""
    return auc_of(unequal_separation(d, c, Sigma_r, rule))


def limit_variance(rho: ArrayLike, rho_rr: ArrayLike, rule: str) -> Floats:
    r"""Variance of the score with infinitely many references (T2.3): :math:`1-2\rho+\rho_{rr}`, or :math:`1-\rho^2/\rho_{rr}` at the best
    weight.

    Examples
    --------
    >>> float(limit_variance(0.4, 0.4, "optimal"))
    0.6
    """
    one_of(rule, "rule", RULES)
    rho, rho_rr = correlation(rho), non_negative(rho_rr, "rho_rr")
    require(rho_rr <= 1, "rho_rr: a correlation is at most 1")
    require(np.square(rho) <= rho_rr + 1e-12, "rho, rho_rr: impossible for infinitely many references, rho^2 must not exceed rho_rr")
    if rule == "meandiff":
        return 1 - 2 * rho + rho_rr
    explained = np.divide(np.square(rho), rho_rr, out=np.zeros(np.broadcast(rho, rho_rr).shape), where=rho_rr > 0)
    return np.maximum(1 - explained, 0.0)


def limit_auc(d: ArrayLike, rho: ArrayLike, rho_rr: ArrayLike, rule: str) -> Floats:
    r"""AUROC with infinitely many references: :math:`\Phi(d/\sqrt{2v})`."""
    with np.errstate(divide="ignore"):
        return auc_of(non_negative(d, "d") / np.sqrt(limit_variance(rho, rho_rr, rule)))


# Symbolic: exact rational systems; the limit of the variance for m references.


def _symbolic_unequal(d: float, c: Sequence[float], Sigma_r: Sequence[Sequence[float]], rule: str):  # type: ignore[no-untyped-def]
    import sympy as sp

    from theory.numerics import symbolic

    between = sp.Matrix([[symbolic.exact(value) for value in row] for row in Sigma_r])
    own, m = sp.Matrix([symbolic.exact(value) for value in c]), len(c)
    model = sp.ones(1).row_join(own.T).col_join(own.row_join(between))
    observation = sp.eye(m + 1) if rule == "optimal" else sp.Matrix([[1, *[sp.Rational(-1, m)] * m]])
    shift = observation * symbolic.exact(d) * sp.eye(m + 1)[:, 0]
    return sp.sqrt((shift.T * (observation * model * observation.T).LUsolve(shift))[0])


def _symbolic_error(d: float, c: Sequence[float], Sigma_r: Sequence[Sequence[float]], rule: str, pi: float = 0.5) -> float:
    from theory.numerics import symbolic

    return symbolic.error(_symbolic_unequal(d, c, Sigma_r, rule), pi)


def _symbolic_auc(d: float, c: Sequence[float], Sigma_r: Sequence[Sequence[float]], rule: str) -> float:
    from theory.numerics import symbolic

    return symbolic.evaluate(symbolic.auc(_symbolic_unequal(d, c, Sigma_r, rule)))


def _symbolic_limit(d: float, rho: float, rho_rr: float, rule: str) -> float:
    import sympy as sp

    from theory.numerics import symbolic
    from theory.statements.t2_several_references import symbolic_optimal_weight, symbolic_variance

    v, names = symbolic_variance()
    chosen = v.subs(names["w"], 1 if rule == "meandiff" else symbolic_optimal_weight())
    at = chosen.subs({names["rho"]: symbolic.exact(rho), names["rho_rr"]: symbolic.exact(rho_rr)})
    return symbolic.evaluate(symbolic.auc(symbolic.exact(d) / sp.sqrt(sp.limit(sp.simplify(at), names["m"], sp.oo))))


# Raw simulation: each reference drawn; infinitely many ones by de Finetti: their mean is the factor that they share.


def _scores(params: Params, diseased: np.ndarray, rng: np.random.Generator) -> Floats:
    model, m = _model(params["c"], params["Sigma_r"]), len(params["c"])
    shift = params["d"] * np.eye(1, m + 1)[0]
    return linear_rule.draw_scores(model, shift, observation(params["rule"], m), diseased, rng)


def _simulate_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return linear_rule.simulate_error(_scores, params, replicates, rng)


def _simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return linear_rule.simulate_ranking(_scores, params, replicates, rng)


def _simulate_limit(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    d, rho, rho_rr = params["d"], params["rho"], params["rho_rr"]
    on_factor = rho / np.sqrt(rho_rr) if rho_rr > 0 else 0.0

    def _scores(effect: float) -> Floats:
        factor, own = rng.standard_normal((2, replicates))
        query, reference = on_factor * factor + np.sqrt(1 - on_factor**2) * own + effect, np.sqrt(rho_rr) * factor
        if params["rule"] == "meandiff":
            return query - reference
        return log_likelihood_ratio(np.column_stack([query, factor]), np.array([d, 0.0]), np.array([[1.0, on_factor], [on_factor, 1.0]]))

    return _scores(d) > _scores(0.0)


def _fast_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    distance = float(unequal_separation(*(params[name] for name in ("d", "c", "Sigma_r", "rule"))))
    return score_error(distance, replicates, rng, params["pi"])


def _fast_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return score_auc(float(unequal_separation(**params)), replicates, rng)


_D, _RULE = (
    number("d", "effect in standard deviations of the query, 0 or more"),
    choice("rule", "mean of the references, or the best", RULES),
)
_MODEL = (
    _D,
    vector("c", "covariance of the unit-variance query with each reference"),
    matrix("Sigma_r", "covariance of the references"),
    _RULE,
)
_SETTINGS: tuple[tuple[list[float], list[list[float]]], ...] = (
    ([0.4, 0.4], [[1.0, 0.4], [0.4, 1.0]]),
    ([0.7, 0.3, 0.0], [[1.0, 0.2, 0.1], [0.2, 1.0, 0.5], [0.1, 0.5, 1.0]]),
    ([0.6, -0.5], [[1.0, 0.1], [0.1, 2.0]]),
    ([0.95], [[1.0]]),
)
_POINTS: tuple[Params, ...] = tuple({"d": 1.0, "c": c, "Sigma_r": s, "rule": rule} for c, s in _SETTINGS for rule in RULES)


def _draws(params: Params) -> int:
    return 4 * (len(params["c"]) + 1)


QUANTITIES = (
    Quantity(
        "unequal_error",
        "Bayes error with references of unequal correlations",
        (*_MODEL, number("pi", "prevalence, strictly between 0 and 1", 0.5)),
        unequal_error,
        _symbolic_error,
        _simulate_error,
        (*_POINTS, *({**_POINTS[3], "pi": pi} for pi in (1e-3, 0.05, 0.9))),
        draws=_draws,
        fast=_fast_error,
    ),
    Quantity(
        "unequal_auc",
        "area under the ROC curve with references of unequal correlations",
        _MODEL,
        unequal_auc,
        _symbolic_auc,
        _simulate_auc,
        _POINTS[:6],
        draws=_draws,
        fast=_fast_auc,
    ),
    Quantity(
        "limit_auc",
        "area under the ROC curve with infinitely many references",
        (_D, number("rho", "correlation of query and reference"), number("rho_rr", "correlation of the references, 0 or more"), _RULE),
        limit_auc,
        _symbolic_limit,
        _simulate_limit,
        (
            *grid(d=[1.0], rho=[0.4], rho_rr=[0.4, 0.8], rule=RULES),
            *grid(d=[1.0], rho=[-0.3, 1e-6], rho_rr=[0.2], rule=RULES),
            *grid(d=[0.1], rho=[0.99], rho_rr=[0.99], rule=RULES),
            *grid(d=[1.0], rho=[0.0], rho_rr=[0.0], rule=["meandiff"]),
        ),
        draws=lambda params: 8,
    ),
)
