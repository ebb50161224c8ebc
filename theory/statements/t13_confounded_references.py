r"""T13: references matched on a predictor of the class. By matching, the reference also predicts the class, and A2 does not hold.

A covariate Z, such as age or the offset of a site, is :math:`N(\alpha Y,1)`: alone it ranks with AUROC :math:`\Phi(\alpha/\sqrt2)`. The
image is :math:`X_q=\gamma Z_q+\delta Y+e_q`, Var(e) = 1, and a healthy reference :math:`X_r=\gamma Z_r+e_r` is chosen by Z alone:

======== ==================================================== ==========================================================
matching Z of the reference                                   pair given Y
======== ==================================================== ==========================================================
exact    Z of the query                                       rho = gamma^2 / (1 + gamma^2), s = gamma alpha / (delta + gamma alpha)
caliper  that of a healthy person within c of the query's     in between
none     that of any healthy person                           rho = 0, s = 0
======== ==================================================== ==========================================================

With rho and s the rules follow from T7b (`theory.statements.t13_leak_law`). Given Z, A2 does hold: the reference then shares with the
query nothing unknown, and among people with the same Z it adds only noise. Derived here from the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from see_in_pairs.errors import InputError
from theory.numerics.gaussian import auc_of
from theory.numerics.montecarlo import RatioTally
from theory.numerics.quadrature import legendre, standard_normal
from theory.numerics.validation import Floats, finite, one_of, positive, require, share
from theory.numerics.vectorize import elementwise
from theory.statements import t1_univariate_rules as t1
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number
from theory.statements.t13_leak_law import RULES

if TYPE_CHECKING:
    import sympy as sp

MATCHING = ("exact", "caliper", "none")
_POOL = 400_000  # healthy people from whom the simulation chooses
_WIDEST = 6.0  # caliper: with a wider one, everybody is inside


@elementwise
def auc(delta: float, gamma: float, auroc_z: float, rule: str | float, matching: str = "exact", caliper: float | None = None) -> float:
    r"""AUROC of a rule with references matched on a covariate that predicts the class: :math:`\Phi(D/\sqrt2)`, and within a caliper, where
    the pair is not normal, by inverting the characteristic function (Gil-Pelaez 1951).

    Examples
    --------
    A covariate with AUROC .74, exactly matched: the weights of T1 do worse than the single image, and the reference alone has .68.

    >>> [round(auc(1.0, 1.1, 0.74, rule), 3) for rule in RULES]
    [0.829, 0.691, 0.796, 0.83, 0.683]
    """
    a, b = _weights(delta, gamma, auroc_z, rule, matching, caliper)
    shift, within = moments(delta, gamma, auroc_z, matching, caliper)
    contrast = np.array([a, b])
    if matching != "caliper":
        return float(auc_of(contrast @ shift / np.sqrt(contrast @ within @ contrast)))
    noise = a * a + b * b
    x, step = legendre(200)
    t = x * 6.5 / np.sqrt(noise)  # beyond, the noise's own characteristic function is below 1e-18
    healthy, diseased = (_characteristic(t, gamma, centre, float(caliper or 0.0), a, b) for centre in (0.0, _predictive(auroc_z)))
    twisted = diseased * np.conj(healthy) * np.exp(1j * t * a * delta - noise * t * t)
    return float(0.5 + (step * 6.5 / np.sqrt(noise) * twisted.imag / t).sum() / np.pi)


def _predictive(auroc_z: float) -> float:
    return float(np.sqrt(2) * ndtri(share(auroc_z, "auroc_z")))


def _check(delta: float, gamma: float, matching: str, caliper: float | None) -> None:
    finite(delta, "delta"), finite(gamma, "gamma")
    one_of(matching, "matching", MATCHING)
    if (matching == "caliper") != (caliper is not None):
        raise InputError("caliper=...: give it where matching is caliper, and only there")
    if caliper is not None:
        require(
            positive(caliper, "caliper") <= _WIDEST,
            f"caliper = {caliper}: {_WIDEST:g} standard deviations at most; else take matching=none",
        )


def _around(z: Floats, caliper: float) -> tuple[Floats, Floats]:
    """Distances of a reference from a query at z, and their probabilities, shape (z, distances): a healthy person within the caliper."""
    x, w = legendre(64)
    distance = caliper * (2 * x - 1)
    log_density = -np.square(z[:, None] + distance) / 2
    weights = w * np.exp(log_density - log_density.max(axis=1, keepdims=True))
    return distance, weights / weights.sum(axis=1, keepdims=True)


def moments(delta: float, gamma: float, auroc_z: float, matching: str = "exact", caliper: float | None = None) -> tuple[Floats, Floats]:
    """Shift (2,) and within-class covariance (2, 2), the mean of both classes', of query and reference."""
    _check(delta, gamma, matching, caliper)
    alpha = _predictive(auroc_z)
    if matching != "caliper":
        shared = gamma**2 * (matching == "exact")
        shift = np.array([delta + gamma * alpha, gamma * alpha * (matching == "exact")])
        return shift, np.array([[1 + gamma**2, shared], [shared, 1 + gamma**2]])
    noise, chance = standard_normal(0.05, 9.0)
    means, covariances = [], []
    for centre in (0.0, alpha):
        z = noise + centre
        distance, weights = _around(z, float(caliper or 0.0))
        near, squared = z + weights @ distance, np.square(z) + 2 * z * (weights @ distance) + weights @ np.square(distance)
        mean, product = chance @ near, chance @ (noise * near)
        means.append(np.array([centre, mean]))
        covariances.append(np.array([[1.0, product], [product, chance @ squared - mean**2]]))
    return gamma * (means[1] - means[0]) + np.array([delta, 0.0]), gamma**2 * (covariances[0] + covariances[1]) / 2 + np.eye(2)


