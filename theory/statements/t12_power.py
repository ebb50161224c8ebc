r"""T12.8: how many cases a comparison of the single image with the pair needs, by AUROC (DeLong), and by accuracy or sensitivity (McNemar).

With :math:`p_{10},p_{01}` the chances that only the pair, or only the single image, is right, McNemar's test needs
:math:`N=\frac{(z_{1-\alpha/2}\sqrt{p_{10}+p_{01}}+z_{1-\beta}\sqrt{p_{10}+p_{01}-(p_{10}-p_{01})^2})^2}{(p_{10}-p_{01})^2}` cases in all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from theory.numerics.gaussian import auc_of
from theory.numerics.montecarlo import MeanTally, RatioTally
from theory.numerics.quadrature import bivariate_normal_cdf
from theory.numerics.validation import Floats, finite, positive, prevalence, require, share
from theory.statements import t1_univariate_rules as t1
from theory.statements import t12_formulas as closed
from theory.statements import t12_further_theorems as further
from theory.statements.base import QUADRATURE, Params, Quantity
from theory.statements.parameters import grid, number

STATEMENT_ID = "T12"


def single_right_pair_wrong(d: ArrayLike, rho: ArrayLike, w: ArrayLike) -> Floats:
    r"""Probability that the single image is right where the pair is wrong: :math:`\Phi(\frac d2)-\Phi_2(\frac d2,\frac D2;r)`.

    Examples
    --------
    >>> float(single_right_pair_wrong(1.0, 0.6, 0.6))
    0.06727
    """
    single, paired = (t1.separation(d, rho, weight) / 2 for weight in ("single", finite(w, "w")))
    return ndtr(single) - bivariate_normal_cdf(single, paired, closed.score_correlation(rho, w))


def _quantiles(power: ArrayLike, level: ArrayLike) -> tuple[Floats, Floats]:
    return ndtri(1 - prevalence(level, "level") / 2), ndtri(prevalence(power, "power"))


def n_for_auc(d: ArrayLike, rho: ArrayLike, w: ArrayLike, power: ArrayLike = 0.8, level: ArrayLike = 0.05) -> Floats:
    r"""Cases per class at which DeLong's test shows the difference of the two AUROCs:
    :math:`\big((z_{1-\alpha/2}+z_{1-\beta})\,s/g\big)^2`, s its standard deviation at one case per class and g the gain in AUROC.

    Examples
    --------
    >>> int(np.ceil(n_for_auc(1.0, 0.6, 0.6)))
    142
    """
    gain = auc_of(t1.separation(d, rho, finite(w, "w"))) - auc_of(positive(d, "d"))
    require(np.abs(gain) > 1e-12, "d, rho, w: single image and pair have the same AUROC, no number of cases shows a difference")
    return np.square(sum(_quantiles(power, level)) * closed.dAUC_sd(d, rho, w, 1) / gain)


def n_for_accuracy(d: ArrayLike, rho: ArrayLike, w: ArrayLike, power: ArrayLike = 0.8, level: ArrayLike = 0.05) -> Floats:
    """Cases in all at which McNemar's test shows the difference in accuracy: N of the module's formula.

    Examples
    --------
    >>> round(float(n_for_accuracy(1.0, 0.6, 0.6)))
    765
    """
    better, worse = closed.pair_right_single_wrong(d, rho, w), single_right_pair_wrong(d, rho, w)
    message = "d, rho, w: single image and pair have the same accuracy, no number of cases shows a difference"
    return _mcnemar_cases(better, worse, message, _quantiles(power, level))


def n_for_sensitivity(
    d: ArrayLike, rho: ArrayLike, w: ArrayLike, specificity: ArrayLike = 0.9, power: ArrayLike = 0.8, level: ArrayLike = 0.05
) -> Floats:
    r"""Diseased cases at which McNemar's test shows the difference in sensitivity, thresholds known: N of the module's formula with
    :math:`p_{10}=\Phi(D-z)-\Phi_2(d-z,D-z;r)` and :math:`p_{01}` symmetrically.

    Examples
    --------
    >>> round(float(n_for_sensitivity(1.0, 0.6, 0.6)))
    174
    """
    z = ndtri(share(specificity, "specificity"))
    single, paired = t1.separation(d, rho, "single") - z, t1.separation(d, rho, finite(w, "w")) - z
    both = bivariate_normal_cdf(single, paired, closed.score_correlation(rho, w))
    message = "d, rho, w: single image and pair have the same sensitivity, no number of cases shows a difference"
    return _mcnemar_cases(ndtr(paired) - both, ndtr(single) - both, message, _quantiles(power, level))


def _mcnemar_cases(better: Floats, worse: Floats, message: str, quantiles: tuple[Floats, Floats]) -> Floats:
    gain, either = better - worse, better + worse
    require(np.abs(gain) > 1e-12, message)
    of_level, of_power = quantiles
    return np.square((of_level * np.sqrt(either) + of_power * np.sqrt(either - gain**2)) / gain)


# Symbolic: the same tests from discordances and DeLong's covariances that are integrated, not looked up.


def _symbolic_discordant(d: float, rho: float, w: float) -> float:
    distance = further.symbolic_distance(d, rho, w)
    return further.symbolic_both_below(d / 2, 12.0, 0.0) - further.symbolic_both_below(
        d / 2, distance / 2, further.symbolic_score_correlation(rho, w)
    )


def _symbolic_quantiles(power: float, level: float) -> tuple[float, float]:
    import mpmath as mp  # type: ignore[import-untyped]

    def _quantile(chance: float) -> float:
        return float(mp.sqrt(2) * mp.erfinv(2 * mp.mpf(chance) - 1))

    return -_quantile(level / 2), _quantile(power)


def _symbolic_n_auc(d: float, rho: float, w: float, power: float = 0.8, level: float = 0.05) -> float:
    from theory.numerics import symbolic

    distance = further.symbolic_distance(d, rho, w)
    gain = symbolic.evaluate(symbolic.auc(symbolic.exact(distance)) - symbolic.auc(symbolic.exact(d)))
    return float((sum(_symbolic_quantiles(power, level)) * further.symbolic_dauc(d, rho, w, 1) / gain) ** 2)


def _symbolic_n_accuracy(d: float, rho: float, w: float, power: float = 0.8, level: float = 0.05) -> float:
    return _solve_mcnemar(further.symbolic_discordant(d, rho, w), _symbolic_discordant(d, rho, w), power, level)


def _symbolic_n_sensitivity(d: float, rho: float, w: float, specificity: float = 0.9, power: float = 0.8, level: float = 0.05) -> float:
    import mpmath as mp  # type: ignore[import-untyped]

    z = float(mp.sqrt(2) * mp.erfinv(2 * mp.mpf(specificity) - 1))
    single, paired, r = d - z, further.symbolic_distance(d, rho, w) - z, further.symbolic_score_correlation(rho, w)
    both = further.symbolic_both_below(single, paired, r)
    better, worse = (further.symbolic_both_below(x, 12.0, 0.0) - both for x in (paired, single))
    return _solve_mcnemar(better, worse, power, level)


def _solve_mcnemar(better: float, worse: float, power: float, level: float) -> float:
    """Solve for the N at which the signed count of discordant cases passes its critical value with the wanted power."""
    import mpmath as mp

    critical, wanted = _symbolic_quantiles(power, level)
    gain, either = abs(better - worse), better + worse

    def _lack(n: mp.mpf) -> mp.mpf:
        return mp.sqrt(n) * gain - critical * mp.sqrt(either) - wanted * mp.sqrt(either - gain**2)

    return float(mp.findroot(_lack, 4 * either / gain**2))


# Raw simulation: whole data sets and the tests on them.


def _simulate_discordant(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    single, pair = _right(params, replicates, rng)
    return single & ~pair


def _right(params: Params, cases: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    diseased = rng.random(cases) < 0.5
    query, reference = t1.draw_pairs(cases, params["rho"], rng).T
    query = query + params["d"] * diseased
    half = params["d"] / 2
    return (query > half) == diseased, (query - params["w"] * reference > half) == diseased


def _simulate_score_correlation(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Covariance of both scores over the geometric mean of their variances, each patient against the variances of a large sample."""
    query, reference = t1.draw_pairs(replicates, params["rho"], rng).T
    pair = query - params["w"] * reference
    balance = float(np.std(pair) / np.std(query))
    return np.column_stack([query * pair / balance, (np.square(query) + np.square(pair / balance)) / 2])


