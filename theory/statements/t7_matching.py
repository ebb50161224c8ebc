r"""T7: retrieved references. Tighter matching lowers the variance, and may remove the disease with it.

:math:`X = a + g`, :math:`g=\delta Y+e`, variances A and E, :math:`\sigma^2=A+E`, :math:`d=\delta/\sigma`. The reference matches the
query's noisy embedding exactly (an infinite healthy pool). It then has correlation :math:`\rho_h` with the query and *inherits* a share s
of the signal:

.. math:: D^2_{\rm dif}=d^2\frac{(1-s)^2}{2(1-\rho_h)},\qquad D^2_{\rm opt}=d^2\Big[1+\frac{(\rho_h-s)^2}{1-\rho_h^2}\Big].

========= ============================================== ==============================================
embedding s                                              rho_h
========= ============================================== ==============================================
scalar    beta w, with h = a + w g + noise of variance N beta^2 V / sigma^2, V = A + w^2 E + N, beta = (A + w E) / V
iso       E / (E + N), with h = (a, g) + noise N I       (A^2/(A+N) + E^2/(E+N)) / (A + E)
========= ============================================== ==============================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, chdtri, gamma

from see_in_pairs.errors import InputError
from theory.numerics.gaussian import auc_of
from theory.numerics.montecarlo import MeanTally, log_likelihood_ratio
from theory.numerics.quadrature import legendre
from theory.numerics.validation import Floats, finite, non_negative, one_of, positive, require, whole
from theory.numerics.vectorize import elementwise
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import choice, number

if TYPE_CHECKING:
    import sympy as sp

EMBEDDINGS, RULES = ("scalar", "iso"), ("difference", "optimal")
POOL = 400_000


def inherited(emb: str, A: ArrayLike, E: ArrayLike, N: ArrayLike, w: ArrayLike | None = None) -> tuple[Floats, Floats]:
    r"""Share s of the signal that a matched reference inherits, and its correlation :math:`\rho_h` with the query."""
    one_of(emb, "emb", EMBEDDINGS)
    A, E = positive(A, "A"), positive(E, "E")
    if emb == "iso":
        N = positive(N, "N")
        return E / (E + N), (A**2 / (A + N) + E**2 / (E + N)) / (A + E)
    if w is None:
        raise InputError("w=...: the scalar embedding needs the weight of the disease axis")
    w, N = finite(w, "w"), non_negative(N, "N")
    require((w != 1) | (N > 0), "w = 1, N = 0: every reference would equal its query (0/0); give N above 0")
    V = A + w**2 * E + N
    beta = (A + w * E) / V
    return beta * w, beta**2 * V / (A + E)


def separation(emb: str, delta: ArrayLike, A: ArrayLike, E: ArrayLike, N: ArrayLike, rule: str, w: ArrayLike | None = None) -> Floats:
    """Separation with a matched reference, D of the module's formulas; negative where the difference turns the classes around (s above
    1)."""
    one_of(rule, "rule", RULES)
    share, rho = inherited(emb, A, E, N, w)
    d = non_negative(delta, "delta") / np.sqrt(np.add(A, E))
    if rule == "difference":
        return d * (1 - share) / np.sqrt(2 * (1 - rho))
    return d * np.sqrt(1 + np.square(rho - share) / ((1 - rho) * (1 + rho)))


def auc(
    emb: str, delta: ArrayLike, A: ArrayLike, E: ArrayLike, N: ArrayLike, rule: str, w: ArrayLike | None = None, M: ArrayLike = POOL
) -> Floats:
    r"""AUROC with a reference that matches the query's embedding: :math:`\Phi(D/\sqrt2)`.

    Examples
    --------
    >>> float(auc("iso", 1.5, 9.0, 1.0, 1.93, "difference"))
    0.62911
    """
    return auc_of(separation(emb, delta, A, E, N, rule, w) + 0 * whole(M, "M", 1))


@elementwise
def goldilocks(A: float, E: float) -> float:
    r"""Noise at which the difference rule does best in the isotropic embedding (T7d): :math:`x^*=\frac{\sqrt2AE}{A-(1+\sqrt2)E}`; infinite
    (a random reference) unless :math:`A/E>1+\sqrt2`.

    Examples
    --------
    >>> goldilocks(9.0, 1.0)
    1.9326
    """
    excess = float(positive(A, "A") - (1 + np.sqrt(2)) * positive(E, "E"))
    return float(np.sqrt(2) * A * E / excess) if excess > 0 else float("inf")


def mean_sq_min_norm(k: ArrayLike, M: ArrayLike) -> Floats:
    r"""Mean squared distance from the origin to the nearest of M standard normal references: :math:`\int_0^\infty P(\chi^2_k>t)^M dt`, by
    Gauss-Legendre in :math:`\sqrt t`.

    Examples
    --------
    >>> float(mean_sq_min_norm(3, 1000))
    0.02196
    """
    k, M = whole(k, "k", 1)[..., None], whole(M, "M", 1)[..., None]
    x, weights = legendre(400)
    reach = np.sqrt(chdtri(k, np.exp(-45 / M)))  # beyond, the integrand is below 1e-19
    r = reach * x
    return (reach * weights * 2 * r * np.exp(M * np.log(np.maximum(chdtrc(k, r * r), 1e-300)))).sum(axis=-1)


def limit_sq_min_norm(k: ArrayLike, M: ArrayLike) -> Floats:
    r"""Limit of the same distance for many references: :math:`2\,\Gamma(1+\frac2k)\Gamma(\frac k2+1)^{2/k}M^{-2/k}` (Abadie and Imbens
    2006).

    Examples
    --------
    >>> float(limit_sq_min_norm(8, 1000))
    0.71352
    """
    k, M = whole(k, "k", 1), whole(M, "M", 1)
    return 2 * gamma(1 + 2 / k) * gamma(k / 2 + 1) ** (2 / k) * M ** (-2 / k)


def symbolic_pair(emb: str, A: float, E: float, N: float, w: float | None) -> tuple[sp.Matrix, sp.Matrix]:
    """Shift (2, 1) per unit of signal and within-class covariance (2, 2) of query and matched reference, by regression on the embedding."""
    import sympy as sp

    from theory.numerics import symbolic

    nuisance, own, noise = (symbolic.exact(value) for value in (A, E, N))
    parts = sp.diag(nuisance, own)
    image = sp.Matrix([[1, 1]])
    loadings = sp.eye(2) if emb == "iso" else sp.Matrix([[1, symbolic.exact(w or 0.0)]])
    with_embedding = image * parts * loadings.T
    slope = with_embedding * (loadings * parts * loadings.T + noise * sp.eye(loadings.rows)).inv()
    total = (image * parts * image.T)[0]
    shared = (with_embedding * slope.T)[0]  # the reference is the regression on the query's embedding plus an independent rest
    leaked = (slope * loadings * sp.Matrix([0, 1]))[0]
    return sp.Matrix([1, leaked]), sp.Matrix([[total, shared], [shared, total]])


def _symbolic_auc(emb: str, delta: float, A: float, E: float, N: float, rule: str, w: float | None = None, M: int = POOL) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    shift, joint = symbolic_pair(emb, A, E, N, w)
    if rule == "difference":
        contrast = sp.Matrix([1, -1])
        distance = (contrast.T * shift)[0] / sp.sqrt((contrast.T * joint * contrast)[0])
    else:
        distance = sp.sqrt((shift.T * joint.inv() * shift)[0])
    return symbolic.evaluate(symbolic.auc(symbolic.exact(delta) * distance))


def symbolic_min_norm(k: int, M: int) -> float:
    """Integrate r^2 against the density of the smallest norm."""
    import mpmath as mp  # type: ignore[import-untyped]

    half = mp.mpf(k) / 2

    def _weighted(r: mp.mpf) -> mp.mpf:
        density = 2 * r ** (k - 1) * mp.exp(-r * r / 2) / (2**half * mp.gamma(half))
        return r * r * M * mp.gammainc(half, r * r / 2, mp.inf, regularized=True) ** (M - 1) * density

    centre = mp.sqrt(limit_sq_min_norm(k, M))
    return float(mp.quad(_weighted, [0, centre / 2, centre, 2 * centre, 4 * centre + 1, 4 * centre + 12]))


# Raw simulation: a finite pool, the nearest neighbour in the noisy embedding, weights learned again from the retrieved pairs.


def _embed(params: Params, nuisance: Floats, axis: Floats, rng: np.random.Generator) -> Floats:
    seen = np.column_stack([nuisance, axis]) if params["emb"] == "iso" else (nuisance + params["w"] * axis)[:, None]
    return seen + np.sqrt(params["N"]) * rng.standard_normal(seen.shape)


def _people(params: Params, count: int, shift: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Images and embeddings of simulated people."""
    nuisance = np.sqrt(params["A"]) * rng.standard_normal(count)
    axis = np.sqrt(params["E"]) * rng.standard_normal(count) + shift
    return nuisance + axis, _embed(params, nuisance, axis, rng)