def _weights(delta: float, gamma: float, auroc_z: float, rule: str | float, matching: str, caliper: float | None) -> tuple[float, float]:
    """Weights of query and reference in the score of a rule."""
    shift, within = moments(delta, gamma, auroc_z, matching, caliper)
    if not isinstance(rule, str):
        return 1.0, -float(finite(rule, "rule"))
    if rule not in RULES:
        raise InputError(f"rule = {rule!r}: must be one of {', '.join(RULES)}, or a number (the weight)")
    if rule == "optimal":  # among linear rules; Bayes' where the pair is normal
        best = np.linalg.solve(within, shift)
        return float(best[0]), float(best[1])
    fixed = {"single": (1.0, 0.0), "difference": (1.0, -1.0), "reference_only": (0.0, 1.0)}
    return fixed.get(rule) or (1.0, -float(within[0, 1] / within[1, 1]))


def _characteristic(t: Floats, gamma: float, centre: float, caliper: float, a: float, b: float) -> np.ndarray:
    """Characteristic function of the covariate's part of the score, gamma (a Z_q + b Z_r), in one class."""
    noise, chance = standard_normal(0.05, 9.0)
    z = noise + centre
    distance, weights = _around(z, caliper)
    inner = weights @ np.exp(1j * np.outer(distance, t * b * gamma))
    return np.asarray(chance @ (np.exp(1j * np.outer(z, t * (a + b) * gamma)) * inner))


@elementwise
def leak(delta: float, gamma: float, auroc_z: float, matching: str = "exact", caliper: float | None = None) -> float:
    r"""Share s of the query's shift that its reference has: :math:`\gamma\alpha/(\delta+\gamma\alpha)` with exact matching, 0 with none.

    Examples
    --------
    >>> round(leak(1.0, 1.1, 0.74), 3), leak(1.0, 1.1, 0.74, "none"), leak(1.0, 1.1, 0.5)
    (0.5, 0.0, 0.0)
    """
    shift, _ = moments(delta, gamma, auroc_z, matching, caliper)
    require(shift[0] != 0, "delta, gamma: the query is not shifted, so the reference cannot carry a share of the signal")
    return float(shift[1] / shift[0])


def assumed_auc(delta: ArrayLike, gamma: ArrayLike, auroc_z: ArrayLike, rule: str | ArrayLike) -> Floats:
    r"""AUROC that T1 predicts for exact matching if A2 is assumed: from the separation of the query and the correlation,
    :math:`d=(\delta+\gamma\alpha)/\sqrt{1+\gamma^2}`, :math:`\rho=\gamma^2/(1+\gamma^2)`.

    Examples
    --------
    >>> [round(float(assumed_auc(1.0, 1.1, 0.74, rule)), 3) for rule in ("difference", "optimal")]
    [0.841, 0.872]
    """
    gamma, alpha = finite(gamma, "gamma"), np.sqrt(2) * ndtri(share(auroc_z, "auroc_z"))
    signal = finite(delta, "delta") + gamma * alpha
    require(signal >= 0, "delta, gamma: T1 is about a query that disease shifts upwards")
    return t1.auc(signal / np.sqrt(1 + np.square(gamma)), np.square(gamma) / (1 + np.square(gamma)), rule)


