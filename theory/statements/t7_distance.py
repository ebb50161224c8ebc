r"""T7a: the distance to the nearest of M references, for a given query and averaged over queries; and the remaining nuisance.

For density f at the query and :math:`V_k` the volume of the unit ball, :math:`ER^j\to\Gamma(1+\frac jk)(Mf(u)V_k)^{-j/k}` (Abadie and
Imbens 2006). A feature that is linear in the nuisance with gradient g keeps the variance :math:`|g|^2ER^2/k`: it falls as
:math:`M^{-2/k}`, the curse of dimension. Averaged over standard normal queries :math:`Ef^{-2/k}=2\pi(1-2/k)^{-k/2}`, which is finite only
for k above 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gamma

from theory.numerics.montecarlo import MeanTally
from theory.numerics.validation import Floats, non_negative, positive, whole
from theory.statements import t7_matching as t7
from theory.statements.base import QUADRATURE, Params, Quantity
from theory.statements.parameters import number

STATEMENT_ID = "T7"
_NEAR = 0.1  # largest relative error with which the limit is given
_AVERAGED = {3: 0.25}  # by how much of it the average over queries is below its limit from 1,000 references on; .16 for k from 4 to 8
_FEWEST, _MOST_DIMENSIONS = 1000, 8


def ball_volume(k: ArrayLike) -> Floats:
    r"""Volume of the unit ball in k dimensions: :math:`V_k=\pi^{k/2}/\Gamma(\frac k2+1)`."""
    k = whole(k, "k", 1)
    return np.pi ** (k / 2) / gamma(k / 2 + 1)


def distance_moment(k: ArrayLike, M: ArrayLike, j: ArrayLike = 2, u: ArrayLike = 0.0) -> Floats:
    r"""Limit, for many references, of the j-th moment of the distance to the nearest of M standard normal ones:
    :math:`\Gamma(1+\frac jk)(Mf(u)V_k)^{-j/k}`.

    Examples
    --------
    >>> float(distance_moment(3, 1000)), float(distance_moment(8, 1000))
    (0.02183, 0.71352)
    """
    j, u, k, M = positive(j, "j"), non_negative(u, "u"), whole(k, "k", 1), whole(M, "M", 1)
    density = np.exp(-np.square(u) / 2) / (2 * np.pi) ** (k / 2)
    return gamma(1 + j / k) * (M * density * ball_volume(k)) ** (-j / k)


def averaged_sq_distance(k: ArrayLike, M: ArrayLike) -> Floats:
    r"""Limit, for many references, of the mean squared distance to the nearest of M, averaged over standard normal queries:
    :math:`\Gamma(1+\frac2k)(MV_k)^{-2/k}\,2\pi(1-\frac2k)^{-k/2}`.

    Examples
    --------
    >>> float(averaged_sq_distance(4, 10_000))
    0.10027
    """
    k, M = whole(k, "k", 3), whole(M, "M", 1)
    return gamma(1 + 2 / k) * (M * ball_volume(k)) ** (-2 / k) * 2 * np.pi * (1 - 2 / k) ** (-k / 2)


def matched_variance(k: ArrayLike, M: ArrayLike, g: ArrayLike = 1.0) -> Floats:
    """Variance of a linear feature of the nuisance that matching leaves, for a query at the centre: :math:`|g|^2ER^2/k`, exactly, with
    :math:`ER^2` of `theory.statements.t7_matching.mean_sq_min_norm`."""
    return np.square(non_negative(g, "g")) * t7.mean_sq_min_norm(k, M) / whole(k, "k", 1)


def stated_error(params: Params) -> float:
    r"""Stated distance of the limit from the moment: twice the next term of the expansion, :math:`\frac jk\frac{|u^2-k|}{2(k+2)}ER^2`, with
    :math:`u^2+k` instead of the difference."""
    k, j, u = params["k"], params["j"], params["u"]
    limit = float(distance_moment(**params))
    return limit * j / k * (u**2 + k) / (k + 2) * float(distance_moment(k, params["M"], 2, u))


def _caveat(params: Params) -> str:
    relative = stated_error(params) / float(distance_moment(**params))
    return "" if relative <= _NEAR else f"a limit of many references: its next term is {relative / 2:.0%} here"


def _averaged_caveat(params: Params) -> str:
    inside = params["M"] >= _FEWEST and params["k"] <= _MOST_DIMENSIONS
    return "" if inside else f"a limit of many references; its error is stated from M = {_FEWEST} on, for k 3 to {_MOST_DIMENSIONS}"


# Symbolic: references near the query are a Poisson process, so the nearest is further than r with probability exp(-M f V_k r^k).


def _symbolic_moment(k: int, M: int, j: float = 2, u: float = 0.0) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    r, c, power = (sp.Symbol(name, positive=True) for name in ("r", "c", "j"))
    further = sp.exp(-c * r ** int(k))
    moment = sp.simplify(sp.integrate(power * r ** (power - 1) * further, (r, 0, sp.oo), conds="none"))
    radial = sp.integrate(r ** (int(k) - 1) * sp.exp(-(r**2)), (r, 0, sp.oo))
    volume = sp.pi ** sp.Rational(int(k), 2) / (int(k) * radial)  # the Gaussian integral, by shells and by coordinates
    place = sp.exp(symbolic.normal_log_density(symbolic.exact(u), sp.Integer(0), sp.Integer(1)))
    density = place * sp.exp(symbolic.normal_log_density(sp.Integer(0), sp.Integer(0), sp.Integer(1))) ** (int(k) - 1)
    return symbolic.evaluate(moment.subs({c: int(M) * density * volume, power: symbolic.exact(j)}))


def _symbolic_averaged(k: int, M: int) -> float:
    """Average the limit at a query over the distribution of its distance from the centre."""
    import mpmath as mp  # type: ignore[import-untyped]

    half = mp.mpf(k) / 2
    at_centre = mp.mpf(_symbolic_moment(k, M))

    def _weighted(u: mp.mpf) -> mp.mpf:  # the limit at u is that at the centre times exp(u^2 / k)
        return u ** (k - 1) * mp.exp(-u * u / 2 + u * u / k) / (2 ** (half - 1) * mp.gamma(half))

    return float(at_centre * mp.quad(_weighted, [0, 1, 3, 8, 30, 60]))


def _symbolic_matched(k: int, M: int, g: float = 1.0) -> float:
    return t7.symbolic_min_norm(k, M) * g * g / k


# Raw simulation


def _nearest(params: Params, replicates: int, rng: np.random.Generator, query: Floats) -> Floats:
    """Vector from each query to the nearest of its M references."""
    steps = rng.standard_normal((replicates, int(params["M"]), int(params["k"]))) - query[:, None, :]
    nearest = np.einsum("rmk,rmk->rm", steps, steps).argmin(axis=1)
    return steps[np.arange(replicates), nearest]


def _simulate_moment(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    query = np.zeros((replicates, int(params["k"])))
    query[:, 0] = params["u"]
    return np.linalg.norm(_nearest(params, replicates, rng, query), axis=1) ** params["j"]


def _simulate_averaged(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    query = rng.standard_normal((replicates, int(params["k"])))
    return np.square(_nearest(params, replicates, rng, query)).sum(axis=1)


def _simulate_matched(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    query = np.zeros((replicates, int(params["k"])))
    return np.square(params["g"] * _nearest(params, replicates, rng, query)[:, 0])


def _draws(params: Params) -> int:
    return 3 * int(params["k"] * params["M"])


_K, _M = number("k", "dimensions of the nuisance"), number("M", "references")

QUANTITIES = (
    Quantity(
        "distance_moment",
        "moment of the distance to the nearest of M references (limit of many)",
        (_K, _M, number("j", "which moment, above 0", 2), number("u", "distance of the query from the centre", 0.0)),
        distance_moment,
        _symbolic_moment,
        _simulate_moment,
        (
            {"k": 3, "M": 1000},
            {"k": 1, "M": 200, "j": 1},
            {"k": 1, "M": 200, "u": 2.0},
            {"k": 2, "M": 500, "j": 3},
            {"k": 3, "M": 2000, "u": 1.0},
            {"k": 5, "M": 2000, "j": 0.5},
        ),
        tally=MeanTally,
        draws=_draws,
        allowance=stated_error,
        caveat=_caveat,
    ),
    Quantity(
        "averaged_sq_distance",
        "mean squared distance to the nearest of M references, averaged over queries (limit of many)",
        (_K, _M),
        averaged_sq_distance,
        _symbolic_averaged,
        _simulate_averaged,
        ({"k": 3, "M": 1000}, {"k": 4, "M": 1000}, {"k": 8, "M": 1000}),
        tally=MeanTally,
        draws=_draws,
        symbolic_tolerance=QUADRATURE,
        allowance=lambda params: _AVERAGED.get(int(params["k"]), 0.16) * float(averaged_sq_distance(**params)),
        caveat=_averaged_caveat,
        mcse=1e-2,
    ),
    Quantity(
        "matched_variance",
        "variance of a linear feature of the nuisance that matching leaves, query at the centre",
        (_K, _M, number("g", "length of the feature's gradient", 1.0)),
        matched_variance,
        _symbolic_matched,
        _simulate_matched,
        ({"k": 1, "M": 1}, {"k": 3, "M": 300, "g": 2.0}, {"k": 8, "M": 50}),
        tally=MeanTally,
        draws=_draws,
        symbolic_tolerance=QUADRATURE,
        mcse=2e-3,
    ),
)