def retrieve(params: Params, count: int, shifts: Sequence[float], rng: np.random.Generator) -> list[Floats]:
    """Query and nearest reference of a simulated pool of healthy people: for each shift of the queries an array (count, 2)."""
    pool, where = _people(params, int(params["M"]), 0.0, rng)
    nearest, pairs = _finder(where), []
    for shift in shifts:
        query, embedding = _people(params, count, shift, rng)
        pairs.append(np.column_stack([query, pool[nearest(embedding)]]))
    return pairs


def _simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    scores = _score_pairs(params["rule"], *retrieve(params, replicates, (0.0, params["delta"]), rng))
    return scores[1] > scores[0]


def _finder(where: Floats) -> Callable[[Floats], np.ndarray]:
    """Nearest-neighbour search in a pool; along a line by bisection, which is faster than a tree."""
    from scipy.spatial import cKDTree

    if where.shape[1] > 1:
        tree = cKDTree(where, balanced_tree=False, compact_nodes=False)
        return lambda embedding: np.asarray(tree.query(embedding)[1])
    order = np.argsort(where[:, 0])
    along = where[order, 0]

    def _nearest(embedding: Floats) -> np.ndarray:
        at = embedding[:, 0]
        above = np.clip(np.searchsorted(along, at), 1, len(along) - 1)
        return order[np.where(at - along[above - 1] < along[above] - at, above - 1, above)]

    return _nearest


