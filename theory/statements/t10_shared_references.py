r"""T10.3a where queries share references: the correlation of query and reference scores is then less certain than its interval says.

Of n pairs, each of R references serves :math:`k=n/R` queries, and two queries of one reference are correlated by :math:`\rho_{qq}`:
:math:`\rho^2` where the reference is all that ties them, :math:`\rho` where all share one nuisance (a site). To first order

.. math:: \mathrm{Var}(\hat\rho)=\frac{(1-\rho^2)^2}{\nu}f,\qquad f=1+(k-1)\frac{\rho_{qq}-\frac{\rho^2}2-2\rho^2\rho_{qq}
   +\frac{\rho^2\rho_{qq}^2}2+\rho^4}{(1-\rho^2)^2},

which is :math:`f=1+(k-1)\rho^2/2` at :math:`\rho_{qq}=\rho^2`. Derived here: the variance of a mean of influences that are correlated
within a reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from theory.numerics.montecarlo import DeviationTally, covariance_root
from theory.numerics.validation import Floats, correlation, finite, require, whole
from theory.statements.base import Params, Quantity
from theory.statements.parameters import grid, number

STATEMENT_ID = "T10"
LEVEL, _FEW = 0.95, 20  # references: with fewer, the first order is not accurate


def sharing_factor(n: ArrayLike, rho: ArrayLike, R: ArrayLike, rho_qq: ArrayLike | None = None) -> Floats:
    r"""Factor f by which shared references inflate the variance of the estimated correlation (module's formula).

    Examples
    --------
    >>> float(sharing_factor(200, 0.4, 20)), float(sharing_factor(200, 0.4, 20, 0.4))
    (1.72, 3.93878)
    """
    n, rho, R = whole(n, "n", 6), correlation(rho), whole(R, "R", 2)
    require(np.mod(n, R) == 0, "n, R: every reference serves as many queries, so n is a multiple of R")
    squared = np.square(rho)
    queries = squared if rho_qq is None else finite(rho_qq, "rho_qq")
    require((queries >= squared) & (queries < 1), "rho_qq: queries of one reference are correlated by rho^2 at least, and by less than 1")
    shared = queries - squared / 2 - 2 * squared * queries + squared * np.square(queries) / 2 + np.square(squared)
    return 1 + (n / R - 1) * shared / np.square(1 - squared)


def shared_rho_sd(n: ArrayLike, rho: ArrayLike, R: ArrayLike, rho_qq: ArrayLike | None = None) -> Floats:
    r"""First-order standard deviation of the estimated correlation of n pairs that share R references: :math:`(1-\rho^2)\sqrt{f/(n-2)}`.

    Examples
    --------
    >>> round(float(shared_rho_sd(200, 0.4, 20)), 5)
    0.07829
    """
    return (1 - np.square(rho)) * np.sqrt(sharing_factor(n, rho, R, rho_qq) / (np.asarray(n) - 2))


def shared_rho_cover(n: ArrayLike, rho: ArrayLike, R: ArrayLike, rho_qq: ArrayLike | None = None) -> Floats:
    r"""Coverage of the interval of T10.3a, nominally .95, where n pairs share R references: :math:`2\Phi(z/\sqrt f)-1`.

    Examples
    --------
    >>> round(float(shared_rho_cover(200, 0.4, 20)), 3), round(float(shared_rho_cover(200, 0.4, 20, 0.4)), 3)
    (0.865, 0.677)
    """
    return 2 * ndtr(ndtri((1 + LEVEL) / 2) / np.sqrt(sharing_factor(n, rho, R, rho_qq))) - 1


# Symbolic: the variance of the sum of influences from the joint covariance of two pairs, by Isserlis' theorem.


def _symbolic_factor(n: int, rho: float, R: int, rho_qq: float | None = None):  # type: ignore[no-untyped-def]
    import sympy as sp

    from theory.numerics import symbolic

    r = symbolic.exact(rho)
    q = r**2 if rho_qq is None else symbolic.exact(rho_qq)
    x, y, estimate = sp.symbols("s11 s22 s12", positive=True)
    gradient = [sp.diff(estimate / sp.sqrt(x * y), name).subs({x: 1, y: 1, estimate: r}) for name in (x, y, estimate)]

    def _influences(query: sp.Matrix) -> sp.Expr:
        """Covariance of the influences of two pairs whose scores have this covariance, queries and references in turn."""
        moments = ((0, 0), (1, 1), (0, 1))
        total = sp.Integer(0)
        for slope, (a, b) in zip(gradient, moments, strict=True):
            for other, (c, d) in zip(gradient, moments, strict=True):
                total += slope * other * (query[a, c + 2] * query[b, d + 2] + query[a, d + 2] * query[b, c + 2])
        return total

    own, two = sp.Matrix([[1, r], [r, 1]]), sp.Matrix([[q, r], [r, 1]])
    same, apart = (sp.Matrix(sp.BlockMatrix([[own, across], [across, own]])) for across in (own, two))
    return 1 + (sp.Integer(int(n)) / int(R) - 1) * _influences(apart) / _influences(same), _influences(same)


def _symbolic_sd(n: int, rho: float, R: int, rho_qq: float | None = None) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    factor, variance = _symbolic_factor(n, rho, R, rho_qq)
    return symbolic.evaluate(sp.sqrt(variance * factor / (int(n) - 2)))


def _symbolic_cover(n: int, rho: float, R: int, rho_qq: float | None = None) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    z = symbolic.exact(float(ndtri((1 + LEVEL) / 2)))
    return symbolic.evaluate(1 - 2 * symbolic.normal_cdf(-z / sp.sqrt(_symbolic_factor(n, rho, R, rho_qq)[0])))


# Raw simulation: references, the queries of each, and the correlation within class.


def _estimated(params: Params, replicates: int, rng: np.random.Generator) -> Floats:
    n, R, rho = int(params["n"]), int(params["R"]), params["rho"]
    queries, between = n // R, params.get("rho_qq")
    model = np.full((queries + 1, queries + 1), rho**2 if between is None else between)
    np.fill_diagonal(model, 1.0)
    model[0, 1:] = model[1:, 0] = rho
    scores = rng.standard_normal((replicates, R, queries + 1)) @ covariance_root(model).T
    reference = np.broadcast_to(scores[..., :1], (replicates, R, queries)).reshape(replicates, n).copy()
    query = scores[..., 1:].reshape(replicates, n)
    diseased = np.arange(n) % queries < queries // 2 if queries > 1 else np.arange(n) % 2 == 0  # a reference serves both classes
    for label in (False, True):
        for values in (query, reference):
            values[:, diseased == label] -= values[:, diseased == label].mean(axis=1, keepdims=True)
    return (query * reference).sum(axis=1) / np.sqrt(np.square(query).sum(axis=1) * np.square(reference).sum(axis=1))


def _simulate_cover(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    gap = np.abs(np.arctanh(_estimated(params, replicates, rng)) - np.arctanh(params["rho"]))
    return gap <= ndtri((1 + LEVEL) / 2) / np.sqrt(int(params["n"]) - 4)


def _caveat(params: Params) -> str:
    return "" if params["R"] >= _FEW else f"first order: within .02 (coverage) and 6 % (standard deviation) from {_FEW} references on"


_PAIRS = (
    number("n", "pairs, half of each class"),
    number("rho", "correlation of query and reference within a class"),
    number("R", "references that they share, n / R queries each"),
    number("rho_qq", "correlation of two queries of one reference; rho squared when not given", None),
)
_POINTS = (
    *grid(n=[200], rho=[0.0, 0.4], R=[20, 200]),
    *grid(n=[200], rho=[0.2, 0.5], R=[50], rho_qq=[0.5]),
    *grid(n=[400], rho=[-0.6], R=[100]),
)

QUANTITIES = (
    Quantity(
        "shared_rho_sd",
        "standard deviation of the estimated correlation of n pairs that share R references, first order",
        _PAIRS,
        shared_rho_sd,
        _symbolic_sd,
        _estimated,
        _POINTS,
        tally=DeviationTally,
        draws=lambda params: 4 * int(params["n"]),
        relative_allowance=0.06,
        caveat=_caveat,
        mcse=5e-4,
    ),
    Quantity(
        "shared_rho_cover",
        "coverage of the interval of the correlation, nominally .95, where n pairs share R references; first order",
        _PAIRS,
        shared_rho_cover,
        _symbolic_cover,
        _simulate_cover,
        _POINTS,
        draws=lambda params: 4 * int(params["n"]),
        allowance=lambda params: 0.02,
        caveat=_caveat,
        mcse=2e-3,
    ),
)
