r"""T7b as quantities: the correlation that matching brings, the share of the signal that it leaks, and the best tightness (T7d).

What counts for an ideal observer is the correlation minus the leak. For the isotropic embedding the difference rule has a best noise
:math:`x^*=\frac{\sqrt2AE}{A-(1+\sqrt2)E}` iff :math:`A/E>1+\sqrt2`; the ideal observer always has one, the positive root of
:math:`x^2(x+A+E)=\frac{2A^2E^2}{A+E}`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from theory.numerics.montecarlo import MeanTally, RatioTally
from theory.numerics.validation import Floats, one_of, positive, whole
from theory.numerics.vectorize import elementwise
from theory.statements import t7_matching as t7
from theory.statements.base import Params, Quantity
from theory.statements.parameters import choice, grid, number

STATEMENT_ID = "T7"
_PAIRS = 100_000  # per estimate of the best tightness


def matched_correlation(emb: str, A: ArrayLike, E: ArrayLike, N: ArrayLike, w: ArrayLike | None = None, M: ArrayLike = t7.POOL) -> Floats:
    r"""Correlation :math:`\rho_h` of a query with its matched reference, given the label."""
    return t7.inherited(emb, A, E, N, w)[1] + 0 * whole(M, "M", 1)


def leaked_share(emb: str, A: ArrayLike, E: ArrayLike, N: ArrayLike, w: ArrayLike | None = None, M: ArrayLike = t7.POOL) -> Floats:
    r"""Share s of the signal that a matched reference inherits: the reference of a diseased query has mean :math:`s\delta`."""
    return t7.inherited(emb, A, E, N, w)[0] + 0 * whole(M, "M", 1)


@elementwise
def best_tightness(A: float, E: float, rule: str) -> float:
    r"""Noise variance of the isotropic embedding at which a rule does best (T7d); infinite (a random reference) for the difference unless
    :math:`A/E>1+\sqrt2`.

    Examples
    --------
    >>> round(best_tightness(9.0, 1.0, "difference"), 4), round(best_tightness(9.0, 1.0, "optimal"), 4)
    (1.9326, 1.2025)
    """
    one_of(rule, "rule", t7.RULES)
    if rule == "difference":
        return t7.goldilocks(A, E)
    total, target = float(positive(A, "A") + positive(E, "E")), 2 * float(A) ** 2 * float(E) ** 2
    roots = np.roots([1.0, total, 0.0, -target / total])
    return float(roots[np.isreal(roots) & (roots.real > 0)].real[0])


def _symbolic_of(emb: str, A: float, E: float, N: float, w: float | None) -> tuple[float, float]:
    from theory.numerics import symbolic

    shift, joint = t7.symbolic_pair(emb, A, E, N, w)
    return symbolic.evaluate(shift[1]), symbolic.evaluate(joint[0, 1] / joint[0, 0])


def _symbolic_correlation(emb: str, A: float, E: float, N: float, w: float | None = None, M: int = t7.POOL) -> float:
    return _symbolic_of(emb, A, E, N, w)[1]


def _symbolic_leak(emb: str, A: float, E: float, N: float, w: float | None = None, M: int = t7.POOL) -> float:
    return _symbolic_of(emb, A, E, N, w)[0]


def _symbolic_tightness(A: float, E: float, rule: str) -> float:
    """Set the derivative of the squared separation to zero."""
    import sympy as sp

    from theory.numerics import symbolic

    x, nuisance, own = sp.Symbol("x", positive=True), symbolic.exact(A), symbolic.exact(E)
    share = own / (own + x)
    shared = nuisance**2 / (nuisance + x) + own**2 / (own + x)
    joint, shift = sp.Matrix([[nuisance + own, shared], [shared, nuisance + own]]), sp.Matrix([1, share])
    contrast = sp.Matrix([1, -1])
    if rule == "difference":
        squared = (contrast.T * shift)[0] ** 2 / (contrast.T * joint * contrast)[0]
    else:
        squared = (shift.T * joint.inv() * shift)[0]
    slope = sp.Poly(sp.numer(sp.cancel(sp.diff(sp.cancel(squared), x))), x).sqf_part()
    value = sp.lambdify(x, squared)
    roots = [float(root) for root in slope.nroots(n=40, maxsteps=200) if root.is_real and root > sp.Rational(1, 10**9)]
    return max(roots, key=value)


# Raw simulation: references retrieved from a pool. The best tightness is looked for in an infinite one.


def _simulate_correlation(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    query, reference = t7.retrieve(params, replicates, (0.0,), rng)[0].T
    return np.column_stack([query * reference, (query**2 + reference**2) / 2])


def _simulate_leak(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return t7.retrieve(params, replicates, (1.0,), rng)[0][:, 1]


# Fast sampling, an infinite pool: the reference is drawn given the query's noisy embedding.


def _pairs(params: Params, shift: float, noise: Floats, spread: float | None = None) -> Floats:
    """Query and reference from five standard normals: nuisance, disease axis, two of the embedding, and the rest of the reference."""
    parts, loadings = np.array([params["A"], params["E"]]), np.eye(2) if params["emb"] == "iso" else np.array([[1.0, params["w"]]])
    within = loadings @ np.diag(parts) @ loadings.T + (params["N"] if spread is None else spread) * np.eye(len(loadings))
    slope = np.linalg.solve(within, loadings @ parts)
    axes = noise[:, :2] * np.sqrt(parts) + np.array([0.0, shift])
    embedding = axes @ loadings.T + np.sqrt(params["N"] if spread is None else spread) * noise[:, 2 : 2 + len(loadings)]
    residual_sd = np.sqrt(parts.sum() - slope @ loadings @ parts)
    return np.column_stack([axes.sum(axis=1), embedding @ slope + residual_sd * noise[:, 4]])


def _fast_correlation(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    query, reference = _pairs(params, 0.0, rng.standard_normal((replicates, 5))).T
    return np.column_stack([query * reference, (query**2 + reference**2) / 2])


def _fast_leak(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return _pairs(params, 1.0, rng.standard_normal((replicates, 5)))[:, 1]


def _simulate_tightness(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Measure the separation at several noises with the same patients: on a coarse grid, then around its best, where a quartic is
    fitted."""
    coarse, fine, found = np.linspace(np.log(params["E"] / 20), np.log(20 * params["A"]), 13), np.array([-0.8, -0.4, 0.0, 0.4, 0.8]), []
    for _ in range(replicates):
        noise = rng.standard_normal((_PAIRS, 5))
        centre = max(coarse, key=lambda at: _squared_separation(params, noise[: _PAIRS // 4], float(np.exp(at))))
        squared = [_squared_separation(params, noise, float(np.exp(centre + at))) for at in fine]
        tops = np.roots(np.polyder(np.polyfit(fine, squared, 4)))
        found.append(np.exp(tops[np.argmin(np.abs(tops))].real + centre))
    return np.array(found)


def _squared_separation(params: Params, noise: Floats, spread: float) -> float:
    healthy, diseased = (_pairs({**params, "emb": "iso"}, shift, noise, spread) for shift in (0.0, 1.0))
    shift, within = (diseased - healthy).mean(axis=0), np.cov(healthy.T)
    if params["rule"] == "difference":
        contrast = np.array([1.0, -1.0])
        return float((contrast @ shift) ** 2 / (contrast @ within @ contrast))
    return float(shift @ np.linalg.solve(within, shift))


_EMBEDDING = (
    choice("emb", "the embedding that is matched", t7.EMBEDDINGS),
    number("A", "variance of the nuisance"),
    number("E", "variance of the axis that carries the disease"),
    number("N", "variance of the embedding's noise"),
    number("w", "weight of the disease axis (scalar embedding)", None),
    number("M", "size of the simulated pool", t7.POOL),
)
_POINTS: tuple[Params, ...] = (
    *grid(emb=["scalar"], A=[4.0], E=[1.0], N=[1.0], w=[0.0, 0.5, 1.0]),
    *grid(emb=["scalar"], A=[4.0], E=[1.0], N=[0.0], w=[0.0, 0.5]),
    *grid(emb=["iso"], A=[9.0], E=[1.0], N=[0.2, 50.0]),
)

QUANTITIES = (
    Quantity(
        "matched_correlation",
        "correlation of a query with its matched reference",
        _EMBEDDING,
        matched_correlation,
        _symbolic_correlation,
        _simulate_correlation,
        _POINTS,
        tally=RatioTally,
        fast=_fast_correlation,
        draws=lambda params: 6,
        allowance=lambda params: 0.003,
        caveat=t7.pool_caveat,
        mcse=2e-3,
    ),
    Quantity(
        "leaked_share",
        "share of the signal that a matched reference inherits",
        _EMBEDDING,
        leaked_share,
        _symbolic_leak,
        _simulate_leak,
        _POINTS,
        tally=MeanTally,
        fast=_fast_leak,
        draws=lambda params: 6,
        allowance=lambda params: 0.003,
        caveat=t7.pool_caveat,
        mcse=5e-3,
    ),
    Quantity(
        "best_tightness",
        "noise of the isotropic embedding at which a rule does best; infinite where a random reference is best",
        (
            number("A", "variance of the nuisance"),
            number("E", "variance of the axis that carries the disease"),
            choice("rule", "the rule", t7.RULES),
        ),
        best_tightness,
        _symbolic_tightness,
        _simulate_tightness,
        grid(A=[9.0], E=[1.0], rule=t7.RULES),
        tally=MeanTally,
        draws=lambda params: 10 * _PAIRS,
        symbolic_tolerance=1e-9,
        relative_allowance=0.03,
        block=_PAIRS,
        mcse=0.02,
    ),
)