def adjusted_auc(delta: ArrayLike, rule: str | ArrayLike) -> Floats:
    r"""AUROC among people of one Z (the covariate-adjusted AUROC) with exact matching: :math:`\Phi(\delta/\sqrt{2(1+w^2)})`, so that
    a reference that shares nothing but Z only adds noise.

    Examples
    --------
    >>> float(adjusted_auc(1.0, "single")), float(adjusted_auc(1.0, "difference"))
    (0.76025, 0.69146)
    """
    weights = {"single": 0.0, "difference": 1.0}
    if isinstance(rule, str) and rule not in weights:
        raise InputError(f"rule = {rule!r}: must be one of {', '.join(weights)}, or a number (the weight)")
    w = weights[rule] if isinstance(rule, str) else finite(rule, "rule")
    return auc_of(finite(delta, "delta") / np.sqrt(1 + np.square(w)))


# Symbolic: loadings on covariate and own parts; within a caliper all pairs of the two classes, weighted one by one.


def _symbolic_pair(delta: float, gamma: float, auroc_z: float, matching: str) -> tuple[sp.Matrix, sp.Matrix]:
    """Shift (2, 1) and within-class covariance (2, 2) of query and reference."""
    import sympy as sp

    from theory.numerics import symbolic

    slope, alpha = symbolic.exact(gamma), symbolic.exact(_predictive(auroc_z))
    of_reference = [slope, 0, 0, 1] if matching == "exact" else [0, slope, 0, 1]  # covariates of query and of a stranger, own parts
    loadings = sp.Matrix([[slope, 0, 1, 0], of_reference])
    return loadings * sp.Matrix([alpha, 0, symbolic.exact(delta), 0]), symbolic.covariance(loadings)


def _symbolic_auc(
    delta: float, gamma: float, auroc_z: float, rule: str | float, matching: str = "exact", caliper: float | None = None
) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    if matching == "caliper":
        return _enumerated_auc(delta, gamma, auroc_z, rule, float(caliper or 0.0))
    shift, joint = _symbolic_pair(delta, gamma, auroc_z, matching)
    if rule == "optimal":
        return symbolic.evaluate(symbolic.auc(sp.sqrt((shift.T * joint.inv() * shift)[0])))
    weight = {"single": sp.Integer(0), "difference": sp.Integer(1), "t1_weight": joint[0, 1] / joint[1, 1]}
    if rule == "reference_only":
        contrast = sp.Matrix([0, 1])
    else:
        contrast = sp.Matrix([1, -(weight[rule] if isinstance(rule, str) else symbolic.exact(rule))])
    return symbolic.evaluate(symbolic.auc((contrast.T * shift)[0] / sp.sqrt((contrast.T * joint * contrast)[0])))


def _enumerated_auc(delta: float, gamma: float, auroc_z: float, rule: str | float, caliper: float) -> float:
    """Rank every diseased against every healthy pair of covariates on a grid; the noise between them is normal."""
    from scipy.special import ndtr

    a, b = _weights(delta, gamma, auroc_z, rule, "caliper", caliper)
    noise, chance = standard_normal(0.15, 8.5)
    x, w = legendre(24)
    scores, masses = [], []
    for centre in (0.0, _predictive(auroc_z)):
        near = noise[:, None] + centre + caliper * (2 * x - 1)
        mass = w * np.exp(-(np.square(near) - np.square(np.clip(0.0, near.min(axis=1), near.max(axis=1)))[:, None]) / 2)
        masses.append((chance[:, None] * mass / mass.sum(axis=1, keepdims=True)).ravel())
        scores.append((gamma * (a * (noise[:, None] + centre) + b * near)).ravel())
    ranked = [float(masses[0] @ ndtr((one + a * delta - scores[0]) / np.sqrt(2 * (a * a + b * b)))) for one in scores[1]]
    return float(masses[1] @ np.array(ranked))


def _symbolic_leak(delta: float, gamma: float, auroc_z: float, matching: str = "exact", caliper: float | None = None) -> float:
    """Ratio of the shifts; within a caliper the reference's mean is integrated over the query's covariate."""
    import mpmath as mp  # type: ignore[import-untyped]

    from theory.numerics import symbolic

    if matching != "caliper":
        shift, _ = _symbolic_pair(delta, gamma, auroc_z, matching)
        return symbolic.evaluate(shift[1] / shift[0])
    alpha, width = mp.mpf(_predictive(auroc_z)), mp.mpf(caliper or 0.0)

    def _mean(z: mp.mpf) -> mp.mpf:  # of a healthy person within the caliper
        return (mp.npdf(z - width) - mp.npdf(z + width)) / (mp.ncdf(z + width) - mp.ncdf(z - width))

    shift_z = mp.quad(lambda z: _mean(z) * (mp.npdf(z, alpha) - mp.npdf(z)), [-9, -3, 0, alpha, 3 + alpha, 9 + alpha])
    return float(gamma * shift_z / (mp.mpf(delta) + gamma * alpha))


