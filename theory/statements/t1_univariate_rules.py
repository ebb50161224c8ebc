r"""T1: one reference, one feature; conditions under which comparing lowers the error.

Query and reference have unit variance and correlation :math:`\rho` given the label; only the query of a diseased patient is
shifted, by d. The rule scores :math:`T_w = X_q - w X_r`, whose variance within a class is

.. math:: v(w) = 1 - 2w\rho + w^2 = 1 - \rho^2 + (w - \rho)^2, \qquad D_w = d/\sqrt{v(w)}.

========== =========== ==================== ========================
rule       weight w    variance v           beats single iff
========== =========== ==================== ========================
single     0           1
difference 1           2 (1 - rho)          rho > 1/2
optimal    rho         1 - rho^2            rho is not 0
========== =========== ==================== ========================

Derived here from the model; the error and AUROC of a normal score are textbook (McLachlan 1992; Bamber 1975).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from see_in_pairs.errors import InputError
from theory.numerics.gaussian import auc_of, error_of
from theory.numerics.montecarlo import log_likelihood_ratio
from theory.numerics.sampling import score_auc, score_error
from theory.numerics.validation import Floats, correlation, finite, non_negative
from theory.statements import linear_rule
from theory.statements.base import Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number

if TYPE_CHECKING:
    import sympy as sp

RULES = ("single", "difference", "optimal")
Rule = str | ArrayLike


def weight(rho: ArrayLike, rule: Rule) -> Floats:
    r"""Weight w of a rule on the reference: 0, 1, :math:`\rho`, or the number given."""
    rho = correlation(rho)
    if not isinstance(rule, str):
        return finite(rule, "rule")
    if rule not in RULES:
        raise InputError(f"rule = {rule!r}: must be one of {', '.join(RULES)}, or a number (the weight)")
    return {"single": np.zeros_like(rho), "difference": np.ones_like(rho), "optimal": rho}[rule]


def variance(rho: ArrayLike, rule: Rule) -> Floats:
    r"""Variance of the score within a class, in units of the query's: :math:`v(w) = 1 - \rho^2 + (w - \rho)^2` (T1.1).

    Examples
    --------
    >>> float(variance(0.7, "difference"))
    0.6
    """
    rho = correlation(rho)
    return (1 - rho) * (1 + rho) + np.square(weight(rho, rule) - rho)


def separation(d: ArrayLike, rho: ArrayLike, rule: Rule) -> Floats:
    r"""Separation of the classes under a rule: :math:`D_w = d / \sqrt{v(w)}`."""
    return non_negative(d, "d") / np.sqrt(variance(rho, rule))


def error(d: ArrayLike, rho: ArrayLike, rule: Rule, pi: ArrayLike = 0.5) -> Floats:
    r"""Bayes error of a rule at prevalence pi:
    :math:`(1-\pi)\Phi(-\frac{D}{2}-\frac{\lambda}{D}) + \pi\Phi(-\frac{D}{2}+\frac{\lambda}{D})` (T1.4).

    Examples
    --------
    >>> float(error(1.0, 0.7, "optimal", pi=0.1))
    0.09122
    """
    return error_of(separation(d, rho, rule), pi)


def auc(d: ArrayLike, rho: ArrayLike, rule: Rule) -> Floats:
    r"""AUROC of a rule, the same at every prevalence: :math:`\Phi(D_w/\sqrt2)`.

    Examples
    --------
    >>> float(auc(1.0, 0.7, "difference"))
    0.81934
    """
    return auc_of(separation(d, rho, rule))


# Symbolic: from the model's loadings on independent parts.


@functools.cache
def symbolic_variance() -> tuple[sp.Expr, sp.Symbol, sp.Symbol]:
    """v(w) and its two symbols (rho, w), from the loadings of query and reference on the shared and their own parts."""
    import sympy as sp

    from theory.numerics import symbolic

    rho, w = symbolic.symbol("rho"), symbolic.symbol("w")
    shared, own = sp.sqrt(rho), sp.sqrt(1 - rho)
    structure = symbolic.covariance(sp.Matrix([[shared, own, 0], [shared, 0, own]]))
    contrast = sp.Matrix([1, -w])
    return sp.expand((contrast.T * structure * contrast)[0]), rho, w


@functools.cache
def symbolic_optimal_weight() -> sp.Expr:
    """Weight with the least variance: the root of the derivative of v(w), which is convex in w."""
    import sympy as sp

    v, _, w = symbolic_variance()
    return sp.solve(sp.diff(v, w), w)[0]


@functools.cache
def symbolic_bayes_weight() -> sp.Expr:
    """Weight of the Bayes rule: minus the ratio of the coefficients of reference and query in the pair's log-likelihood ratio."""
    import sympy as sp

    from theory.numerics import symbolic

    rho, d, query, reference = symbolic.symbol("rho"), symbolic.symbol("d", positive=True), symbolic.symbol("x_q"), symbolic.symbol("x_r")
    precision = sp.Matrix([[1, rho], [rho, 1]]).inv()
    observed, shift = sp.Matrix([query, reference]), sp.Matrix([d, 0])
    log_ratio = ((observed.T * precision * observed) - (observed - shift).T * precision * (observed - shift))[0] / 2
    return sp.simplify(-sp.diff(log_ratio, reference) / sp.diff(log_ratio, query))


