r"""T10's plug-in gain: the gain in AUROC, and in sensitivity at a given specificity, from a reference with a given correlation of scores.

These are the numbers of ``see-in-pairs plan``. With m references the variance :math:`v^*` of T2 replaces :math:`1-\rho^2`. Also here:
the coverage of the interval of the correlation, and the attenuation of the correlation by the scorer's own noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from theory.numerics.gaussian import auc_of, sensitivity_of
from theory.numerics.montecarlo import PairedTally, RatioTally, covariance_root
from theory.numerics.validation import Floats, correlation, non_negative, one_of, whole
from theory.statements import t2_several_references as t2
from theory.statements.base import QUADRATURE, Params, Quantity
from theory.statements.linear_rule import draw_images
from theory.statements.parameters import choice, grid, number

STATEMENT_ID = "T10"
RULES = ("optimal", "difference")
LEVEL = 0.95


def _pair(d: ArrayLike, rho: ArrayLike, m: ArrayLike, rho_rr: ArrayLike | None, rule: str) -> Floats:
    r"""Separation of the paired score, :math:`d/\sqrt v` with v of T2."""
    one_of(rule, "rule", RULES)
    return t2.separation(d, rho, rho if rho_rr is None else rho_rr, m, "optimal" if rule == "optimal" else "meandiff")


def auc_gain(d: ArrayLike, rho: ArrayLike, m: ArrayLike = 1, rho_rr: ArrayLike | None = None, rule: str = "optimal") -> Floats:
    r"""Gain in AUROC from m references: :math:`G=\Phi\big(\frac d{\sqrt{2v}}\big)-\Phi\big(\frac d{\sqrt2}\big)`, v of T2 (:math:`1-\rho^2`
    for one).

    Examples
    --------
    >>> float(auc_gain(1.0, 0.6)), float(auc_gain(1.0, 0.3))
    (0.05137, 0.01048)
    """
    return auc_of(_pair(d, rho, m, rho_rr, rule)) - auc_of(non_negative(d, "d"))


def sensitivity_gain(
    d: ArrayLike, rho: ArrayLike, m: ArrayLike = 1, rho_rr: ArrayLike | None = None, rule: str = "optimal", specificity: ArrayLike = 0.9
) -> Floats:
    r"""Gain in sensitivity at a given specificity from m references: :math:`\Phi\big(\frac d{\sqrt v}-z\big)-\Phi(d-z)`, z the normal
    quantile of the specificity.

    Examples
    --------
    >>> float(sensitivity_gain(1.0, 0.6))
    0.09827
    """
    return sensitivity_of(_pair(d, rho, m, rho_rr, rule), specificity) - sensitivity_of(non_negative(d, "d"), specificity)


def rho_cover(n: ArrayLike, rho: ArrayLike) -> Floats:
    """Nominal coverage .95 of the interval of the correlation of query and reference scores; the true one is within .005 from 20 pairs
    on."""
    return LEVEL + 0 * (whole(n, "n", 6) + correlation(rho))


def observed_rho(rho: ArrayLike, noise: ArrayLike, S: ArrayLike = 1) -> Floats:
    r"""Correlation that is seen through the scorer's own noise: :math:`\rho/(1+\mathcal N/S)`, the correlation times the reliability.

    Examples
    --------
    >>> float(observed_rho(0.6, 0.5, 2))
    0.48
    """
    return correlation(rho) / (1 + non_negative(noise, "noise") / whole(S, "S", 1))


# Symbolic


def _symbolic_pair(d: float, rho: float, m: int, rho_rr: float | None, rule: str):  # type: ignore[no-untyped-def]
    return t2.symbolic_separation(d, rho, rho if rho_rr is None else rho_rr, m, "optimal" if rule == "optimal" else "meandiff")


def _symbolic_auc_gain(d: float, rho: float, m: int = 1, rho_rr: float | None = None, rule: str = "optimal") -> float:
    from theory.numerics import symbolic

    return symbolic.evaluate(symbolic.auc(_symbolic_pair(d, rho, m, rho_rr, rule)) - symbolic.auc(symbolic.exact(d)))


def _symbolic_sensitivity_gain(
    d: float, rho: float, m: int = 1, rho_rr: float | None = None, rule: str = "optimal", specificity: float = 0.9
) -> float:
    from theory.numerics import symbolic

    pair = symbolic.sensitivity(_symbolic_pair(d, rho, m, rho_rr, rule), specificity)
    return pair - symbolic.sensitivity(symbolic.exact(d), specificity)


def _symbolic_rho_cover(n: int, rho: float) -> float:
    """Integrate the normal density between the ends of the interval of Fisher's transform."""
    import mpmath as mp  # type: ignore[import-untyped]

    z = mp.mpf(float(ndtri((1 + LEVEL) / 2)))
    return float(mp.quad(mp.npdf, [-z, 0, z]))


def _symbolic_observed(rho: float, noise: float, S: int = 1) -> float:
    """Derive the covariance of two averages from the loadings of their parts."""
    import sympy as sp

    from theory.numerics import symbolic

    r, extra, one = symbolic.exact(rho), symbolic.exact(noise) / int(S), sp.Integer(1)
    joint = sp.Matrix([[one, r], [r, one]]) + sp.diag(extra, extra)
    return symbolic.evaluate(joint[0, 1] / sp.sqrt(joint[0, 0] * joint[1, 1]))