def _score_pairs(rule: str, healthy: Floats, diseased: Floats) -> list[Floats]:
    """Scores of pairs by their difference, or by weights learned from them."""
    if rule == "difference":
        return [pair[:, 0] - pair[:, 1] for pair in (healthy, diseased)]
    shift, within = diseased.mean(axis=0) - healthy.mean(axis=0), (np.cov(healthy.T) + np.cov(diseased.T)) / 2
    return [log_likelihood_ratio(pair, shift, within) for pair in (healthy, diseased)]


def _fast_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the reference from its normal distribution given the query's embedding: an infinite pool without the pool."""
    total = params["A"] + params["E"]
    loadings = np.eye(2) if params["emb"] == "iso" else np.array([[1.0, params["w"]]])
    parts = np.diag([params["A"], params["E"]])
    slope = np.linalg.solve(loadings @ parts @ loadings.T + params["N"] * np.eye(len(loadings)), loadings @ parts.sum(axis=1))
    residual_sd = np.sqrt(total - slope @ loadings @ parts.sum(axis=1))
    pairs = []
    for shift in (0.0, params["delta"]):
        query, embedding = _people(params, replicates, shift, rng)
        pairs.append(np.column_stack([query, embedding @ slope + residual_sd * rng.standard_normal(replicates)]))
    scores = _score_pairs(params["rule"], *pairs)
    return scores[1] > scores[0]


def _simulate_min_norm(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    k, M = int(params["k"]), int(params["M"])
    return np.square(rng.standard_normal((replicates, M, k))).sum(axis=2).min(axis=1)


def pool_caveat(params: Params) -> str:
    """Caveat of the infinite pool below 400,000 references; empty from there on."""
    return "" if params["M"] >= POOL else f"the limit of an infinite pool: within .003 from M = {POOL} on"


_AUC = (
    choice("emb", "the embedding that is matched", EMBEDDINGS),
    number("delta", "effect"),
    number("A", "variance of the nuisance"),
    number("E", "variance of the axis that carries the disease"),
    number("N", "variance of the embedding's noise"),
    choice("rule", "the rule", RULES),
    number("w", "weight of the disease axis (scalar embedding)", None),
    number("M", "size of the simulated pool", POOL),
)
_SCALAR = {"emb": "scalar", "delta": 1.5, "A": 4.0, "E": 1.0, "N": 1.0}
_ISO = {"emb": "iso", "delta": 1.5, "A": 9.0, "E": 1.0}
_POINTS: tuple[Params, ...] = (
    *({**_SCALAR, "w": w, "rule": rule} for w, rule in ((0.0, "difference"), (1.0, "difference"), (0.5, "optimal"), (1.0, "optimal"))),
    *({**_ISO, "N": N, "rule": rule} for N, rule in ((50.0, "difference"), (1.93, "difference"), (0.2, "difference"), (1.93, "optimal"))),
)

STATEMENT = Statement(
    "T7",
    "Retrieval and over-matching",
    "A matched reference inherits part of the signal: what counts is its correlation minus what it leaks; there is a best tightness.",
    (
        Quantity(
            "auc",
            "area under the ROC curve with a matched reference (limit of an infinite pool)",
            _AUC,
            auc,
            _symbolic_auc,
            _simulate_auc,
            _POINTS,
            fast=_fast_auc,
            draws=lambda params: 6,  # few enough that many patients are served by a pool
            allowance=lambda params: 0.003,
            caveat=pool_caveat,
        ),
        Quantity(
            "mean_sq_min_norm",
            "mean squared distance to the nearest of M references",
            (number("k", "dimensions of the nuisance"), number("M", "references")),
            mean_sq_min_norm,
            symbolic_min_norm,
            _simulate_min_norm,
            tuple({"k": k, "M": M} for k, M in ((1, 1), (1, 50), (2, 1000), (3, 1000), (8, 100))),
            tally=MeanTally,
            draws=lambda params: 2 * int(params["k"] * params["M"]),
            symbolic_tolerance=QUADRATURE,
        ),
    ),
)