def symbolic_separation(d: float, rho: float, rule: str | float) -> sp.Expr:
    """Separation from the derived variance and weights."""
    import sympy as sp

    from theory.numerics import symbolic

    v, rho_symbol, w = symbolic_variance()
    chosen = {"single": 0, "difference": 1, "optimal": symbolic_optimal_weight()}
    at = chosen[rule] if isinstance(rule, str) else symbolic.exact(rule)
    return symbolic.exact(d) / sp.sqrt(v.subs(w, at).subs(rho_symbol, symbolic.exact(rho)))


def symbolic_error(d: float, rho: float, rule: str | float, pi: float = 0.5) -> float:
    """Value of the derived error."""
    from theory.numerics import symbolic

    return symbolic.error(symbolic_separation(d, rho, rule), pi)


def symbolic_auc(d: float, rho: float, rule: str | float) -> float:
    """Value of the derived AUROC."""
    from theory.numerics import symbolic

    return symbolic.evaluate(symbolic.auc(symbolic_separation(d, rho, rule)))


# Raw simulation: patients and their references, one by one; it uses the model and Bayes' rule, none of the formulas above.


def draw_pairs(size: int, rho: float, rng: np.random.Generator) -> Floats:
    """Healthy queries, each with its reference: shape (size, 2), unit variances."""
    common, own_query, own_reference = rng.standard_normal((3, size))
    shared, own = np.sqrt(abs(rho)), np.sqrt(1 - abs(rho))
    return np.column_stack([shared * common + own * own_query, np.sign(rho) * shared * common + own * own_reference])


def _scores(params: Params, diseased: np.ndarray, rng: np.random.Generator) -> Floats:
    """Log-likelihood ratios of what the rule sees: the query, a combination of both, or the pair."""
    rule, rho = params["rule"], params["rho"]
    observations = {"single": [[1.0, 0.0]], "difference": [[1.0, -1.0]], "optimal": np.eye(2)}
    observation = np.asarray(observations[rule] if isinstance(rule, str) else [[1.0, -rule]])
    pairs = draw_pairs(len(diseased), rho, rng)
    pairs[:, 0] += params["d"] * diseased
    return log_likelihood_ratio(
        pairs @ observation.T, observation @ np.array([params["d"], 0.0]), observation @ np.array([[1.0, rho], [rho, 1.0]]) @ observation.T
    )


def simulate_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Diagnose patients by Bayes' rule; shape (replicates,), whether the diagnosis was wrong."""
    return linear_rule.simulate_error(_scores, params, replicates, rng)


def simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Rank a diseased against a healthy patient; shape (replicates,), whether the diseased one scored higher."""
    healthy, diseased = (_scores(params, np.full(replicates, label), rng) for label in (False, True))
    return diseased > healthy


def fast_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """As `simulate_error`, from one normal score per patient with variance v(w)."""
    return score_error(float(separation(params["d"], params["rho"], params["rule"])), replicates, rng, params["pi"])


def fast_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """As `simulate_auc`, from one normal score per patient with variance v(w)."""
    return score_auc(float(separation(params["d"], params["rho"], params["rule"])), replicates, rng)


PARAMETERS = (
    number("d", "effect in standard deviations of the query, 0 or more"),
    number("rho", "correlation of query and reference given the label, between -1 and 1"),
    choice("rule", "rule, or its weight on the reference", RULES, or_number=True),
)
_PAIR_RULES = ("difference", "optimal", 0.5)
_CORRELATIONS = (-0.95, -0.4, 0.0, 1e-6, 0.3, 0.5, 0.7, 0.9, 0.999)
_GRID = (
    *grid(d=[1.0], rho=[0.0], rule=["single"]),
    *grid(d=[1.0], rho=_CORRELATIONS, rule=_PAIR_RULES),
    *grid(d=[0.25, 3.0], rho=[0.7], rule=_PAIR_RULES),
)

STATEMENT = Statement(
    "T1",
    "Univariate rules",
    "One reference: the difference helps iff rho > 1/2, the optimal weight is rho and never hurts.",
    (
        Quantity(
            "error",
            "Bayes error of a rule",
            (*PARAMETERS, number("pi", "prevalence, strictly between 0 and 1", 0.5)),
            error,
            symbolic_error,
            simulate_error,
            (*_GRID, *grid(d=[1.0], rho=[0.7], rule=RULES, pi=[1e-3, 0.1, 0.999])),
            fast=fast_error,
        ),
        Quantity(
            "auc",
            "area under the ROC curve of a rule",
            PARAMETERS,
            auc,
            symbolic_auc,
            simulate_auc,
            _GRID,
            fast=fast_auc,
            draws=lambda params: 6,
        ),
    ),
)
