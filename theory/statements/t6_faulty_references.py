r"""T6: references that are diseased, or swapped with the query, under a rule that does not know.

The rule scores :math:`T_w = X_q - wX_r` against the threshold :math:`\delta/2` that is right for clean data, :math:`D = D_w` (T1).

* A reference is diseased with probability :math:`\varepsilon`: the score falls by :math:`w\delta`.
* Query and reference are swapped with probability :math:`\eta`: the score becomes :math:`X_r - wX_q`.

The optimal rule (w = rho) suffers less, since only :math:`w\delta` leaks. Errors are linear in the rate, which gives the break-even
rate against the single image. The harm is from unawareness: a rule that knows the rate is never worse than the single image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, ndtr

from see_in_pairs.errors import InputError
from theory.checks import Floats, finite, non_negative, positive, probability, require, whole
from theory.elementwise import elementwise
from theory.montecarlo import RatioTally
from theory.statements import t1_univariate_rules as t1
from theory.statements import t2_several_references as t2
from theory.statements.base import Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number

if TYPE_CHECKING:
    import sympy as sp

FAULTS = ("diseased", "swap")


def faulty_error(d: ArrayLike, rho: ArrayLike, w: ArrayLike, fault: str) -> Floats:
    r"""Compute the balanced error when every reference is faulty.

    Parameters
    ----------
    d : array_like
        Effect in standard deviations.
    rho : array_like
        Correlation of query and reference given the label.
    w : array_like
        Weight on the reference: 1 is the difference, `rho` the optimal rule.
    fault : {'diseased', 'swap'}
        What is wrong.

    Returns
    -------
    ndarray of float64
        :math:`\frac12[\Phi(-D(\frac12-w))+\Phi(-D(\frac12+w))]` or :math:`\frac12[\Phi(-\frac D2)+\Phi(D(\frac12+w))]`.

    Raises
    ------
    InputError
        When the fault is unknown.
    """
    distance, w = t1.separation(d, rho, finite(w, "w")), finite(w, "w")
    if fault == "diseased":
        return (ndtr(-distance * (0.5 - w)) + ndtr(-distance * (0.5 + w))) / 2
    if fault == "swap":
        return (ndtr(-distance / 2) + ndtr(distance * (0.5 + w))) / 2
    raise InputError(f"fault = {fault!r}: must be one of {', '.join(FAULTS)}")


def error(d: ArrayLike, rho: ArrayLike, w: ArrayLike, fault: str, rate: ArrayLike) -> Floats:
    r"""Compute the balanced error when some references are faulty (T6.1, T6.2).

    Parameters
    ----------
    d, rho, w, fault : object
        As for `faulty_error`.
    rate : array_like
        Probability of the fault.

    Returns
    -------
    ndarray of float64
        :math:`(1-\mathrm{rate})\,\Phi(-D/2) + \mathrm{rate}\times` the error of faulty ones.

    Examples
    --------
    >>> float(error(1.5, 0.8, 1.0, "diseased", 0.2))
    0.18251
    """
    rate = probability(rate, "rate")
    return (1 - rate) * t1.error(d, rho, finite(w, "w")) + rate * faulty_error(d, rho, w, fault)


def auc(d: ArrayLike, rho: ArrayLike, w: ArrayLike, fault: str, rate: ArrayLike) -> Floats:
    r"""Compute the AUC when some references are faulty.

    Parameters
    ----------
    d, rho, w, fault : object
        As for `faulty_error`.
    rate : array_like
        Probability of the fault.

    Returns
    -------
    ndarray of float64
        The AUC of T6.1 or T6.2.

    Raises
    ------
    InputError
        When the fault is unknown.

    Examples
    --------
    >>> float(auc(1.5, 0.8, 0.8, "swap", 0.1))
    0.87317
    """
    rate, w = probability(rate, "rate"), finite(w, "w")
    scaled = t1.separation(d, rho, w) / np.sqrt(2)
    if fault == "diseased":
        mixed = ndtr(scaled * (1 - w)) + ndtr(scaled * (1 + w))
        return ((1 - rate) ** 2 + rate**2) * ndtr(scaled) + rate * (1 - rate) * mixed
    if fault == "swap":
        return (1 - rate) * ndtr(scaled) + rate * ndtr(-w * scaled)
    raise InputError(f"fault = {fault!r}: must be one of {', '.join(FAULTS)}")


def break_even(d: ArrayLike, rho: ArrayLike, w: ArrayLike, fault: str) -> Floats:
    r"""Compute the rate of faults at which the reference stops to help (T6.3).

    Parameters
    ----------
    d, rho, w, fault : object
        As for `faulty_error`.

    Returns
    -------
    ndarray of float64
        :math:`\frac{\Phi(-d/2)-\Phi(-D/2)}{B-\Phi(-D/2)}`, B the error of faulty ones; negative where even clean references
        hurt, above 1 where even faulty ones alone help.

    Raises
    ------
    InputError
        When there is no effect, or the rule ignores the reference.

    Examples
    --------
    >>> float(break_even(1.5, 0.8, 1.0, "diseased"))
    0.3365
    """
    w = finite(w, "w")
    require((w != 0) & (positive(d, "d") > 0), "w = 0: a rule that ignores the reference has no break-even rate")
    clean = t1.error(d, rho, w)
    return (t1.error(d, rho, "single") - clean) / (faulty_error(d, rho, w, fault) - clean)


@elementwise
def m_refs_error(d: float, rho: float, m: int, rate: float) -> float:
    r"""Compute the balanced error of the mean difference to m references, each diseased at a rate (T6.4).

    Parameters
    ----------
    d : float
        Effect in standard deviations.
    rho : float
        Correlation of all images given the labels (also of references with each other).
    m : int
        Number of references.
    rate : float
        Probability that a reference is diseased.

    Returns
    -------
    float
        The error of T6.1 with shift k/m, averaged over k diseased ones, binomial.

    Examples
    --------
    >>> float(m_refs_error(1.5, 0.6, 4, 0.2))
    0.18103
    """
    count, rate = int(whole(m, "m", 1)), float(probability(rate, "rate"))
    distance = t2.separation(non_negative(d, "d"), rho, rho, m, "meandiff")
    k = np.arange(count + 1)
    chance = np.diff(bdtr(k, count, rate), prepend=0.0)
    return float(chance @ (ndtr(-distance * (0.5 - k / count)) + ndtr(-distance * (0.5 + k / count))) / 2)


# Symbolic: enumerate the states (query diseased or not, fault or not), with the mean of the score in each.


def _means(w: sp.Expr, d: sp.Expr, fault: str, faulty: bool) -> tuple[sp.Expr, sp.Expr]:
    """Mean score of a healthy and of a diseased patient."""
    swapped, shift = fault == "swap" and faulty, d if fault == "diseased" and faulty else 0
    query_weight, reference_weight = (-w, 1) if swapped else (1, -w)
    return reference_weight * shift, query_weight * d + reference_weight * shift


def _spread(rho: float, w: float) -> sp.Expr:
    import sympy as sp

    from theory import symbols

    v, rho_symbol, w_symbol = t1.symbolic_variance()
    return sp.sqrt(v.subs({rho_symbol: symbols.exact(rho), w_symbol: symbols.exact(w)}))


def _symbolic_state_error(d: float, rho: float, w: float, fault: str, faulty: bool) -> sp.Expr:
    from theory import symbols

    effect, spread = symbols.exact(d), _spread(rho, w)
    healthy, diseased = _means(symbols.exact(w), effect, fault, faulty)
    return (symbols.normal_cdf((healthy - effect / 2) / spread) + symbols.normal_cdf((effect / 2 - diseased) / spread)) / 2


def _symbolic_error(d: float, rho: float, w: float, fault: str, rate: float) -> float:
    from theory import symbols

    chance = symbols.exact(rate)
    return symbols.evaluate(
        (1 - chance) * _symbolic_state_error(d, rho, w, fault, False) + chance * _symbolic_state_error(d, rho, w, fault, True)
    )


def _symbolic_auc(d: float, rho: float, w: float, fault: str, rate: float) -> float:
    import sympy as sp

    from theory import symbols

    chance, weight, spread = symbols.exact(rate), symbols.exact(w), _spread(rho, w)
    total = sp.Integer(0)
    for of_diseased in (False, True):
        for of_healthy in (False, True):
            gap = _means(weight, symbols.exact(d), fault, of_diseased)[1] - _means(weight, symbols.exact(d), fault, of_healthy)[0]
            odds = (chance if of_diseased else 1 - chance) * (chance if of_healthy else 1 - chance)
            total += odds * symbols.auc(gap / spread)
    return symbols.evaluate(total)


def _symbolic_break_even(d: float, rho: float, w: float, fault: str) -> float:
    import sympy as sp

    from theory import symbols

    rate, single = sp.Symbol("rate"), _symbolic_state_error(d, rho, 0.0, "diseased", False)
    clean, faulty = (_symbolic_state_error(d, rho, w, fault, state) for state in (False, True))
    return symbols.evaluate(sp.solve(sp.Eq((1 - rate) * clean + rate * faulty, single), rate)[0])


def _symbolic_m_refs_error(d: float, rho: float, m: int, rate: float) -> float:
    import sympy as sp

    from theory import symbols

    v, names = t2.symbolic_variance()
    r, effect, chance, k = symbols.exact(rho), symbols.exact(d), symbols.exact(rate), sp.Symbol("k")
    spread = sp.sqrt(v.subs({names["w"]: 1, names["rho"]: r, names["rho_rr"]: r, names["m"]: m}))
    shift = effect * k / m
    wrong = (symbols.normal_cdf((-shift - effect / 2) / spread) + symbols.normal_cdf((effect / 2 - effect + shift) / spread)) / 2
    return symbols.evaluate(
        sum((sp.binomial(m, j) * chance**j * (1 - chance) ** (m - j) * wrong.subs(k, j) for j in range(m + 1)), sp.Integer(0))
    )


# Raw simulation: patients with their references, some of which are faulty.


def _scores(params: Params, diseased: np.ndarray, faulty: np.ndarray, rng: np.random.Generator) -> Floats:
    query, reference = t1.draw_pairs(len(diseased), params["rho"], rng).T
    query = query + params["d"] * diseased
    if params["fault"] == "swap":
        query, reference = np.where(faulty, reference, query), np.where(faulty, query, reference)
    else:
        reference = reference + params["d"] * faulty
    return query - params["w"] * reference


def _simulate_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased, faulty = rng.random(replicates) < 0.5, rng.random(replicates) < params["rate"]
    return (_scores(params, diseased, faulty, rng) > params["d"] / 2) != diseased


def _simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    healthy, diseased = (
        _scores(params, np.full(replicates, label), rng.random(replicates) < params["rate"], rng) for label in (False, True)
    )
    return diseased > healthy


def _simulate_break_even(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Gain of clean references and loss of faulty ones, per patient."""
    diseased, always = rng.random(replicates) < 0.5, np.ones(replicates, bool)
    wrong = [
        (_scores({**params, "w": w}, diseased, faulty, rng) > params["d"] / 2) != diseased
        for w, faulty in ((0.0, ~always), (params["w"], ~always), (params["w"], always))
    ]
    single, clean, spoilt = np.array(wrong, dtype=float)
    return np.column_stack([single - clean, spoilt - clean])