def _symbolic_assumed(delta: float, gamma: float, auroc_z: float, rule: str | float) -> float:
    """T1 at the separation and correlation of the derived pair."""
    import sympy as sp

    from theory.numerics import symbolic

    shift, joint = _symbolic_pair(delta, gamma, auroc_z, "exact")
    alone = sp.Matrix([shift[0], 0])  # A2: the disease shifts the query only
    if rule == "optimal":
        return symbolic.evaluate(symbolic.auc(sp.sqrt((alone.T * joint.inv() * alone)[0])))
    weight = {"single": sp.Integer(0), "difference": sp.Integer(1)}
    contrast = sp.Matrix([1, -(weight[rule] if isinstance(rule, str) else symbolic.exact(rule))])
    return symbolic.evaluate(symbolic.auc((contrast.T * alone)[0] / sp.sqrt((contrast.T * joint * contrast)[0])))


def _symbolic_adjusted(delta: float, rule: str | float) -> float:
    """Condition the pair on the covariate: Schur complement of its part."""
    import sympy as sp

    from theory.numerics import symbolic

    gamma, words = symbolic.symbol("gamma"), {"single": 0.0, "difference": 1.0}
    w = symbolic.exact(words[rule] if isinstance(rule, str) else rule)
    joint = symbolic.covariance(sp.Matrix([[1, 0, 0], [gamma, 1, 0], [gamma, 0, 1]]))
    given = joint[1:, 1:] - joint[1:, :1] * joint[:1, 1:] / joint[0, 0]
    contrast = sp.Matrix([1, -w])
    return symbolic.evaluate(symbolic.auc(symbolic.exact(delta) / sp.sqrt(sp.simplify((contrast.T * given * contrast)[0]))))


# Raw simulation: people with a covariate, references chosen by it from healthy people, weights learned from the pairs.


