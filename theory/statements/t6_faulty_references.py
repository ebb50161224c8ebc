r"""T6: references that are diseased, or swapped with the query, under a rule that does not know the faults.

The rule scores :math:`T_w = X_q - wX_r` against the threshold that is Bayes' for clean data (:math:`\delta/2` at equal priors),
:math:`D = D_w` (T1).

* A reference is diseased with probability :math:`\varepsilon`: the score falls by :math:`w\delta`.
* Query and reference are swapped with probability :math:`\eta`: the score becomes :math:`X_r - wX_q`.

The optimal rule (w = rho) suffers less, since only :math:`w\delta` leaks. Errors are linear in the rate, which gives the break-even
rate against the single image. The harm comes from not knowing: a rule that knows the rate is never worse than the single image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, ndtr

from theory.numerics.gaussian import prior_shift
from theory.numerics.montecarlo import RatioTally, log_likelihood_ratio
from theory.numerics.validation import Floats, finite, non_negative, one_of, positive, prevalence, probability, require, whole
from theory.numerics.vectorize import elementwise
from theory.statements import t1_univariate_rules as t1
from theory.statements import t2_several_references as t2
from theory.statements.base import Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number

if TYPE_CHECKING:
    import sympy as sp

FAULTS = ("diseased", "swap")


def faulty_error(d: ArrayLike, rho: ArrayLike, w: ArrayLike, fault: str, pi: ArrayLike = 0.5) -> Floats:
    """Error when every reference is faulty."""
    one_of(fault, "fault", FAULTS)
    distance, w, pi = t1.separation(d, rho, finite(w, "w")), finite(w, "w"), prevalence(pi)
    threshold_shift = prior_shift(distance, pi)
    if fault == "diseased":
        return (1 - pi) * ndtr(-distance * (0.5 + w) - threshold_shift) + pi * ndtr(-distance * (0.5 - w) + threshold_shift)
    return (1 - pi) * ndtr(-distance / 2 - threshold_shift) + pi * ndtr(distance * (0.5 + w) + threshold_shift)


def error(d: ArrayLike, rho: ArrayLike, w: ArrayLike, fault: str, rate: ArrayLike, pi: ArrayLike = 0.5) -> Floats:
    """Error when a share of the references is faulty (T6.1, T6.2): (1 - rate) times the error of clean references (T1.4) plus rate times
    `faulty_error`.

    Examples
    --------
    >>> float(error(1.5, 0.8, 1.0, "diseased", 0.2))
    0.18251
    """
    rate = probability(rate, "rate")
    return (1 - rate) * t1.error(d, rho, finite(w, "w"), pi) + rate * faulty_error(d, rho, w, fault, pi)


def auc(d: ArrayLike, rho: ArrayLike, w: ArrayLike, fault: str, rate: ArrayLike) -> Floats:
    """AUROC when a share of the references is faulty (T6.1, T6.2).

    Examples
    --------
    >>> float(auc(1.5, 0.8, 0.8, "swap", 0.1))
    0.87317
    """
    one_of(fault, "fault", FAULTS)
    rate, w = probability(rate, "rate"), finite(w, "w")
    scaled = t1.separation(d, rho, w) / np.sqrt(2)
    if fault == "diseased":
        mixed = ndtr(scaled * (1 - w)) + ndtr(scaled * (1 + w))
        return ((1 - rate) ** 2 + rate**2) * ndtr(scaled) + rate * (1 - rate) * mixed
    return (1 - rate) * ndtr(scaled) + rate * ndtr(-w * scaled)


def break_even(d: ArrayLike, rho: ArrayLike, w: ArrayLike, fault: str, pi: ArrayLike = 0.5) -> Floats:
    """Rate of faults from which the reference no longer helps (T6.3).

    Examples
    --------
    >>> float(break_even(1.5, 0.8, 1.0, "diseased"))
    0.3365
    """
    w = finite(w, "w")
    require((w != 0) & (positive(d, "d") > 0), "w = 0: a rule that ignores the reference has no break-even rate")
    clean = t1.error(d, rho, w, pi)
    return (t1.error(d, rho, "single", pi) - clean) / (faulty_error(d, rho, w, fault, pi) - clean)


@elementwise
def m_refs_error(d: float, rho: float, m: int, rate: float, pi: float = 0.5) -> float:
    """Error of the mean difference to m references, each diseased at a rate (T6.4): that of T6.1 with shift k/m, averaged over a binomial
    k.

    Examples
    --------
    >>> float(m_refs_error(1.5, 0.6, 4, 0.2))
    0.18103
    """
    count, rate = int(whole(m, "m", 1)), float(probability(rate, "rate"))
    distance = t2.separation(non_negative(d, "d"), rho, rho, m, "meandiff")
    k = np.arange(count + 1)
    chance = np.diff(bdtr(k, count, rate), prepend=0.0)
    prior, threshold_shift = float(prevalence(pi)), prior_shift(distance, pi)
    wrong = (1 - prior) * ndtr(-distance * (0.5 + k / count) - threshold_shift) + prior * ndtr(
        -distance * (0.5 - k / count) + threshold_shift
    )
    return float(chance @ wrong)


# Symbolic: enumerate the states (query diseased or not, fault or not), with the mean of the score in each.


def _means(w: sp.Expr, d: sp.Expr, fault: str, faulty: bool) -> tuple[sp.Expr, sp.Expr]:
    """Mean score of a healthy and of a diseased patient."""
    swapped, shift = fault == "swap" and faulty, d if fault == "diseased" and faulty else 0
    query_weight, reference_weight = (-w, 1) if swapped else (1, -w)
    return reference_weight * shift, query_weight * d + reference_weight * shift


def _spread(rho: float, w: float) -> sp.Expr:
    import sympy as sp

    from theory.numerics import symbolic

    v, rho_symbol, w_symbol = t1.symbolic_variance()
    return sp.sqrt(v.subs({rho_symbol: symbolic.exact(rho), w_symbol: symbolic.exact(w)}))


def _threshold(effect: sp.Expr, spread: sp.Expr, pi: float) -> sp.Expr:
    """Bayes threshold of a rule that assumes clean references."""
    from theory.numerics import symbolic

    solved, shift, variance, prior = symbolic.bayes_threshold()
    return solved.subs({shift: effect, variance: spread**2, prior: symbolic.exact(pi)})


def _symbolic_state_error(d: float, rho: float, w: float, fault: str, faulty: bool, pi: float = 0.5) -> sp.Expr:
    from theory.numerics import symbolic

    effect, spread, chance = symbolic.exact(d), _spread(rho, w), symbolic.exact(pi)
    threshold = _threshold(effect, spread, pi)
    healthy, diseased = _means(symbolic.exact(w), effect, fault, faulty)
    false_alarms, misses = symbolic.normal_cdf((healthy - threshold) / spread), symbolic.normal_cdf((threshold - diseased) / spread)
    return (1 - chance) * false_alarms + chance * misses


def _symbolic_error(d: float, rho: float, w: float, fault: str, rate: float, pi: float = 0.5) -> float:
    from theory.numerics import symbolic

    chance = symbolic.exact(rate)
    clean, faulty = (_symbolic_state_error(d, rho, w, fault, state, pi) for state in (False, True))
    return symbolic.evaluate((1 - chance) * clean + chance * faulty)


def _symbolic_auc(d: float, rho: float, w: float, fault: str, rate: float) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    chance, weight, spread = symbolic.exact(rate), symbolic.exact(w), _spread(rho, w)
    total = sp.Integer(0)
    for of_diseased in (False, True):
        for of_healthy in (False, True):
            gap = _means(weight, symbolic.exact(d), fault, of_diseased)[1] - _means(weight, symbolic.exact(d), fault, of_healthy)[0]
            odds = (chance if of_diseased else 1 - chance) * (chance if of_healthy else 1 - chance)
            total += odds * symbolic.auc(gap / spread)
    return symbolic.evaluate(total)


def _symbolic_break_even(d: float, rho: float, w: float, fault: str, pi: float = 0.5) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    rate, single = sp.Symbol("rate"), _symbolic_state_error(d, rho, 0.0, "diseased", False, pi)
    clean, faulty = (_symbolic_state_error(d, rho, w, fault, state, pi) for state in (False, True))
    lost = (1 - rate) * clean + rate * faulty - single  # linear in the rate: its root is where it starts over how fast it falls
    return symbolic.evaluate(-lost.subs(rate, 0) / sp.diff(lost, rate))


def _symbolic_m_refs_error(d: float, rho: float, m: int, rate: float, pi: float = 0.5) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    v, names = t2.symbolic_variance()
    r, effect, chance, k = symbolic.exact(rho), symbolic.exact(d), symbolic.exact(rate), sp.Symbol("k")
    spread = sp.sqrt(v.subs({names["w"]: 1, names["rho"]: r, names["rho_rr"]: r, names["m"]: m}))
    shift, threshold, prior = effect * k / m, _threshold(effect, spread, pi), symbolic.exact(pi)
    false_alarms, misses = (symbolic.normal_cdf(x / spread) for x in (-shift - threshold, threshold - effect + shift))
    wrong = (1 - prior) * false_alarms + prior * misses
    return symbolic.evaluate(
        sum((sp.binomial(m, j) * chance**j * (1 - chance) ** (m - j) * wrong.subs(k, j) for j in range(m + 1)), sp.Integer(0))
    )


# Raw simulation: patients with their references, some of which are faulty.


def draw_faulty_pairs(params: Params, diseased: np.ndarray, faulty: np.ndarray, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Queries and references as they are presented: those of faulty pairs swapped, or with a diseased reference."""
    query, reference = t1.draw_pairs(len(diseased), params["rho"], rng).T
    query = query + params["d"] * diseased
    if params["fault"] == "swap":
        return np.where(faulty, reference, query), np.where(faulty, query, reference)
    return query, reference + params["d"] * faulty


