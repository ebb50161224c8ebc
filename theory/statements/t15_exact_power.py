r"""T15: exact power of ANCOVA and of paired designs, where trials are small and the normal approximation is not good enough.

============== ============================= ================================================================================
analysis       degrees of freedom            noncentrality (of t; squared, of F)
============== ============================= ================================================================================
ttest, change  2 n - 2                       :math:`d\sqrt{n/(2v)}`, v = 1 or that of the difference (T2)
ancova         2 n - 3                       :math:`d\sqrt{nB/(2v^*)}`, B ~ Beta(n - 1, 1/2), v* of T2
paired t       n - 1                         :math:`d\sqrt{n/(2(1-\rho))}`
ancova, G > 2  G - 1 and G n - G - 1         :math:`\lambda B`, :math:`\lambda=n\sum_g(\delta_g-\bar\delta)^2/(1-\rho^2)`,
                                             B ~ Beta((G n - 2) / 2, 1/2)
============== ============================= ================================================================================

B is the share of the design that is left when the groups differ in their references by chance. Derived here; the noncentral t and F are
textbook (Johnson, Kotz and Balakrishnan 1995).
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtri, ncfdtr, ndtr, ndtri, stdtrit

from theory.numerics.montecarlo import MeanTally, PairedTally, covariance_root
from theory.numerics.quadrature import legendre
from theory.numerics.validation import Floats, correlation, finite, prevalence, require, whole
from theory.numerics.vectorize import elementwise
from theory.statements import t2_several_references as t2
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number, vector
from theory.statements.t3_patients_needed import n_for_power, scaled_factor, symbolic_factor
from theory.statements.t3_sample_size import ANALYSES, ancova_rejects, exact_power, noncentral_series, noncentral_t_power, power_series

_TRIALS = 10_000  # behind one simulated number of patients
_MOST = 10_000_000  # largest number of patients per group


@elementwise
def power(n_per_group: int, rho: float, d: float, analysis: str, m: int = 1, rho_rr: float | None = None, level: float = 0.05) -> float:
    """Power of the two-sided test of the effect with m references per patient, exact under normality (module's table).

    Examples
    --------
    >>> power(4, 0.8, 1.2, "ancova"), power(4, 0.8, 1.2, "ancova", m=4)
    (0.55448, 0.70595)
    """
    n, effect = int(whole(n_per_group, "n_per_group", 2)), float(finite(d, "d"))
    factor = _factor(rho, analysis, m, rho_rr)
    return float(exact_power(n, factor, effect, analysis == "ancova", float(prevalence(level, "level"))))


def _factor(rho: float, analysis: str, m: int, rho_rr: float | None) -> float:
    factor = scaled_factor(float(correlation(rho)), analysis, int(whole(m, "m", 1)), rho_rr)
    require(factor > 0, "rho, rho_rr, m: the references would leave nothing of a healthy query")
    return factor


@elementwise
def approximation_error(
    n_per_group: int, rho: float, d: float, analysis: str, m: int = 1, rho_rr: float | None = None, level: float = 0.05
) -> float:
    """Power by the normal approximation (T3.5) minus the exact one: the excess promised by the approximation.

    Examples
    --------
    >>> round(approximation_error(4, 0.8, 1.2, "ancova"), 3), round(approximation_error(100, 0.8, 0.24, "ancova"), 3)
    (0.253, 0.006)
    """
    exact = power(n_per_group, rho, d, analysis, m, rho_rr, level)
    centre = d * math.sqrt(n_per_group / (2 * _factor(rho, analysis, m, rho_rr)))
    bound = ndtri(1 - level / 2)
    return float(ndtr(centre - bound) + ndtr(-centre - bound) - exact)


@elementwise
def n_exact(rho: float, d: float, analysis: str, power: float = 0.8, level: float = 0.05, m: int = 1, rho_rr: float | None = None) -> float:
    """Smallest number of patients per group with which the exact power reaches the wanted one.

    Examples
    --------
    >>> n_exact(0.8, 1.2, "ancova"), math.ceil(n_for_power(0.8, 1.2, "ancova"))
    (6.0, 4)
    """
    require(power > level, f"power = {power}: must exceed the level {level}")
    enough = max(2, math.ceil(n_for_power(rho, d, analysis, power, level, m, rho_rr)))
    require(enough < _MOST, f"d = {d}: needs more than {_MOST:,} patients per group")
    factor, adjusted = _factor(rho, analysis, m, rho_rr), analysis == "ancova"

    def _reaches(n: int) -> bool:
        return float(exact_power(n, factor, d, adjusted, level)) >= power

    while enough > 2 and _reaches(enough - 1):
        enough -= 1
    while not _reaches(enough):
        enough += 1
    return float(enough)


def paired_power(n: ArrayLike, rho: ArrayLike, d: ArrayLike, level: ArrayLike = 0.05) -> Floats:
    r"""Power of the paired t test on n pairs of measurements of one unit each, correlated by rho: noncentral t, n - 1 degrees of freedom,
    :math:`d\sqrt{n/(2(1-\rho))}`. Pairs are patients under two readings, or training seeds under two arms.

    Examples
    --------
    >>> float(paired_power(3, 0.5, 1.0)), float(paired_power(5, 0.9, 1.0))
    (0.17926, 0.95484)
    """
    n, rho, d, level = np.broadcast_arrays(whole(n, "n", 2), correlation(rho), finite(d, "d"), prevalence(level, "level"))
    return noncentral_t_power(n - 1, d * np.sqrt(n / (2 * (1 - rho))), level)


@partial(elementwise, vectors=("effects",))
def f_power(n_per_group: ArrayLike, rho: float, effects: ArrayLike, level: float = 0.05) -> float:
    """Power of the F test of G groups of n with the reference as covariate, exact under normality (module's table).

    Examples
    --------
    >>> round(f_power(6, 0.8, [0.0, 0.6, 1.2]), 4), round(f_power(4, 0.8, [0.0, 1.2]), 4)
    (0.7708, 0.5545)
    """
    n, groups, noncentrality = _groups(n_per_group, rho, effects)
    over, under = groups - 1, groups * n - groups - 1
    x, w = legendre(80)
    angle = min(np.pi / 2, 10 / np.sqrt(groups * n)) * x  # B = cos^2 of it
    weights = w * np.cos(angle) ** (groups * n - 3)
    critical = fdtri(over, under, 1 - float(prevalence(level, "level")))
    below = ncfdtr(over, under, noncentrality * np.cos(angle) ** 2, critical)
    return float(1 - weights @ below / weights.sum())


def _groups(n_per_group: ArrayLike, rho: float, effects: ArrayLike) -> tuple[int, int, float]:
    """Patients per group, number of groups, and noncentrality with known slope."""
    n, effect, r = int(whole(n_per_group, "n_per_group", 2)), finite(effects, "effects"), float(correlation(rho))
    require(effect.ndim == 1 and effect.size >= 2, "effects: give the mean of each group, two or more")
    return n, effect.size, float(n * np.square(effect - effect.mean()).sum() / ((1 - r) * (1 + r)))


# Symbolic: series of the noncentral t and F, with the variances of T2.


def _series(n: int, rho: float, d: float, analysis: str, m: int, rho_rr: float | None, level: float) -> float:
    from theory.numerics import symbolic

    rule = {"ttest": "single", "change": "meandiff", "ancova": "optimal"}[analysis]
    factor = symbolic.evaluate(symbolic_factor(rho, rho if rho_rr is None else rho_rr, m, rule))
    return power_series(int(n), factor, d, analysis == "ancova", level)


def _symbolic_power(
    n_per_group: int, rho: float, d: float, analysis: str, m: int = 1, rho_rr: float | None = None, level: float = 0.05
) -> float:
    return _series(n_per_group, rho, d, analysis, m, rho_rr, level)


def _symbolic_approximation(
    n_per_group: int, rho: float, d: float, analysis: str, m: int = 1, rho_rr: float | None = None, level: float = 0.05
) -> float:
    """Power of a normal statistic of known variance, by integrating its density, minus the series."""
    import mpmath as mp  # type: ignore[import-untyped]

    from theory.numerics import symbolic

    rule = {"ttest": "single", "change": "meandiff", "ancova": "optimal"}[analysis]
    factor = mp.mpf(symbolic.evaluate(symbolic_factor(rho, rho if rho_rr is None else rho_rr, m, rule)))
    centre, bound = mp.mpf(d) * mp.sqrt(n_per_group / (2 * factor)), mp.findroot(lambda z: mp.ncdf(-z) - mp.mpf(level) / 2, 2)
    inside = mp.quad(lambda z: mp.npdf(z, centre), [-bound, 0, bound])
    return float(1 - inside) - _series(n_per_group, rho, d, analysis, m, rho_rr, level)


def _symbolic_n(
    rho: float, d: float, analysis: str, power: float = 0.8, level: float = 0.05, m: int = 1, rho_rr: float | None = None
) -> float:
    return float(next(n for n in range(2, _MOST) if _series(n, rho, d, analysis, m, rho_rr, level) >= power))


def _symbolic_paired(n: int, rho: float, d: float, level: float = 0.05) -> float:
    import mpmath as mp  # type: ignore[import-untyped]

    return noncentral_series(1, int(n) - 1, mp.mpf(d) ** 2 * int(n) / (2 * (1 - mp.mpf(rho))), level)


def _symbolic_f(n_per_group: int, rho: float, effects: ArrayLike, level: float = 0.05) -> float:
    n, groups, noncentrality = _groups(n_per_group, rho, effects)
    return noncentral_series(groups - 1, groups * n - groups - 1, noncentrality, level, (groups * n - 2) / 2)


# Raw simulation: whole trials, every patient with m references, fitted one by one.


def _trials(params: Params, n: int, replicates: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Queries and mean references of simulated trials, shape (trials, group, patient)."""
    m, between = int(params["m"]), params.get("rho_rr")
    model = t2.images_covariance(params["rho"], params["rho"] if between is None else between, m)
    images = rng.standard_normal((replicates, 2, n, m + 1)) @ covariance_root(model).T
    images[:, 1, :, 0] += params["d"]
    return images[..., 0], images[..., 1:].mean(axis=-1)


def _rejects(params: Params, query: Floats, reference: Floats) -> np.ndarray:
    if params["analysis"] == "ancova":
        return ancova_rejects(query, reference, params["level"])
    outcome, n = query - reference * (params["analysis"] == "change"), query.shape[2]
    standard_error = np.sqrt(outcome.var(axis=2, ddof=1).mean(axis=1) * 2 / n)
    return np.abs(np.diff(outcome.mean(axis=2))[:, 0]) / standard_error > stdtrit(2 * n - 2, 1 - params["level"] / 2)


def _simulate_power(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return _rejects(params, *_trials(params, int(params["n_per_group"]), replicates, rng))


def _simulate_approximation(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """The same trials tested by an observer who knows slope and variance, and by one who estimates them."""
    query, reference = _trials(params, int(params["n_per_group"]), replicates, rng)
    m, between, n = int(params["m"]), params.get("rho_rr"), query.shape[2]
    model = t2.images_covariance(params["rho"], params["rho"] if between is None else between, m)
    slope = {"ttest": 0.0, "change": 1.0}.get(params["analysis"])
    if slope is None:
        slope = float(model[0, 1:].sum() / model[1:, 1:].sum() * m)  # regression of the query on the mean reference
    contrast = np.append(1.0, np.full(m, -slope / m))
    effect = np.diff((query - slope * reference).mean(axis=2))[:, 0]
    known = np.abs(effect) > ndtri(1 - params["level"] / 2) * np.sqrt(2 * contrast @ model @ contrast / n)
    return known.astype(float) - _rejects(params, query, reference)


def _simulate_n(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """The smallest n at which enough of simulated trials reject."""
    found = []
    for _ in range(replicates):
        n = 2
        while _rejects(params, *_trials(params, n, _TRIALS, rng)).mean() < params["power"]:
            n += 1
        found.append(n)
    return np.array(found, dtype=float)


def _simulate_paired(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    n, rho = int(params["n"]), params["rho"]
    both = rng.standard_normal((replicates, n, 2)) @ covariance_root([[1.0, rho], [rho, 1.0]]).T
    gap = both[..., 1] + params["d"] - both[..., 0]
    return np.abs(gap.mean(axis=1)) > stdtrit(n - 1, 1 - params["level"] / 2) * gap.std(axis=1, ddof=1) / np.sqrt(n)


def _simulate_f(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Compare the residuals of least squares with and without the groups."""
    n, effects, rho = int(params["n_per_group"]), np.asarray(params["effects"], dtype=np.float64), params["rho"]
    groups = len(effects)
    both = rng.standard_normal((replicates, groups, n, 2)) @ covariance_root([[1.0, rho], [rho, 1.0]]).T
    query, reference = both[..., 0] + effects[:, None], both[..., 1]

    def _residual(axes: tuple[int, ...]) -> Floats:
        y, x = (values - values.mean(axis=axes, keepdims=True) for values in (query, reference))
        return np.square(y).sum(axis=(1, 2)) - (x * y).sum(axis=(1, 2)) ** 2 / np.square(x).sum(axis=(1, 2))

    with_groups, without = _residual((2,)), _residual((1, 2))
    freedom = groups * n - groups - 1
    ratio = (without - with_groups) / (groups - 1) / (with_groups / freedom)
    return ratio > fdtri(groups - 1, freedom, 1 - params["level"])


_N = number("n_per_group", "patients per group, 2 or more")
_RHO, _D = number("rho", "correlation of the query with each reference"), number("d", "true effect in standard deviations")
_ANALYSIS, _LEVEL = choice("analysis", "the analysis", ANALYSES), number("level", "two-sided level", 0.05)
_REFERENCES = (number("m", "references per patient", 1), number("rho_rr", "correlation of the references; rho when not given", None))
_POINTS = (
    *grid(n_per_group=[4], rho=[0.8], d=[1.2], analysis=ANALYSES),
    *grid(n_per_group=[2, 10], rho=[-0.5], d=[2.0], analysis=["ancova"], level=[0.01]),
    *grid(n_per_group=[6], rho=[0.5], d=[1.0], analysis=["change", "ancova"], m=[4], rho_rr=[0.7]),
)


def _draws(params: Params) -> int:
    return int(4 * params["n_per_group"] * (params["m"] + 1))


STATEMENT = Statement(
    "T15",
    "Exact power in small trials",
    "ANCOVA and paired tests in small trials: noncentral t and F, and what the normal approximation promises too much.",
    (
        Quantity(
            "power",
            "power of the two-sided test of the effect with m references per patient, exact",
            (_N, _RHO, _D, _ANALYSIS, *_REFERENCES, _LEVEL),
            power,
            _symbolic_power,
            _simulate_power,
            _POINTS,
            draws=_draws,
            symbolic_tolerance=QUADRATURE,
            mcse=1e-3,
        ),
        Quantity(
            "approximation_error",
            "power by the normal approximation minus the exact power",
            (_N, _RHO, _D, _ANALYSIS, *_REFERENCES, _LEVEL),
            approximation_error,
            _symbolic_approximation,
            _simulate_approximation,
            _POINTS,
            tally=PairedTally,
            draws=_draws,
            symbolic_tolerance=QUADRATURE,
            mcse=1e-3,
        ),
        Quantity(
            "n_exact",
            "smallest number of patients per group with the wanted power, exact",
            (_RHO, _D, _ANALYSIS, number("power", "wanted power", 0.8), _LEVEL, *_REFERENCES),
            n_exact,
            _symbolic_n,
            _simulate_n,
            (*grid(rho=[0.8], d=[1.2], analysis=ANALYSES[1:]), *grid(rho=[0.0], d=[2.0], analysis=ANALYSES)),
            tally=MeanTally,
            draws=lambda params: 40 * _TRIALS,
            block=_TRIALS,
            allowance=lambda params: 0.5,  # of a whole number whose power is near the wanted one
            mcse=0.2,
        ),
        Quantity(
            "paired_power",
            "power of the paired t test on n pairs",
            (number("n", "pairs, 2 or more"), number("rho", "correlation of the two measurements of a unit"), _D, _LEVEL),
            paired_power,
            _symbolic_paired,
            _simulate_paired,
            (*grid(n=[2, 5], rho=[0.9, -0.5], d=[1.0]), *grid(n=[3], rho=[0.5], d=[0.0, 4.0])),
            draws=lambda params: 4 * int(params["n"]),
            symbolic_tolerance=QUADRATURE,
            mcse=1e-3,
        ),
        Quantity(
            "f_power",
            "power of the F test of several groups with the reference as covariate, exact",
            (_N, number("rho", "correlation of query and reference within a group"), vector("effects", "mean of each group"), _LEVEL),
            f_power,
            _symbolic_f,
            _simulate_f,
            (
                *grid(n_per_group=[2, 6], rho=[0.8], effects=[[0.0, 0.6, 1.2]]),
                *grid(n_per_group=[3], rho=[-0.3], effects=[[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 3.0]]),
            ),
            draws=lambda params: 4 * int(params["n_per_group"]) * len(params["effects"]),
            symbolic_tolerance=QUADRATURE,
            mcse=1e-3,
        ),
    ),
)
