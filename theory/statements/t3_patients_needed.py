r"""T3 with several references per patient, and the sample size per group.

ANCOVA on the mean of m references has scaled variance :math:`v^*\frac{N-3}{N-4}`, :math:`v^*` from T2. For two-sided level
:math:`\alpha` and power :math:`1-\beta`, :math:`n=2(z_{1-\alpha/2}+z_{1-\beta})^2\,v/d^2` per group (normal approximation).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from theory.numerics.montecarlo import MeanTally, covariance_root
from theory.numerics.validation import Floats, correlation, finite, one_of, prevalence, require, whole
from theory.numerics.vectorize import elementwise
from theory.statements import t2_several_references as t2
from theory.statements.base import Params, Quantity
from theory.statements.parameters import choice, grid, number
from theory.statements.t3_sample_size import ANALYSES, exact_power, symbolic_ancova_inflation

STATEMENT_ID = "T3"
_TRIAL = 100  # patients per group of the simulated trials behind n_for_power; it is linear in the variance that they estimate
_SMALL = 20  # with fewer patients, a trial needs noticeably more than the normal approximation says
_FEWEST = 2  # per group: degrees of freedom for an error


def ancova_m_var(n_per_group: ArrayLike, rho: ArrayLike, rho_rr: ArrayLike, m: ArrayLike) -> Floats:
    r"""Variance of the effect estimated by ANCOVA on the mean of m references, exact under normality:
    :math:`\mathrm{Var}(\hat\delta)\,n/(2\sigma^2)=v^*\frac{N-3}{N-4}`.

    Examples
    --------
    >>> float(ancova_m_var(10, 0.6, 0.6, 1))
    0.68
    """
    total = 2 * whole(n_per_group, "n_per_group", 3)
    return t2.variance(rho, rho_rr, m, "optimal") * (total - 3) / (total - 4)


@elementwise
def n_for_power(
    rho: float, d: float, analysis: str, power: float = 0.8, level: float = 0.05, m: int = 1, rho_rr: float | None = None
) -> float:
    r"""Patients per group that a trial needs by the normal approximation (round up): :math:`2(z_{1-\alpha/2}+z_{1-\beta})^2v/d^2`. It falls
    short by about :math:`z_{1-\alpha/2}^2/4` patients (T15.2), which matters in small trials.

    Examples
    --------
    >>> round(n_for_power(0.7, 0.5, "ancova"), 2)
    32.02
    """
    effect, rho = float(finite(d, "d")), float(correlation(rho))
    require(effect != 0, "d = 0: no number of patients shows an effect that is not there")
    of_level, of_power = float(prevalence(level, "level")), float(prevalence(power, "power"))
    return float(2 * (ndtri(1 - of_level / 2) + ndtri(of_power)) ** 2 * scaled_factor(rho, analysis, m, rho_rr) / effect**2)


def scaled_factor(rho: float, analysis: str, m: int = 1, rho_rr: float | None = None) -> float:
    """Scaled variance of an analysis with m references per patient, ANCOVA's with a known slope."""
    one_of(analysis, "analysis", ANALYSES)
    between = rho if rho_rr is None else float(finite(rho_rr, "rho_rr"))
    rule = {"change": "meandiff", "ancova": "optimal"}.get(analysis)
    t2.mean_variance(m, between, rho)
    return float(t2.variance(rho, between, m, rule)) if rule else 1.0


def needed_caveat(params: Params) -> str:
    """Caveat of the normal approximation below 20 patients per group, with the power that they have; empty from there on."""
    n = math.ceil(n_for_power(**params))
    if n >= _SMALL:
        return ""
    if n < _FEWEST:
        return f"a normal approximation: {n} per group leave no degrees of freedom; ask T15 n_exact"
    wanted = params.get("power", 0.8)
    return f"a normal approximation: {n} per group have power {_exact_power(n, **params):.3f}, not {wanted:g}; ask T15 n_exact"


def _exact_power(
    n: int, rho: float, d: float, analysis: str, power: float = 0.8, level: float = 0.05, m: int = 1, rho_rr: float | None = None
) -> float:
    return float(exact_power(n, scaled_factor(rho, analysis, m, rho_rr), d, analysis == "ancova", level))


def symbolic_factor(rho: float, rho_rr: float, m: int, rule: str):  # type: ignore[no-untyped-def]
    """Derived variance of a rule on the mean of m references."""
    from theory.numerics import symbolic

    v, names = t2.symbolic_variance()
    chosen = v.subs(names["w"], {"single": 0, "meandiff": 1}.get(rule, t2.symbolic_optimal_weight()))
    return chosen.subs({names["rho"]: symbolic.exact(rho), names["rho_rr"]: symbolic.exact(rho_rr), names["m"]: int(m)})


