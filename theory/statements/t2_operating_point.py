r"""T2 at an operating point: the variance of the score with m references, and the sensitivity at a given specificity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from theory.numerics.gaussian import sensitivity_of
from theory.numerics.montecarlo import MeanTally, covariance_root
from theory.numerics.validation import Floats
from theory.statements import t2_several_references as t2
from theory.statements.base import Params, Quantity
from theory.statements.parameters import grid, number

STATEMENT_ID = "T2"


def sensitivity(d: ArrayLike, rho: ArrayLike, rho_rr: ArrayLike, m: ArrayLike, rule: str, specificity: ArrayLike = 0.9) -> Floats:
    r"""Sensitivity of a rule at specificity s: :math:`\Phi(D-\Phi^{-1}(s))`.

    Examples
    --------
    >>> float(sensitivity(1.0, 0.4, 0.4, 4, "optimal"))
    0.46255
    """
    return sensitivity_of(t2.separation(d, rho, rho_rr, m, rule), specificity)


def _symbolic_sensitivity(d: float, rho: float, rho_rr: float, m: int, rule: str, specificity: float = 0.9) -> float:
    from theory.numerics import symbolic

    return symbolic.sensitivity(t2.symbolic_separation(d, rho, rho_rr, m, rule), specificity)


def _symbolic_variance(rho: float, rho_rr: float, m: int, rule: str) -> float:
    from theory.numerics import symbolic

    return symbolic.evaluate(1 / t2.symbolic_separation(1.0, rho, rho_rr, m, rule) ** 2)


# Raw simulation: every reference drawn; the optimal rule solves the system of all of them, one weight each.


def _draw(params: Params, size: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Scores of healthy queries, whose own weight is 1, and their standard deviation."""
    m = int(params["m"])
    model = t2.images_covariance(params["rho"], params["rho_rr"], m)
    weights = t2.solved_weights(model, params["rule"])
    return rng.standard_normal((size, m + 1)) @ (covariance_root(model).T @ weights), np.sqrt(weights @ model @ weights)


def _simulate_sensitivity(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    scores, spread = _draw(params, replicates, rng)
    return scores + params["d"] > ndtri(params["specificity"]) * spread


def _simulate_variance(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return np.square(_draw(params, replicates, rng)[0])


def _fast_sensitivity(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    distance = float(t2.separation(*(params[name] for name in ("d", "rho", "rho_rr", "m", "rule"))))
    return rng.standard_normal(replicates) + distance > ndtri(params["specificity"])


def _draws(params: Params) -> int:
    return 2 * (int(params["m"]) + 1)


_SETTINGS = ((0.4, 0.4, 1), (0.4, 0.4, 4), (0.4, 0.2, 8), (-0.3, 0.2, 5), (0.3, -0.2, 4), (0.0, 0.0, 3), (0.95, 0.99, 40))

QUANTITIES = (
    Quantity(
        "sensitivity",
        "sensitivity of a rule at a given specificity",
        (*t2.PARAMETERS, number("specificity", "share of healthy patients called healthy", 0.9)),
        sensitivity,
        _symbolic_sensitivity,
        _simulate_sensitivity,
        (
            *({"d": 1.0, "rho": rho, "rho_rr": rho_rr, "m": m, "rule": rule} for rho, rho_rr, m in _SETTINGS for rule in t2.RULES),
            *grid(d=[1.0], rho=[0.6], rho_rr=[0.5], m=[3], rule=["optimal"], specificity=[0.01, 0.5, 0.999]),
        ),
        fast=_fast_sensitivity,
        draws=_draws,
    ),
    Quantity(
        "variance",
        "variance of the score within a class, in units of the query's",
        t2.PARAMETERS[1:],
        t2.variance,
        _symbolic_variance,
        _simulate_variance,
        tuple({"rho": rho, "rho_rr": rho_rr, "m": m, "rule": rule} for rho, rho_rr, m in _SETTINGS for rule in t2.RULES),
        tally=MeanTally,
        draws=_draws,
        mcse=2e-3,
    ),
)