def _simulate_m_refs_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    m, rho = int(params["m"]), params["rho"]
    diseased = rng.random(replicates) < 0.5
    common = np.sqrt(rho) * rng.standard_normal(replicates)
    query = common + np.sqrt(1 - rho) * rng.standard_normal(replicates) + params["d"] * diseased
    references = common[:, None] + np.sqrt(1 - rho) * rng.standard_normal((replicates, m))
    references += params["d"] * (rng.random((replicates, m)) < params["rate"])
    return (query - references.mean(axis=1) > params["d"] / 2) != diseased


# Fast sampling: one normal score per patient, shifted by what the fault does to its mean.


def _fast_scores(params: Params, diseased: np.ndarray, faulty: np.ndarray, rng: np.random.Generator) -> Floats:
    d, w = params["d"], params["w"]
    score = np.sqrt(t1.variance(params["rho"], w)) * rng.standard_normal(len(diseased)) + d * diseased
    if params["fault"] == "swap":
        return score - (1 + w) * d * (diseased & faulty)
    return score - w * d * faulty


def _fast_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased, faulty = rng.random(replicates) < 0.5, rng.random(replicates) < params["rate"]
    return (_fast_scores(params, diseased, faulty, rng) > params["d"] / 2) != diseased


def _fast_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    healthy, diseased = (
        _fast_scores(params, np.full(replicates, label), rng.random(replicates) < params["rate"], rng) for label in (False, True)
    )
    return diseased > healthy


