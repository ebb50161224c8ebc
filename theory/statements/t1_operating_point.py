r"""T1 at an operating point: the variance of the score, and the sensitivity at a given specificity.

The power analysis rests on both: :math:`\Phi(D_w-\Phi^{-1}(s))` at specificity s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from theory.numerics.gaussian import sensitivity_of
from theory.numerics.montecarlo import MeanTally
from theory.numerics.validation import Floats
from theory.statements import t1_univariate_rules as t1
from theory.statements.base import Params, Quantity
from theory.statements.parameters import grid, number

STATEMENT_ID = "T1"


def sensitivity(d: ArrayLike, rho: ArrayLike, rule: t1.Rule, specificity: ArrayLike = 0.9) -> Floats:
    r"""Sensitivity of a rule at specificity s: :math:`\Phi(D_w-\Phi^{-1}(s))`, the binormal ROC curve with equal variances.

    Examples
    --------
    >>> round(float(sensitivity(1.0, 0.7, "optimal")), 5)
    0.54725
    """
    return sensitivity_of(t1.separation(d, rho, rule), specificity)


def _symbolic_sensitivity(d: float, rho: float, rule: str | float, specificity: float = 0.9) -> float:
    from theory.numerics import symbolic

    return symbolic.sensitivity(t1.symbolic_separation(d, rho, rule), specificity)


def _symbolic_variance(rho: float, rule: str | float) -> float:
    from theory.numerics import symbolic

    return symbolic.evaluate(1 / t1.symbolic_separation(1.0, rho, rule) ** 2)


def _weights(params: Params) -> Floats:
    """Weights on query and reference; for the optimal rule they solve the pair's own linear system."""
    rule, rho = params["rule"], params["rho"]
    if rule == "optimal":
        solved = np.linalg.solve(np.array([[1.0, rho], [rho, 1.0]]), np.array([1.0, 0.0]))
        return solved / solved[0]
    return np.array([1.0, {"single": 0.0, "difference": -1.0}[rule] if isinstance(rule, str) else -rule])


def _simulate_sensitivity(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    weights, rho = _weights(params), params["rho"]
    threshold = ndtri(params["specificity"]) * np.sqrt(weights @ np.array([[1.0, rho], [rho, 1.0]]) @ weights)
    pairs = t1.draw_pairs(replicates, rho, rng)
    pairs[:, 0] += params["d"]
    return pairs @ weights > threshold


def _simulate_variance(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return np.square(t1.draw_pairs(replicates, params["rho"], rng) @ _weights(params))


QUANTITIES = (
    Quantity(
        "sensitivity",
        "sensitivity of a rule at a given specificity",
        (*t1.PARAMETERS, number("specificity", "share of healthy patients called healthy", 0.9)),
        sensitivity,
        _symbolic_sensitivity,
        _simulate_sensitivity,
        (
            *grid(d=[1.0], rho=[-0.95, -0.4, 0.0, 1e-6, 0.5, 0.9, 0.999], rule=["difference", "optimal"]),
            *grid(d=[1.0], rho=[0.7], rule=["single"], specificity=[0.01, 0.5, 0.999]),
        ),
    ),
    Quantity(
        "variance",
        "variance of the score within a class, in units of the query's",
        t1.PARAMETERS[1:],
        t1.variance,
        _symbolic_variance,
        _simulate_variance,
        grid(rho=[-0.95, -0.4, 0.0, 1e-6, 0.5, 0.9, 0.999], rule=["difference", "optimal", 0.3]),
        tally=MeanTally,
        mcse=2e-3,
    ),
)
