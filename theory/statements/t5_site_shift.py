r"""T5: a new site shifts every image, and some references undo the shift.

Within a site the standard deviation is 1; the offset of a site is :math:`b_s\sim N(0,\tau^2)`. The threshold is fixed at
training: centred on the population of sites, or on one random site (then the single image sees twice the variance,
:math:`\tau_s^2 = 2\tau^2`). The error, averaged over sites, is :math:`\Phi(-\delta/(2\sqrt V))` with

================================ ========================================
rule                             V
================================ ========================================
single                           :math:`1+\tau_s^2`
same_diff                        :math:`1+1/m`
same_shrink (centred training)   :math:`1+\tau^2/(1+m\tau^2)`
cross_diff, refs from one site   :math:`1+1/m+2\tau^2`
cross_diff, refs from many sites :math:`(1+1/m)(1+\tau^2)`
train_diff (refs: training site) :math:`1+1/m+\tau_s^2`
================================ ========================================

Same-site references help iff :math:`\tau_s^2 > 1/m`; with centred training, cross-site ones never do. At a prevalence other than one half
the threshold is Bayes' for the spread V over sites, and the error that of T1.4 at :math:`D=\delta/\sqrt V`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from see_in_pairs.errors import InputError
from theory.numerics.gaussian import auc_of, error_of, prior_shift
from theory.numerics.montecarlo import log_likelihood_ratio
from theory.numerics.sampling import score_error
from theory.numerics.validation import Floats, finite, non_negative, one_of, prevalence, whole
from theory.statements.base import Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number

if TYPE_CHECKING:
    import sympy as sp

RULES = ("single", "same_diff", "same_shrink", "cross_diff", "train_diff")
SITES, TRAIN = ("one", "many"), ("centred", "one_site")


def variance(tau: ArrayLike, rule: str, m: ArrayLike = 1, sites: str = "one", train: str = "centred") -> Floats:
    """Variance of the score about the training threshold, over sites and patients: V of the module's table."""
    one_of(rule, "rule", RULES)
    one_of(sites, "sites", SITES)
    one_of(train, "train", TRAIN)
    if rule == "same_shrink" and train == "one_site":
        raise InputError("rule = 'same_shrink': is specified for train = 'centred' only")
    offsets, m = np.square(non_negative(tau, "tau")), whole(m, "m", 1)
    at_threshold = offsets * (1 if train == "centred" else 2)
    cross = 1 + 1 / m + 2 * offsets if sites == "one" else (1 + 1 / m) * (1 + offsets)
    return {
        "single": 1 + at_threshold + 0 * m,
        "same_diff": 1 + 1 / m + 0 * offsets,
        "same_shrink": 1 + offsets / (1 + m * offsets),
        "cross_diff": cross,
        "train_diff": 1 + 1 / m + at_threshold,
    }[rule]


def error(
    delta: ArrayLike, tau: ArrayLike, rule: str, m: ArrayLike = 1, sites: str = "one", train: str = "centred", pi: ArrayLike = 0.5
) -> Floats:
    r"""Error at the training threshold, averaged over sites: :math:`\Phi(-\delta/(2\sqrt V))` at equal priors, else that of T1.4 at
    :math:`D=\delta/\sqrt V`.

    Examples
    --------
    >>> float(error(2.0, 1.0, "same_shrink", m=4))
    0.18066
    """
    return error_of(non_negative(delta, "delta") / np.sqrt(variance(tau, rule, m, sites, train)), pi)


def fixed_shift_error(d: ArrayLike, shift: ArrayLike, pi: ArrayLike = 0.5) -> Floats:
    r"""Error of the single image at a site with offset s:
    :math:`(1-\pi)\Phi(-\frac d2-\frac\lambda d+s)+\pi\Phi(-\frac d2+\frac\lambda d-s)`.

    Examples
    --------
    >>> float(fixed_shift_error(2.0, 1.2))
    0.29658
    """
    d, shift, pi = non_negative(d, "d"), finite(shift, "shift"), prevalence(pi)
    threshold_shift = prior_shift(d, pi)
    return (1 - pi) * ndtr(-d / 2 - threshold_shift + shift) + pi * ndtr(-d / 2 + threshold_shift - shift)


def pooled_auc(delta: ArrayLike, tau: ArrayLike) -> Floats:
    r"""AUROC of the single image with all sites pooled: :math:`\Phi(\delta/\sqrt{2(1+\tau^2)})`; within a site it is that of tau = 0.

    Examples
    --------
    >>> float(pooled_auc(2.0, 1.0))
    0.84135
    """
    return auc_of(non_negative(delta, "delta") / np.sqrt(1 + np.square(non_negative(tau, "tau"))))


