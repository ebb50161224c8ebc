r"""T11 (iv): pairing as augmentation. The number of independent pairs that equal n queries with R references each.

The pairs of one query have correlation :math:`\rho_p=\frac{1-2\rho+\rho_{rr}}{2(1-\rho)}`, one half if all images correlate equally. So
drawing new references at most doubles the sample; without correlation it only removes the noise that the reference adds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from theory.numerics.montecarlo import RatioTally, covariance_root
from theory.numerics.validation import Floats, correlation, finite, whole
from theory.statements.base import Params, Quantity
from theory.statements.parameters import grid, number
from theory.statements.t2_several_references import images_covariance, mean_variance

STATEMENT_ID = "T11"


def pair_aug_factor(rho: ArrayLike, rho_rr: ArrayLike, R: ArrayLike) -> Floats:
    r"""Variance of the mean of R pairs of one query, relative to one pair: :math:`\frac{1+(R-1)\rho_p}R`,
    :math:`\rho_p=\frac{1-2\rho+\rho_{rr}}{2(1-\rho)}`.

    Examples
    --------
    >>> float(pair_aug_factor(0.0, 0.0, 4))
    0.625
    """
    mean_variance(R, rho_rr, rho)
    rho, R = correlation(rho), whole(R, "R", 1)
    between = (1 - 2 * rho + finite(rho_rr, "rho_rr")) / (2 * (1 - rho))
    return (1 + (R - 1) * between) / R


def effective_pairs(n: ArrayLike, R: ArrayLike, rho: ArrayLike, rho_rr: ArrayLike) -> Floats:
    r"""Independent pairs that n queries with R references each are worth: :math:`\frac{nR}{1+(R-1)\rho_p}`, below :math:`n/\rho_p` however
    many are drawn.

    Examples
    --------
    >>> float(effective_pairs(100, 4, 0.0, 0.0))
    160.0
    """
    return whole(n, "n", 1) / pair_aug_factor(rho, rho_rr, R)


# Symbolic


def _symbolic_pair_aug_factor(rho: float, rho_rr: float, R: int) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    r, s = sp.symbols("r s", real=True)
    joint = sp.Matrix(R + 1, R + 1, lambda i, j: 1 if i == j else (r if 0 in (i, j) else s))
    pairs = sp.ones(R, 1).row_join(-sp.eye(R)) * joint * sp.ones(1, R).col_join(-sp.eye(R))
    ratio = sum(pairs) / R**2 / pairs[0, 0]
    return symbolic.evaluate(ratio, {r: rho, s: rho_rr})


def _symbolic_effective_pairs(n: int, R: int, rho: float, rho_rr: float) -> float:
    return n / _symbolic_pair_aug_factor(rho, rho_rr, R)


# Raw simulation


def _simulate_pair_aug(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    R = int(params["R"])
    model = images_covariance(params["rho"], params["rho_rr"], R)
    images = rng.standard_normal((replicates, R + 1)) @ covariance_root(model).T
    pairs = images[:, :1] - images[:, 1:]
    return np.square(np.column_stack([pairs.mean(axis=1), pairs[:, 0]]))


def _simulate_effective_pairs(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Variance of one pair over that of the mean of all pairs of a query, times the queries."""
    of_mean, of_one = _simulate_pair_aug(params, replicates, rng).T
    return np.column_stack([params["n"] * of_one, of_mean])


_RHO, _RHO_RR = number("rho", "correlation of query and reference"), number("rho_rr", "correlation of the references")

QUANTITIES = (
    Quantity(
        "pair_aug_factor",
        "variance of the mean of R pairs of one query, relative to one",
        (_RHO, _RHO_RR, number("R", "references per query")),
        pair_aug_factor,
        _symbolic_pair_aug_factor,
        _simulate_pair_aug,
        (*grid(rho=[0.0], rho_rr=[0.0], R=[1, 4]), *grid(rho=[0.5], rho_rr=[0.5], R=[2, 10]), *grid(rho=[-0.3], rho_rr=[0.9], R=[3])),
        tally=RatioTally,
        draws=lambda params: 2 * (int(params["R"]) + 1),
    ),
    Quantity(
        "effective_pairs",
        "independent pairs that n queries with R references each are worth",
        (number("n", "queries"), number("R", "references per query"), _RHO, _RHO_RR),
        effective_pairs,
        _symbolic_effective_pairs,
        _simulate_effective_pairs,
        (*grid(n=[100], R=[1, 4], rho=[0.0], rho_rr=[0.0]), *grid(n=[100], R=[10], rho=[0.5], rho_rr=[0.5])),
        tally=RatioTally,
        draws=lambda params: 2 * (int(params["R"]) + 1),
        mcse=0.3,
    ),
)