def _fast_m_refs_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    m, d, diseased = int(params["m"]), params["d"], rng.random(replicates) < 0.5
    spread = np.sqrt(t2.variance(params["rho"], params["rho"], m, "meandiff"))
    score = spread * rng.standard_normal(replicates) + d * diseased - d * rng.binomial(m, params["rate"], replicates) / m
    return (score > d / 2) != diseased


_RULE = (
    number("d", "effect in standard deviations, 0 or more"),
    number("rho", "correlation of query and reference given the label"),
    number("w", "weight on the reference: 1 difference, rho optimal"),
    choice("fault", "what is wrong with the reference", FAULTS),
)
_RATE = number("rate", "probability of the fault")
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
            "balanced error at the clean threshold",
            (*_RULE, _RATE),
            error,
            _symbolic_error,
            _simulate_error,
            _POINTS,
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
            "rate of faults at which the reference stops to help",
            _RULE,
            break_even,
            _symbolic_break_even,
            _simulate_break_even,
            grid(d=[1.5], rho=[0.8], w=[0.8, 1.0], fault=FAULTS),
            tally=RatioTally,
            draws=lambda params: 10,
        ),
        Quantity(
            "m_refs_error",
            "balanced error of the mean difference, diseased references",
            (*_RULE[:2], number("m", "number of references"), _RATE),
            m_refs_error,
            _symbolic_m_refs_error,
            _simulate_m_refs_error,
            (*grid(d=[1.5], rho=[0.6], m=[1, 4, 20], rate=[0.2]), *grid(d=[1.5], rho=[0.0, 0.95], m=[3], rate=[0.05])),
            fast=_fast_m_refs_error,
            draws=lambda params: 4 + 3 * int(params["m"]),
        ),
    ),
)