def _symbolic_ancova_m(n_per_group: int, rho: float, rho_rr: float, m: int) -> float:
    from theory.numerics import symbolic

    inflation, total = symbolic_ancova_inflation()
    return symbolic.evaluate(symbolic_factor(rho, rho_rr, m, "optimal") * inflation, {total: 2 * n_per_group})


def _symbolic_n(
    rho: float, d: float, analysis: str, power: float = 0.8, level: float = 0.05, m: int = 1, rho_rr: float | None = None
) -> float:
    """Solve for the n at which a normal statistic passes its critical value with the wanted power."""
    import mpmath as mp  # type: ignore[import-untyped]

    from theory.numerics import symbolic

    rule = {"ttest": "single", "change": "meandiff", "ancova": "optimal"}[analysis]
    factor = symbolic.evaluate(symbolic_factor(rho, rho if rho_rr is None else rho_rr, m, rule))
    critical = mp.findroot(lambda z: 1 - mp.ncdf(z) - mp.mpf(level) / 2, 2)

    def _lack(root_n: mp.mpf) -> mp.mpf:
        return mp.ncdf(root_n * abs(mp.mpf(d)) / mp.sqrt(2 * mp.mpf(factor)) - critical) - mp.mpf(power)

    return float(mp.findroot(_lack, math.sqrt(2 * factor) * 3 / abs(d)) ** 2)


# Raw simulation: whole trials, every patient with m references, fitted one by one.


def _effects(params: Params, n: int, analysis: str, trials: int, rng: np.random.Generator) -> Floats:
    m, rho = int(params["m"]), params["rho"]
    between = params.get("rho_rr")
    model = t2.images_covariance(rho, rho if between is None else between, m)
    images = rng.standard_normal((trials, 2, n, m + 1)) @ covariance_root(model).T
    query, reference = images[..., 0], images[..., 1:].mean(axis=-1)
    effect, reference_effect = np.diff(query.mean(axis=2))[:, 0], np.diff(reference.mean(axis=2))[:, 0]
    if analysis != "ancova":
        return effect - reference_effect * (analysis == "change")
    within_query, within_reference = (x - x.mean(axis=2, keepdims=True) for x in (query, reference))
    slope = (within_query * within_reference).sum(axis=(1, 2)) / np.square(within_reference).sum(axis=(1, 2))
    return effect - slope * reference_effect


def _simulate_ancova_m(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    n = int(params["n_per_group"])
    return np.square(_effects(params, n, "ancova", replicates, rng)) * n / 2


def _simulate_n(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """The n that the squared errors of estimated effects ask for, trial by trial; it is linear in their variance."""
    wanted = ndtri(1 - params["level"] / 2) + ndtri(params["power"])
    return np.square(_effects(params, _TRIAL, params["analysis"], replicates, rng) * wanted / params["d"]) * _TRIAL


def _fast_ancova_m(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    v = float(t2.variance(params["rho"], params["rho_rr"], params["m"], "optimal"))
    slope_noise = rng.chisquare(1, replicates) / rng.chisquare(2 * params["n_per_group"] - 2, replicates)
    return np.square(rng.standard_normal(replicates)) * v * (1 + slope_noise)


_RHO, _M = number("rho", "correlation of the query with each reference"), number("m", "references per patient, 1 or more")

QUANTITIES = (
    Quantity(
        "ancova_m_var",
        "variance of the effect estimated by ANCOVA on the mean of m references, in units of 2 sigma^2 / n",
        (number("n_per_group", "patients per group, 3 or more"), _RHO, number("rho_rr", "correlation of the references"), _M),
        ancova_m_var,
        _symbolic_ancova_m,
        _simulate_ancova_m,
        (*grid(n_per_group=[10], rho=[0.6], rho_rr=[0.6], m=[1, 4]), *grid(n_per_group=[5], rho=[-0.3, 0.0], rho_rr=[0.2], m=[3, 20])),
        tally=MeanTally,
        fast=_fast_ancova_m,
        draws=lambda params: int(4 * params["n_per_group"] * (params["m"] + 1)),
        mcse=2e-3,
    ),
    Quantity(
        "n_for_power",
        "patients per group that a trial needs (normal approximation; round up)",
        (
            _RHO,
            number("d", "true effect in standard deviations"),
            choice("analysis", "the analysis", ANALYSES),
            number("power", "wanted power", 0.8),
            number("level", "two-sided level", 0.05),
            number("m", "references per patient", 1),
            number("rho_rr", "correlation of the references; rho when not given", None),
        ),
        n_for_power,
        _symbolic_n,
        _simulate_n,
        (*grid(rho=[0.7], d=[0.5], analysis=ANALYSES), {"rho": 0.4, "d": 0.3, "analysis": "ancova", "m": 4, "power": 0.9}),
        tally=MeanTally,
        draws=lambda params: int(4 * _TRIAL * (params["m"] + 1)),
        allowance=lambda params: 0.006 * n_for_power(**params) if params["analysis"] == "ancova" else 0.0,
        caveat=needed_caveat,
        mcse=0.4,
    ),
)