def symbolic_variance(rule: str, sites: str = "one", train: str = "centred") -> tuple[sp.Expr, sp.Symbol, sp.Symbol]:
    """V and its symbols tau and m, from what query, references and threshold share; the shrinkage weight minimises it."""
    import sympy as sp

    tau, m, w = sp.Symbol("tau", nonnegative=True), sp.Symbol("m", positive=True), sp.Symbol("w", real=True)
    # columns: query noise, mean reference noise, offset of the query's site, of the references' other site(s), of the training site
    at_training = tau if train == "one_site" else 0
    query = sp.Matrix([1, 0, tau, 0, 0])
    training = sp.Matrix([0, 0, 0, 0, at_training])
    noise = sp.Matrix([0, 1 / sp.sqrt(m), 0, 0, 0])
    same = sp.Matrix([0, 0, tau, 0, 0])
    other = sp.Matrix([0, 0, 0, tau if sites == "one" else tau / sp.sqrt(m), 0])
    score = {
        "single": query - training,
        "same_diff": query - noise - same,
        "same_shrink": query - w * (noise + same),
        "cross_diff": query - noise - other,
        "train_diff": query - noise - training,
    }[rule]
    v = sp.expand((score.T * score)[0])
    return (v.subs(w, sp.solve(sp.diff(v, w), w)[0]) if rule == "same_shrink" else v), tau, m


def _symbolic_error(delta: float, tau: float, rule: str, m: int = 1, sites: str = "one", train: str = "centred", pi: float = 0.5) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    v, tau_symbol, m_symbol = symbolic_variance(rule, sites, train)
    spread = v.subs({tau_symbol: symbolic.exact(tau), m_symbol: int(m)})
    return symbolic.error(symbolic.exact(delta) / sp.sqrt(spread), pi)


@functools.cache
def _below(beyond: str) -> tuple[sp.Expr, sp.Symbol, sp.Symbol]:
    """Normal probability below (or above) a threshold, by integrating the density; with its symbols mean and threshold."""
    import sympy as sp

    from theory.numerics import symbolic

    x, mean, threshold = (sp.Symbol(name, real=True) for name in ("x", "mu", "t"))
    ends = (-sp.oo, threshold) if beyond == "below" else (threshold, sp.oo)
    return sp.simplify(sp.integrate(sp.exp(symbolic.normal_log_density(x, mean, sp.Integer(1))), (x, *ends))), mean, threshold


def _symbolic_fixed_shift(d: float, shift: float, pi: float = 0.5) -> float:
    """Integrate the density of each class beyond the threshold that is right without the offset."""
    import sympy as sp

    from theory.numerics import symbolic

    solved, effect, variance, prior = symbolic.bayes_threshold()
    at = solved.subs({effect: symbolic.exact(d), variance: sp.Integer(1), prior: symbolic.exact(pi)})
    (above, of_above, above_at), (below, of_below, below_at) = _below("above"), _below("below")
    offset, chance = symbolic.exact(shift), symbolic.exact(pi)
    false_alarms = above.subs({of_above: offset, above_at: at})
    return symbolic.evaluate((1 - chance) * false_alarms + chance * below.subs({of_below: offset + symbolic.exact(d), below_at: at}))


def _symbolic_pooled_auc(delta: float, tau: float) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    v, tau_symbol, _ = symbolic_variance("single")
    return symbolic.evaluate(symbolic.auc(symbolic.exact(delta) / sp.sqrt(v)), {tau_symbol: tau})


# Raw simulation: every patient at a fresh site, with each reference drawn.


def _offsets(params: Params, shape: int | tuple[int, ...], rng: np.random.Generator) -> Floats:
    return params["tau"] * rng.standard_normal(shape)


def _references(params: Params, own_site: Floats, training_site: Floats, rng: np.random.Generator) -> Floats:
    m, size = int(params["m"]), len(own_site)
    if params["rule"] == "cross_diff":
        site = _offsets(params, (size, 1 if params["sites"] == "one" else m), rng)
    else:
        site = (training_site if params["rule"] == "train_diff" else own_site)[:, None]
    return site + rng.standard_normal((size, m))


def _weights(params: Params) -> Floats:
    """Weights on the references; the best ones solve the linear system of references that share a site with the query."""
    m, rule = int(params["m"]), params["rule"]
    if rule == "same_shrink":
        return np.linalg.solve(np.eye(m) + params["tau"] ** 2, np.full(m, params["tau"] ** 2))
    return np.full(m, 0.0 if rule == "single" else 1 / m)


