r"""T12.1: the cost of a wrong weight, and the weight to choose when the correlation is known only up to an interval.

:math:`v(w)-v(\rho)=(w-\rho)^2` exactly. For :math:`\rho\in[l,u]` the minimax weight of the variance regret is the middle, of the variance
:math:`\max(l,0)` (u where :math:`u<0`), and of the efficiency ratio that of `theory.statements.t12_formulas.minimax_ratio_weight`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from theory.numerics.montecarlo import MeanTally
from theory.numerics.validation import Floats, correlation, finite, one_of, require
from theory.numerics.vectorize import elementwise
from theory.statements import t1_univariate_rules as t1
from theory.statements import t12_formulas as closed
from theory.statements.base import Params, Quantity
from theory.statements.parameters import choice, grid, number

if TYPE_CHECKING:
    import sympy as sp

STATEMENT_ID = "T12"
CRITERIA = ("regret", "variance", "ratio")
_PAIRS = 20_000  # per end of the interval, of a study that looks for the weight


def variance_regret(rho: ArrayLike, w: ArrayLike) -> Floats:
    r"""Variance that a wrong weight costs: :math:`v(w)-v(\rho)=(w-\rho)^2`, exactly."""
    return np.square(finite(w, "w") - correlation(rho))


@elementwise
def minimax_weight(l: float, u: float, criterion: str) -> float:  # noqa: E741
    """Weight with the smallest worst case when the correlation is known only up to an interval (T12.1).

    Examples
    --------
    >>> round(minimax_weight(0.2, 0.6, "ratio"), 5), minimax_weight(-0.2, 0.6, "variance")
    (0.4202, 0.0)
    """
    low, high = float(correlation(l, "l")), float(correlation(u, "u"))
    require(low <= high, "l, u: the lower end must not exceed the upper one")
    one_of(criterion, "criterion", CRITERIA)
    if criterion == "ratio":
        return float(closed.minimax_ratio_weight(low, high))
    if criterion == "regret":
        return (low + high) / 2
    return max(low, 0.0) if high >= 0 else high


@elementwise
def minimax_risk(l: float, u: float, criterion: str) -> float:  # noqa: E741
    """Worst case at the minimax weight: :math:`(u-l)^2/4` for the regret; the variance at the worse end; the ratio at either end.

    Examples
    --------
    >>> round(minimax_risk(0.2, 0.6, "ratio"), 5), round(minimax_risk(0.2, 0.6, "regret"), 5)
    (1.05051, 0.04)
    """
    w = minimax_weight(l, u, criterion)
    if criterion == "regret":
        return (float(u) - float(l)) ** 2 / 4
    if criterion == "ratio":
        return float(closed.minimax_ratio_variance(l, u, l))
    return max(float(t1.variance(end, w)) for end in (l, u))


# Symbolic


def _symbolic_regret(rho: float, w: float) -> float:
    from theory.numerics import symbolic

    v, r, weight = t1.symbolic_variance()
    lost = v.subs(weight, symbolic.exact(w)) - v.subs(weight, t1.symbolic_optimal_weight())
    return symbolic.evaluate(lost, {r: rho})


def _symbolic_weight(l: float, u: float, criterion: str) -> float:  # noqa: E741
    """Weight at which the larger of the losses at the two ends is least."""
    ends, roots = _losses(l, u, criterion)
    return float(min(roots, key=lambda at: max(float(end.subs(_weight_symbol(), at)) for end in ends)))


def _symbolic_risk(l: float, u: float, criterion: str) -> float:  # noqa: E741
    """Loss at the weight where the larger of the two ends is least."""
    ends, roots = _losses(l, u, criterion)
    return min(max(float(end.subs(_weight_symbol(), at)) for end in ends) for at in roots)


def _weight_symbol() -> sp.Symbol:
    return t1.symbolic_variance()[2]


def _losses(l: float, u: float, criterion: str) -> tuple[list[sp.Expr], list[sp.Expr]]:  # noqa: E741
    """Losses at both ends of the interval, and the candidate weights: where the ends are equal, or one of them alone is least."""
    import sympy as sp

    from theory.numerics import symbolic

    v, r, w = t1.symbolic_variance()
    best = v.subs(w, t1.symbolic_optimal_weight())
    loss = {"regret": v - best, "variance": v, "ratio": v / best}[criterion]
    ends = [sp.expand(loss.subs(r, symbolic.exact(end))) for end in (l, u)]
    equations = [sp.diff(end, w) for end in ends] + [sp.expand(ends[0] - ends[1])] * (l != u)
    return ends, [root for equation in equations for root in sp.Poly(equation, w).nroots(n=40) if root.is_real]


# Raw simulation


def _simulate_regret(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    query, reference = t1.draw_pairs(replicates, params["rho"], rng).T
    return np.square(query - params["w"] * reference) - np.square(query - params["rho"] * reference)


def _grid_search(params: Params) -> tuple[float, float]:
    """Worst correlation and best weight, on a grid of both."""
    rhos = np.linspace(params["l"], params["u"], 201)
    weights = np.linspace(-1, 1, 4001)[:, None]
    best = 1 - rhos**2
    variance = 1 - 2 * weights * rhos + weights**2
    loss = {"regret": variance - best, "variance": variance, "ratio": variance / best}[params["criterion"]]
    row = int(loss.max(axis=1).argmin())
    return float(rhos[loss[row].argmax()]), float(weights[row, 0])


def _simulate_weight(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Measure the loss at both ends of the interval on a grid of weights, for each data set, and find the weight whose worse end is
    best."""
    coarse, found = np.linspace(-1, 1, 201), []
    for _ in range(replicates):
        losses = []
        for rho in (params["l"], params["u"]):
            query, reference = t1.draw_pairs(_PAIRS, rho, rng).T
            qq, qr, rr = (float(np.mean(x)) for x in (query * query, query * reference, reference * reference))
            least = qq - qr**2 / rr
            variance = qq - 2 * coarse * qr + coarse**2 * rr
            losses.append({"regret": variance - least, "variance": variance, "ratio": variance / least}[params["criterion"]])
        found.append(_lowest(coarse, *losses))
    return np.array(found)