def _simulate_n_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Compare two data sets each: half their squared distance estimates the variance, their product the squared gain."""
    sets = {**params, "n_per_class": _CASES}
    one, other = (further.simulate_dauc(sets, replicates, rng) for _ in range(2))
    wanted = sum(_quantiles(params["power"], params["level"]))
    return np.column_stack([_CASES * np.square(wanted * (one - other)) / 2, one * other])


def _simulate_n_accuracy(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return np.array([_cases_needed(*_right(params, _BLOCK, rng), params) for _ in range(replicates)])


def _simulate_n_sensitivity(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    z, rho, w = ndtri(params["specificity"]), params["rho"], params["w"]
    weights = np.array([1.0, -w])
    spread = float(np.sqrt(weights @ np.array([[1.0, rho], [rho, 1.0]]) @ weights))
    needed = []
    for _ in range(replicates):
        diseased = t1.draw_pairs(_BLOCK, rho, rng)
        diseased[:, 0] += params["d"]
        needed.append(_cases_needed(diseased[:, 0] > z, diseased @ weights > z * spread, params))
    return np.array(needed)


def _cases_needed(single: np.ndarray, pair: np.ndarray, params: Params) -> float:
    """Sample size that follows from the counted discordances."""
    of_level, of_power = _quantiles(params["power"], params["level"])
    better, worse = np.mean(pair & ~single), np.mean(single & ~pair)
    gain, either = better - worse, better + worse
    return float(((of_level * np.sqrt(either) + of_power * np.sqrt(either - gain**2)) / gain) ** 2)


_CASES, _BLOCK = 100, 200_000  # cases per class of a simulated data set; patients per estimate of the two discordances
_PAIR = (
    number("d", "effect in standard deviations"),
    number("rho", "correlation of query and reference"),
    number("w", "weight on the reference"),
)
_TEST = (*_PAIR, number("power", "wanted power", 0.8), number("level", "two-sided level", 0.05))

QUANTITIES = (
    Quantity(
        "single_right_pair_wrong",
        "how often the single image is right where the pair is wrong",
        _PAIR,
        single_right_pair_wrong,
        _symbolic_discordant,
        _simulate_discordant,
        (*grid(d=[1.0], rho=[0.6], w=[0.6, 1.0]), *grid(d=[1.0], rho=[-0.5], w=[-0.5])),
        symbolic_tolerance=QUADRATURE,
    ),
    Quantity(
        "n_for_auc",
        "cases per class at which DeLong's test shows the difference of the AUROCs (first order; round up)",
        _TEST,
        n_for_auc,
        _symbolic_n_auc,
        _simulate_n_auc,
        (*grid(d=[1.0], rho=[0.6], w=[0.6]), *grid(d=[1.0], rho=[0.8], w=[1.0], power=[0.9])),
        tally=RatioTally,
        draws=lambda params: 24 * _CASES,
        symbolic_tolerance=QUADRATURE,
        relative_allowance=0.08,
        caveat=lambda params: (
            "first order: below 100 cases per class its variance may be off by more than 8 %" if n_for_auc(**params) < _CASES else ""
        ),
        mcse=1.0,
    ),
    Quantity(
        "n_for_accuracy",
        "cases in all at which McNemar's test shows the difference in accuracy (round up)",
        _TEST,
        n_for_accuracy,
        _symbolic_n_accuracy,
        _simulate_n_accuracy,
        grid(d=[1.0], rho=[0.6, 0.8], w=[0.6]),
        tally=MeanTally,
        draws=lambda params: 8 * _BLOCK,
        block=_BLOCK,
        symbolic_tolerance=QUADRATURE,
        relative_allowance=0.01,
        mcse=6.0,
    ),
    Quantity(
        "n_for_sensitivity",
        "diseased cases at which McNemar's test shows the difference in sensitivity at a given specificity (round up)",
        (*_PAIR, number("specificity", "where sensitivities are compared", 0.9), *_TEST[3:]),
        n_for_sensitivity,
        _symbolic_n_sensitivity,
        _simulate_n_sensitivity,
        (*grid(d=[1.0], rho=[0.6, 0.8], w=[0.6]), *grid(d=[1.0], rho=[0.9], w=[1.0], specificity=[0.5], power=[0.9])),
        tally=MeanTally,
        draws=lambda params: 6 * _BLOCK,
        block=_BLOCK,
        symbolic_tolerance=QUADRATURE,
        relative_allowance=0.01,
        mcse=2.0,
    ),
    Quantity(
        "score_correlation",
        "correlation of the single and the paired score within a class",
        _PAIR[1:],
        closed.score_correlation,
        further.symbolic_score_correlation,
        _simulate_score_correlation,
        grid(rho=[-0.5, 0.0, 0.6, 0.95], w=[0.0, 0.6, 1.0]),
        tally=RatioTally,
        mcse=2e-3,
    ),
)