def _known_spread(params: Params) -> float:
    """Variance of the score over sites, from how much of each site's offset and of each image's own noise is in it."""
    weights, rule, trained = _weights(params), params["rule"], float(params["train"] == "one_site")
    total = weights.sum()
    others = ([total] if params["sites"] == "one" else weights) if rule == "cross_diff" else [0.0]
    at_training = {"single": 1.0, "train_diff": total}.get(rule, 0.0) * trained
    own = 1 - total * (rule in ("same_diff", "same_shrink"))
    return float(params["tau"] ** 2 * (own**2 + at_training**2 + np.square(others).sum()) + 1 + np.square(weights).sum())


def _wrong(score: Floats, diseased: np.ndarray, effect: float, spread: float, pi: float) -> np.ndarray:
    """Errors of Bayes' rule for a normal score of known variance."""
    ratio = log_likelihood_ratio(score[:, None], np.array([effect]), np.array([[spread]]))
    return (ratio > np.log((1 - pi) / pi)) != diseased


def _simulate_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased, own_site = rng.random(replicates) < params["pi"], _offsets(params, replicates, rng)
    training_site = _offsets(params, replicates, rng) * (params["train"] == "one_site")
    score = own_site + rng.standard_normal(replicates) + params["delta"] * diseased
    if params["rule"] == "single":
        score = score - training_site
    else:
        score = score - _references(params, own_site, training_site, rng) @ _weights(params)
    return _wrong(score, diseased, params["delta"], _known_spread(params), params["pi"])


def _simulate_fixed_shift(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased = rng.random(replicates) < params["pi"]
    return _wrong(rng.standard_normal(replicates) + params["shift"] + params["d"] * diseased, diseased, params["d"], 1.0, params["pi"])


def _simulate_pooled_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    healthy, diseased = (_offsets(params, replicates, rng) + rng.standard_normal(replicates) for _ in range(2))
    return diseased + params["delta"] > healthy


def _fast_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    spread = float(np.sqrt(variance(params["tau"], params["rule"], params["m"], params["sites"], params["train"])))
    return score_error(params["delta"] / spread, replicates, rng, params["pi"])


DELTA = number("delta", "effect in within-site standard deviations, 0 or more")
PI = number("pi", "prevalence, strictly between 0 and 1", 0.5)
TAU = number("tau", "standard deviation of the site offsets, 0 or more")
_ERROR = (
    DELTA,
    TAU,
    choice("rule", "the rule", RULES),
    number("m", "number of references", 1),
    choice("sites", "where cross-site references come from", SITES, "one"),
    choice("train", "what the training threshold is centred on", TRAIN, "centred"),
    PI,
)
_POINTS = (
    *grid(delta=[2.0], tau=[0.0, 1.0, 3.0], rule=["single", "train_diff"], train=TRAIN),
    *grid(delta=[2.0], tau=[0.0, 1.0], rule=["same_diff", "same_shrink"], m=[1, 4, 50]),
    *grid(delta=[2.0], tau=[1.0], rule=["cross_diff"], m=[1, 4, 50], sites=SITES),
    *grid(delta=[0.5], tau=[0.1], rule=["same_shrink"], m=[2]),
    *grid(delta=[2.0], tau=[1.0], rule=["single", "same_shrink", "cross_diff"], m=[4], pi=[1e-3, 0.1, 0.9]),
    *grid(delta=[2.0], tau=[1.0], rule=["single", "train_diff"], train=["one_site"], pi=[0.2]),
)

STATEMENT = Statement(
    "T5",
    "Site shift",
    "Same-site references undo a site's offset (they help iff tau^2 > 1/m); cross-site ones cannot, once training is centred.",
    (
        Quantity(
            "error",
            "error at the training threshold, averaged over sites",
            _ERROR,
            error,
            _symbolic_error,
            _simulate_error,
            _POINTS,
            fast=_fast_error,
            draws=lambda params: 6 + 2 * int(params["m"]),
        ),
        Quantity(
            "fixed_shift_error",
            "error of the single image at a given offset",
            (number("d", "effect in standard deviations, 0 or more"), number("shift", "the offset of the site"), PI),
            fixed_shift_error,
            _symbolic_fixed_shift,
            _simulate_fixed_shift,
            (*grid(d=[2.0], shift=[0.0, 1.2, -4.0]), *grid(d=[2.0], shift=[1.2], pi=[1e-3, 0.1, 0.9])),
        ),
        Quantity(
            "pooled_auc",
            "AUROC of the single image, sites pooled",
            (DELTA, TAU),
            pooled_auc,
            _symbolic_pooled_auc,
            _simulate_pooled_auc,
            grid(delta=[2.0], tau=[0.0, 1.0, 5.0]),
        ),
    ),
)