def _scores(params: Params, diseased: np.ndarray, faulty: np.ndarray, rng: np.random.Generator) -> Floats:
    query, reference = draw_faulty_pairs(params, diseased, faulty, rng)
    return query - params["w"] * reference


def _called(score: Floats, weights: Floats, model: Floats, params: Params) -> np.ndarray:
    """Diagnosis by Bayes' rule for a score of clean images."""
    ratio = log_likelihood_ratio(score[:, None], np.array([params["d"]]), np.array([[weights @ model @ weights]]))
    return ratio > np.log((1 - params["pi"]) / params["pi"])


def _wrong(params: Params, diseased: np.ndarray, faulty: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    weights, model = np.array([1.0, -params["w"]]), np.array([[1.0, params["rho"]], [params["rho"], 1.0]])
    return _called(_scores(params, diseased, faulty, rng), weights, model, params) != diseased


def _simulate_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased, faulty = rng.random(replicates) < params["pi"], rng.random(replicates) < params["rate"]
    return _wrong(params, diseased, faulty, rng)


def _simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    healthy, diseased = (
        _scores(params, np.full(replicates, label), rng.random(replicates) < params["rate"], rng) for label in (False, True)
    )
    return diseased > healthy


def _simulate_break_even(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Gain from clean references and loss from faulty ones, for each patient."""
    diseased, always = rng.random(replicates) < params["pi"], np.ones(replicates, bool)
    states = ((0.0, ~always), (params["w"], ~always), (params["w"], always))
    wrong = [_wrong({**params, "w": w}, diseased, faulty, rng) for w, faulty in states]
    single, clean, with_fault = np.array(wrong, dtype=float)
    return np.column_stack([single - clean, with_fault - clean])


def _simulate_m_refs_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    m, rho = int(params["m"]), params["rho"]
    diseased = rng.random(replicates) < params["pi"]
    common = np.sqrt(rho) * rng.standard_normal(replicates)
    query = common + np.sqrt(1 - rho) * rng.standard_normal(replicates) + params["d"] * diseased
    references = common[:, None] + np.sqrt(1 - rho) * rng.standard_normal((replicates, m))
    references += params["d"] * (rng.random((replicates, m)) < params["rate"])
    weights, model = np.append(1.0, np.full(m, -1 / m)), rho + (1 - rho) * np.eye(m + 1)
    return _called(query - references.mean(axis=1), weights, model, params) != diseased


# Fast sampling: one normal score per patient, shifted by what the fault does to its mean.


def _fast_scores(params: Params, diseased: np.ndarray, faulty: np.ndarray, rng: np.random.Generator) -> Floats:
    d, w = params["d"], params["w"]
    score = np.sqrt(t1.variance(params["rho"], w)) * rng.standard_normal(len(diseased)) + d * diseased
    if params["fault"] == "swap":
        return score - (1 + w) * d * (diseased & faulty)
    return score - w * d * faulty


def _fast_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased, faulty = rng.random(replicates) < params["pi"], rng.random(replicates) < params["rate"]
    return (_fast_scores(params, diseased, faulty, rng) > _clean_threshold(params, t1.variance(params["rho"], params["w"]))) != diseased


def _clean_threshold(params: Params, variance: Floats) -> float:
    return float(params["d"] / 2 + np.log((1 - params["pi"]) / params["pi"]) * variance / params["d"])


def _fast_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    healthy, diseased = (
        _fast_scores(params, np.full(replicates, label), rng.random(replicates) < params["rate"], rng) for label in (False, True)
    )
    return diseased > healthy


def _fast_m_refs_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    m, d, diseased = int(params["m"]), params["d"], rng.random(replicates) < params["pi"]
    variance = t2.variance(params["rho"], params["rho"], m, "meandiff")
    score = np.sqrt(variance) * rng.standard_normal(replicates) + d * diseased - d * rng.binomial(m, params["rate"], replicates) / m
    return (score > _clean_threshold(params, variance)) != diseased


_RULE = (
    number("d", "effect in standard deviations, 0 or more"),
    number("rho", "correlation of query and reference given the label"),
    number("w", "weight on the reference: 1 difference, rho optimal"),
    choice("fault", "what is wrong with the reference", FAULTS),
)
_RATE = number("rate", "probability of the fault")
_PI = number("pi", "prevalence, strictly between 0 and 1", 0.5)
_PRIORS = grid(d=[1.5], rho=[0.8], w=[0.8, 1.0], fault=FAULTS, rate=[0.1], pi=[1e-3, 0.1, 0.9])
_POINTS = (
    *grid(d=[1.5], rho=[0.8], w=[0.8, 1.0], fault=FAULTS, rate=[0.0, 0.1, 0.2, 1.0]),
    *grid(d=[1.5], rho=[-0.5, 0.0, 0.99], w=[0.5], fault=FAULTS, rate=[0.3]),
)

STATEMENT = Statement(
    "T6",
    "Faulty references",
    "Diseased or swapped references harm a rule that does not know; the optimal rule less than the difference.",
    (
        Quantity(
            "error",
            "error at the threshold that is right for clean references",
            (*_RULE, _RATE, _PI),
            error,
            _symbolic_error,
            _simulate_error,
            (*_POINTS, *_PRIORS),
            fast=_fast_error,
        ),
        Quantity(
            "auc",
            "area under the ROC curve",
            (*_RULE, _RATE),
            auc,
            _symbolic_auc,
            _simulate_auc,
            _POINTS,
            fast=_fast_auc,
            draws=lambda params: 8,
        ),
        Quantity(
            "break_even",
            "rate of faults from which the reference no longer helps",
            (*_RULE, _PI),
            break_even,
            _symbolic_break_even,
            _simulate_break_even,
            (*grid(d=[1.5], rho=[0.8], w=[0.8, 1.0], fault=FAULTS), *grid(d=[1.5], rho=[0.8], w=[0.8], fault=FAULTS, pi=[0.2])),
            tally=RatioTally,
            draws=lambda params: 10,
            mcse=1e-3,
        ),
        Quantity(
            "m_refs_error",
            "error of the mean difference, diseased references",
            (*_RULE[:2], number("m", "number of references"), _RATE, _PI),
            m_refs_error,
            _symbolic_m_refs_error,
            _simulate_m_refs_error,
            (
                *grid(d=[1.5], rho=[0.6], m=[1, 4, 20], rate=[0.2]),
                *grid(d=[1.5], rho=[0.0, 0.95], m=[3], rate=[0.05]),
                *grid(d=[1.5], rho=[0.6], m=[4], rate=[0.2], pi=[0.01, 0.9]),
            ),
            fast=_fast_m_refs_error,
            draws=lambda params: 4 + 3 * int(params["m"]),
        ),
    ),
)