def _pairs(params: Params, replicates: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Images of queries and references (replicates, 2), healthy queries and diseased ones."""
    pool = np.sort(rng.standard_normal(_POOL)) if params["matching"] == "caliper" else np.zeros(1)
    pairs = []
    for label in (0.0, 1.0):
        z = label * np.sqrt(2) * ndtri(params["auroc_z"]) + rng.standard_normal(replicates)
        if params["matching"] == "exact":
            matched = z
        else:
            matched = rng.standard_normal(replicates) if params["matching"] == "none" else _within(pool, z, params, rng)
        covariates = np.column_stack([params["gamma"] * z + params["delta"] * label, params["gamma"] * matched])
        pairs.append(covariates + rng.standard_normal((replicates, 2)))
    return pairs[0], pairs[1]


def _within(pool: Floats, z: Floats, params: Params, rng: np.random.Generator) -> Floats:
    """For each query a person of the pool within the caliper, or else the nearest."""
    low, high = np.searchsorted(pool, z - params["caliper"]), np.searchsorted(pool, z + params["caliper"])
    chosen = low + np.floor(rng.random(len(z)) * np.maximum(high - low, 1)).astype(int)
    return pool[np.minimum(chosen, len(pool) - 1)]


def _simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    healthy, diseased = _pairs(params, replicates, rng)
    rule, within = params["rule"], (np.cov(healthy.T) + np.cov(diseased.T)) / 2
    if rule == "optimal":
        weights = np.linalg.solve(within, diseased.mean(axis=0) - healthy.mean(axis=0))
    elif rule == "reference_only":
        weights = np.array([0.0, 1.0])
    else:
        words = {"single": 0.0, "difference": 1.0, "t1_weight": within[0, 1] / within[1, 1]}
        weights = np.array([1.0, -(words[rule] if isinstance(rule, str) else rule)])
    return diseased @ weights > healthy @ weights


def _simulate_leak(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    healthy, diseased = _pairs(params, replicates, rng)
    return (diseased - healthy)[:, ::-1]


def _simulate_assumed(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Healthy people and their exact matches; a diseased query is one of them, shifted by as much as disease and covariate together do."""
    people = {**params, "delta": 0.0, "auroc_z": 0.5, "matching": "exact"}
    healthy, diseased = _pairs(people, replicates, rng)
    z, signal = np.sqrt(2) * ndtri(params["auroc_z"]), np.zeros(2)
    signal[0] = params["delta"] + params["gamma"] * z
    within, rule = np.cov(healthy.T), params["rule"]
    words = {"single": 0.0, "difference": 1.0, "optimal": within[0, 1] / within[1, 1]}
    weights = np.array([1.0, -(words[rule] if isinstance(rule, str) else rule)])
    return (diseased + signal) @ weights > healthy @ weights


def _simulate_adjusted(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """A diseased and a healthy person of one age, each with a reference of that age."""
    z = 2 * rng.standard_normal(replicates)
    weights: dict[object, float] = {"single": 0.0, "difference": 1.0}
    w = weights[params["rule"]] if params["rule"] in weights else float(params["rule"])
    scores = [z + label * params["delta"] + rng.standard_normal(replicates) - w * (z + rng.standard_normal(replicates)) for label in (0, 1)]
    return scores[1] > scores[0]


_MODEL = (
    number("delta", "effect, in standard deviations of what the covariate does not explain"),
    number("gamma", "effect of one standard deviation of the covariate on the image, in the same unit"),
    number("auroc_z", "AUROC of the covariate alone"),
)
_MATCHED = (
    choice("matching", "how references are matched on the covariate", MATCHING, "exact"),
    number("caliper", "largest distance of the covariates, in their standard deviations (matching=caliper)", None),
)
_RULE = choice("rule", "rule, or its weight on the reference", RULES, or_number=True)
_CHECK = {"delta": [1.0], "gamma": [1.1], "auroc_z": [0.74]}
_AROUND: tuple[Params, ...] = (
    *grid(**_CHECK, rule=RULES, matching=["exact"]),
    *grid(**_CHECK, rule=["difference", "optimal", "reference_only"], matching=["none"]),
    *grid(**_CHECK, rule=["difference", "t1_weight", "optimal", "reference_only"], matching=["caliper"], caliper=[0.5]),
    *grid(delta=[0.5], gamma=[-2.0], auroc_z=[0.3], rule=["difference", 0.4], matching=["caliper"], caliper=[3.0]),
    *grid(delta=[2.0], gamma=[3.0], auroc_z=[0.5, 0.99], rule=["difference"], matching=["exact"]),
)

STATEMENT = Statement(
    "T13",
    "Confounded references",
    "References matched on what predicts the class carry a share of the signal: the reference alone then tells the class.",
    (
        Quantity(
            "auc",
            "AUROC of a rule with references matched on a covariate that predicts the class",
            (*_MODEL, _RULE, *_MATCHED),
            auc,
            _symbolic_auc,
            _simulate_auc,
            _AROUND,
            draws=lambda params: 8,
            symbolic_tolerance=QUADRATURE,
            allowance=lambda params: 1e-3 if params["matching"] == "caliper" else 0.0,  # of the simulation's finite pool
            mcse=1e-3,
        ),
        Quantity(
            "assumed_auc",
            "AUROC that T1 predicts for exact matching when A2 is taken for granted",
            (*_MODEL, choice("rule", "rule, or its weight on the reference", t1.RULES, or_number=True)),
            assumed_auc,
            _symbolic_assumed,
            _simulate_assumed,
            grid(**_CHECK, rule=(*t1.RULES, 0.3)),
            draws=lambda params: 8,
            mcse=1e-3,
        ),
        Quantity(
            "leak",
            "share of the query's shift that its reference has",
            (*_MODEL, *_MATCHED),
            leak,
            _symbolic_leak,
            _simulate_leak,
            (
                *grid(**_CHECK, matching=["exact", "none"]),
                *grid(**_CHECK, matching=["caliper"], caliper=[0.2, 2.0]),
                *grid(delta=[3.0], gamma=[1.1], auroc_z=[0.5, 0.3], matching=["exact"]),
            ),
            tally=RatioTally,
            draws=lambda params: 8,
            symbolic_tolerance=QUADRATURE,
            allowance=lambda params: 1e-3 if params["matching"] == "caliper" else 0.0,
            mcse=4e-3,
        ),
        Quantity(
            "adjusted_auc",
            "AUROC among people of one value of the covariate, exactly matched",
            (_MODEL[0], choice("rule", "rule, or its weight on the reference", ("single", "difference"), or_number=True)),
            adjusted_auc,
            _symbolic_adjusted,
            _simulate_adjusted,
            grid(delta=[1.0], rule=["single", "difference", 0.4]),
            draws=lambda params: 5,
            mcse=1e-3,
        ),
    ),
)