def _lowest(weights: Floats, one: Floats, other: Floats) -> float:
    """Minimiser of the larger of two parabolas known on a grid: a vertex, or where they cross."""
    curves = [np.polynomial.Polynomial.fit(weights, loss, 2).convert() for loss in (one, other)]
    gap = curves[0] - curves[1]
    places = [float(curve.deriv().roots()[0]) for curve in curves] + [float(root.real) for root in gap.roots() if abs(root.imag) < 1e-9]
    return min(places, key=lambda w: max(float(curve(w)) for curve in curves))


def _simulate_risk(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Search the weight on a grid, then measure squared residuals at the worst correlation."""
    worst, w = _grid_search(params)
    query, reference = t1.draw_pairs(replicates, worst, rng).T
    paired = np.square(query - w * reference)
    if params["criterion"] == "regret":
        return paired - np.square(query - worst * reference)
    return paired / (1 - worst**2) if params["criterion"] == "ratio" else paired


_INTERVAL = (
    number("l", "lower end of the interval of the correlation"),
    number("u", "upper end"),
    choice("criterion", "what is worst: variance regret, variance, or efficiency ratio", CRITERIA),
)

QUANTITIES = (
    Quantity(
        "variance_regret",
        "variance that a wrong weight costs",
        (number("rho", "correlation of query and reference"), number("w", "weight on the reference")),
        variance_regret,
        _symbolic_regret,
        _simulate_regret,
        grid(rho=[-0.5, 0.0, 0.6], w=[0.0, 0.6, 1.0]),
        tally=MeanTally,
        mcse=2e-3,
    ),
    Quantity(
        "minimax_weight",
        "weight with the least worst case when the correlation is only known to an interval",
        _INTERVAL,
        minimax_weight,
        _symbolic_weight,
        _simulate_weight,
        (
            *grid(l=[0.2], u=[0.6], criterion=CRITERIA),
            *grid(l=[-0.5], u=[0.8], criterion=CRITERIA),
            *grid(l=[-0.6], u=[-0.1], criterion=CRITERIA),
            *grid(l=[0.5], u=[0.999], criterion=["ratio"]),
        ),
        tally=MeanTally,
        draws=lambda params: 6 * _PAIRS,
        block=2 * _PAIRS,
        allowance=lambda params: 1e-3,  # a study of 20,000 pairs is biased to first order in 1 / n
        mcse=1e-3,
    ),
    Quantity(
        "minimax_risk",
        "worst case at the minimax weight",
        _INTERVAL,
        minimax_risk,
        _symbolic_risk,
        _simulate_risk,
        (
            *grid(l=[0.2], u=[0.6], criterion=CRITERIA),
            *grid(l=[-0.5], u=[0.8], criterion=CRITERIA),
            *grid(l=[-0.6], u=[-0.1], criterion=CRITERIA),
        ),
        tally=MeanTally,
        allowance=lambda params: 1e-3,  # the grid on which the simulation searches the weight has steps of 5e-4
        mcse=2e-3,
    ),
)