# Raw simulation: the same patients scored with and without their references.


def _score(params: Params, diseased: bool, replicates: int, rng: np.random.Generator) -> tuple[Floats, Floats, float]:
    """Single and paired scores of the same patients, and the standard deviation of the paired one."""
    m, between = int(params["m"]), params.get("rho_rr")
    model = t2.images_covariance(params["rho"], params["rho"] if between is None else between, m)
    weights = t2.solved_weights(model, params["rule"])
    images = draw_images(model, params["d"] * np.eye(1, m + 1)[0], np.full(replicates, diseased), rng)
    return images[:, 0], images @ weights, float(np.sqrt(weights @ model @ weights))


def _simulate_auc_gain(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    (single, pair, _), (alone, beside, _) = (_score(params, label, replicates, rng) for label in (True, False))
    return (pair > beside).astype(float) - (single > alone)


def _simulate_sensitivity_gain(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    single, pair, spread = _score(params, True, replicates, rng)
    z = ndtri(params["specificity"])
    return (pair > z * spread).astype(float) - (single > z)


def _simulate_rho_cover(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Draw data sets, correlate within class, and count the intervals that hold the true correlation."""
    n, rho = int(params["n"]), params["rho"]
    pairs = rng.standard_normal((replicates, n, 2)) @ covariance_root([[1.0, rho], [rho, 1.0]]).T
    for half in (slice(None, n // 2), slice(n // 2, None)):
        pairs[:, half] -= pairs[:, half].mean(axis=1, keepdims=True)
    query, reference = pairs[..., 0], pairs[..., 1]
    found = (query * reference).sum(axis=1) / np.sqrt(np.square(query).sum(axis=1) * np.square(reference).sum(axis=1))
    return np.abs(np.arctanh(found) - np.arctanh(rho)) <= ndtri((1 + LEVEL) / 2) / np.sqrt(n - 4)


def _simulate_observed(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    rho, S = params["rho"], int(params["S"])
    scores = rng.standard_normal((replicates, 2)) @ covariance_root([[1.0, rho], [rho, 1.0]]).T
    scores += np.sqrt(params["noise"]) * rng.standard_normal((S, replicates, 2)).mean(axis=0)
    return np.column_stack([scores.prod(axis=1), np.square(scores).mean(axis=1)])


_GAIN = (
    number("d", "separation of the single-image score, 0 or more"),
    number("rho", "correlation of query and reference scores"),
    number("m", "number of references", 1),
    number("rho_rr", "correlation of the references; rho when not given", None),
    choice("rule", "best weight on the references, or subtract them", RULES, "optimal"),
)
_POINTS = (
    *grid(d=[1.0], rho=[-0.95, -0.4, 0.0, 1e-6, 0.3, 0.6, 0.999], rule=RULES),
    *({"d": 1.0, "rho": 0.4, "m": m, "rho_rr": between, "rule": rule} for m, between in ((4, 0.4), (4, 0.8), (30, 0.3)) for rule in RULES),
    *grid(d=[3.0, 0.1], rho=[0.6]),
)

QUANTITIES = (
    Quantity(
        "auc_gain",
        "gain in AUROC from m references",
        _GAIN,
        auc_gain,
        _symbolic_auc_gain,
        _simulate_auc_gain,
        _POINTS,
        tally=PairedTally,
        draws=lambda params: 4 * (int(params["m"]) + 1),
        mcse=1e-3,
    ),
    Quantity(
        "sensitivity_gain",
        "gain in sensitivity at a given specificity from m references",
        (*_GAIN, number("specificity", "where sensitivities are compared", 0.9)),
        sensitivity_gain,
        _symbolic_sensitivity_gain,
        _simulate_sensitivity_gain,
        (*_POINTS, *grid(d=[1.0], rho=[0.6], specificity=[0.05, 0.999])),
        tally=PairedTally,
        draws=lambda params: 2 * (int(params["m"]) + 1),
        mcse=1e-3,
    ),
    Quantity(
        "rho_cover",
        "coverage of the interval of the correlation of query and reference scores, nominal",
        (number("n", "pairs, half of each class"), number("rho", "correlation within a class")),
        rho_cover,
        _symbolic_rho_cover,
        _simulate_rho_cover,
        grid(n=[20, 200], rho=[-0.5, 0.0, 0.9]),
        draws=lambda params: 3 * int(params["n"]),
        symbolic_tolerance=QUADRATURE,
        mcse=1e-3,
        allowance=lambda params: 0.005,
        caveat=lambda params: "" if params["n"] >= 20 else "by Fisher's transform: within .005 from 20 pairs on",
    ),
    Quantity(
        "observed_rho",
        "correlation that is seen through the scorer's own noise",
        (
            number("rho", "correlation without noise"),
            number("noise", "variance of the scorer from seed to seed, in units of the scores'"),
            number("S", "seeds averaged", 1),
        ),
        observed_rho,
        _symbolic_observed,
        _simulate_observed,
        grid(rho=[-0.5, 0.0, 0.8], noise=[0.0, 0.5], S=[1, 4]),
        tally=RatioTally,
        draws=lambda params: 2 + 2 * int(params["S"]),
        mcse=1e-3,
    ),
)
