r"""T1b: images. The gain from a reference for a query of many pixels.

Query :math:`x_q\sim N(Y\delta,\Sigma)`, reference :math:`x_r\sim N(0,S_r)`, :math:`\mathrm{Cov}(x_q,x_r)=C`. The squared
detectability (separation of the best linear rule) is

========== ==================================================================================
single     :math:`\delta^\top\Sigma^{-1}\delta`
difference :math:`\delta^\top(\Sigma+S_r-C-C^\top)^{-1}\delta`
joint      :math:`\delta^\top(\Sigma-CS_r^{-1}C^\top)^{-1}\delta` (Schur complement)
========== ==================================================================================

The joint one exceeds the single one iff :math:`C^\top\Sigma^{-1}\delta\neq0`: the reference must covary with the discriminant
direction of the query; the correlation of the pixels alone predicts nothing. In the proportional case :math:`S_r=\Sigma`,
:math:`C=\rho\Sigma` it is exactly :math:`\Delta^2/(1-\rho^2)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from theory.numerics.gaussian import auc_of, error_of
from theory.numerics.sampling import score_auc, score_error
from theory.numerics.validation import Floats, finite, one_of, positive_definite, require, square
from theory.statements import linear_rule
from theory.statements.base import Params, Quantity, Statement
from theory.statements.parameters import choice, matrix, number, vector

if TYPE_CHECKING:
    import sympy as sp

RULES = ("single", "difference", "joint")


def joint_covariance(sigma: ArrayLike, cross: ArrayLike, reference: ArrayLike) -> Floats:
    """Covariance of query and reference together, shape (2 p, 2 p), query first; each block is (p, p)."""
    blocks = positive_definite(sigma, "Sigma"), square(cross, "C"), positive_definite(reference, "Sr")
    require(len({block.shape for block in blocks}) == 1, "Sigma, C, Sr: must have one and the same shape")
    own, shared, other = blocks
    return positive_definite(np.block([[own, shared], [shared.T, other]]), "[[Sigma, C], [C', Sr]]")


def separation(Sigma: ArrayLike, C: ArrayLike, Sr: ArrayLike, delta: ArrayLike, rule: str) -> float:
    r"""Detectability index :math:`\Delta` of a rule: the root of its quadratic form in the module's table; `Sigma`, `C`, `Sr` (p, p),
    `delta` (p,).

    Examples
    --------
    >>> import numpy as np
    >>> identity = np.eye(2)
    >>> separation(identity, 0.6 * identity, identity, [1.0, 0.0], "joint")
    1.25
    """
    one_of(rule, "rule", RULES)
    joint, shift = joint_covariance(Sigma, C, Sr), finite(delta, "delta")
    p = len(joint) // 2
    require(shift.shape == (p,), f"delta: must be a list of {p} numbers, as many as Sigma has rows")
    sigma, cross, reference = joint[:p, :p], joint[:p, p:], joint[p:, p:]
    if rule == "single":
        residual = sigma
    elif rule == "difference":
        residual = sigma + reference - cross - cross.T
    else:
        residual = sigma - cross @ np.linalg.solve(reference, cross.T)
    return float(np.sqrt(shift @ np.linalg.solve(residual, shift)))


def error(Sigma: ArrayLike, C: ArrayLike, Sr: ArrayLike, delta: ArrayLike, rule: str, pi: ArrayLike = 0.5) -> Floats:
    r"""Bayes error of a rule at prevalence pi: :math:`\Phi(-\Delta/2)` at equal priors, else that of T1.4."""
    return error_of(separation(Sigma, C, Sr, delta, rule), pi)


def auc(Sigma: ArrayLike, C: ArrayLike, Sr: ArrayLike, delta: ArrayLike, rule: str) -> Floats:
    r"""AUROC of a rule: :math:`\Phi(\Delta/\sqrt2)`."""
    return auc_of(separation(Sigma, C, Sr, delta, rule))


def symbolic_separation(Sigma: ArrayLike, C: ArrayLike, Sr: ArrayLike, delta: ArrayLike, rule: str) -> sp.Expr:
    """Detectability in exact rational arithmetic, without the Schur complement: the joint rule solves the whole system of query and
    reference."""
    import sympy as sp

    def _block(values: ArrayLike) -> sp.Matrix:
        return sp.Matrix(np.asarray(values, dtype=float).tolist()).applyfunc(sp.Rational)

    cross, shift = _block(C), _block(delta)
    p = cross.rows
    stacked = sp.Matrix(sp.BlockMatrix([[_block(Sigma), cross], [cross.T, _block(Sr)]]))
    one = sp.eye(p)
    observation = {"single": one.row_join(sp.zeros(p)), "difference": one.row_join(-one), "joint": sp.eye(2 * p)}[rule]
    observed_shift = observation * shift.col_join(sp.zeros(p, 1))
    return sp.sqrt((observed_shift.T * (observation * stacked * observation.T).LUsolve(observed_shift))[0])


def symbolic_error(pi: float = 0.5, **params: object) -> float:
    """Value of the derived error."""
    from theory.numerics import symbolic

    return symbolic.error(symbolic_separation(**params), pi)  # type: ignore[arg-type]


def symbolic_auc(**params: object) -> float:
    """Value of the derived AUROC."""
    from theory.numerics import symbolic

    return symbolic.evaluate(symbolic.auc(symbolic_separation(**params)))  # type: ignore[arg-type]


# Raw simulation: whole images, query and reference, one patient at a time.


def images_model(params: Params) -> tuple[Floats, Floats]:
    """Covariance (2 p, 2 p) of query and reference together, and shift (2 p,) of a diseased patient's."""
    shift = np.concatenate([params["delta"], np.zeros(len(params["delta"]))])
    return joint_covariance(params["Sigma"], params["C"], params["Sr"]), shift


def observation(rule: str, p: int) -> Floats:
    """The pixels that a rule sees: the query's, the differences, or all."""
    one = np.eye(p)
    return {"single": np.hstack([one, 0 * one]), "difference": np.hstack([one, -one]), "joint": np.eye(2 * p)}[rule]


def scores(params: Params, diseased: np.ndarray, rng: np.random.Generator) -> Floats:
    """Log-likelihood ratios of patients, from what the rule sees of their images."""
    model, shift = images_model(params)
    return linear_rule.draw_scores(model, shift, observation(params["rule"], len(params["delta"])), diseased, rng)


def simulate_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Diagnose patients from their images by Bayes' rule; shape (replicates,), whether the diagnosis was wrong."""
    return linear_rule.simulate_error(scores, params, replicates, rng)


def simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Rank a diseased against a healthy patient from their images; shape (replicates,), whether the diseased one scored higher."""
    return linear_rule.simulate_ranking(scores, params, replicates, rng)


# Fast sampling: the score is one normal per patient, whatever the number of pixels is.


def _fast_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    distance = separation(*(params[name] for name in ("Sigma", "C", "Sr", "delta", "rule")))
    return score_error(distance, replicates, rng, params["pi"])


def _fast_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return score_auc(separation(**params), replicates, rng)


PARAMETERS = (
    matrix("Sigma", "covariance of the query within a class"),
    matrix("C", "covariance of query (rows) and reference (columns)"),
    matrix("Sr", "covariance of the reference"),
    vector("delta", "mean of a diseased minus a healthy query"),
    choice("rule", "what the rule sees", RULES),
)


def _chain(p: int, correlation: float) -> Floats:
    """Covariance of a smooth field on a line: the correlation falls geometrically with distance."""
    return correlation ** np.abs(np.subtract.outer(np.arange(p), np.arange(p)))


_FIRST = {"Sigma": [[1.0, 0.3], [0.3, 1.5]], "C": [[0.5, 0.1], [0.2, 0.6]], "Sr": [[1.0, 0.3], [0.3, 1.5]], "delta": [1.0, 0.6]}
_FIELD = _chain(4, 0.6)
_MODELS = (
    _FIRST,
    {
        "Sigma": _FIELD.tolist(),
        "C": (0.8 * _FIELD).tolist(),
        "Sr": _FIELD.tolist(),
        "delta": [0.2, 0.8, 0.8, 0.2],
    },  # proportional: T1 holds
    {"Sigma": _FIELD.tolist(), "C": (0.8 * np.ones((4, 4)) * 0.2).tolist(), "Sr": _FIELD.tolist(), "delta": [1.0, -1.0, 1.0, -1.0]},
    {
        "Sigma": [[1.0, 0.0], [0.0, 1.0]],
        "C": [[0.0, 0.0], [0.0, 0.9]],
        "Sr": [[1.0, 0.0], [0.0, 1.0]],
        "delta": [1.0, 0.0],
    },  # C is not 0, gain is
    {"Sigma": [[1.0, 0.0], [0.0, 2.0]], "C": [[-0.6, 0.0], [0.3, 0.1]], "Sr": [[0.8, 0.1], [0.1, 1.2]], "delta": [0.5, 1.0]},
    {"Sigma": [[1.0]], "C": [[0.999]], "Sr": [[1.0]], "delta": [0.1]},
)
_POINTS = tuple({**model, "rule": rule} for model in _MODELS for rule in RULES)


def _draws(params: Params) -> int:
    return 8 * len(params["delta"])


STATEMENT = Statement(
    "T1b",
    "Multivariate gain",
    "Images: the reference adds what it shares with the query's discriminant direction (Schur complement).",
    (
        Quantity(
            "error",
            "Bayes error of a rule",
            (*PARAMETERS, number("pi", "prevalence, strictly between 0 and 1", 0.5)),
            error,
            symbolic_error,
            simulate_error,
            (*_POINTS, *({**_FIRST, "rule": "joint", "pi": pi} for pi in (1e-3, 0.1, 0.9))),
            draws=_draws,
            fast=_fast_error,
        ),
        Quantity(
            "auc",
            "area under the ROC curve of a rule",
            PARAMETERS,
            auc,
            symbolic_auc,
            simulate_auc,
            _POINTS[:6],
            draws=_draws,
            fast=_fast_auc,
        ),
    ),
)
