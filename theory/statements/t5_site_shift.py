r"""T5: a new site shifts every image; which references undo it.

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

Same-site references help iff :math:`\tau_s^2 > 1/m`; with centred training, cross-site ones never do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from see_in_pairs.errors import InputError
from theory.checks import Floats, finite, non_negative, whole
from theory.gaussian import auc_of
from theory.statements.base import Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number

if TYPE_CHECKING:
    import sympy as sp

RULES = ("single", "same_diff", "same_shrink", "cross_diff", "train_diff")
SITES, TRAIN = ("one", "many"), ("centred", "one_site")


def variance(tau: ArrayLike, rule: str, m: ArrayLike = 1, sites: str = "one", train: str = "centred") -> Floats:
    """Compute the variance of the score about the training threshold, over sites and patients.

    Parameters
    ----------
    tau : array_like
        Standard deviation of the site offsets, in within-site standard deviations.
    rule : {'single', 'same_diff', 'same_shrink', 'cross_diff', 'train_diff'}
        The rule.
    m : array_like, default 1
        Number of references.
    sites : {'one', 'many'}
        Whether cross-site references come from one other site or from m.
    train : {'centred', 'one_site'}
        Whether the training threshold is centred on the population of sites or on one random site.

    Returns
    -------
    ndarray of float64
        V of the table above.

    Raises
    ------
    InputError
        For an unknown word, or shrinkage with training at one site, which is not specified.
    """
    for name, value, options in (("rule", rule, RULES), ("sites", sites, SITES), ("train", train, TRAIN)):
        if value not in options:
            raise InputError(f"{name} = {value!r}: must be one of {', '.join(options)}")
    if rule == "same_shrink" and train == "one_site":
        raise InputError("rule = 'same_shrink': is specified for train = 'centred' only")
    offsets, m = np.square(non_negative(tau, "tau")), whole(m, "m", 1)
    seen = offsets * (1 if train == "centred" else 2)
    cross = 1 + 1 / m + 2 * offsets if sites == "one" else (1 + 1 / m) * (1 + offsets)
    return {
        "single": 1 + seen + 0 * m,
        "same_diff": 1 + 1 / m + 0 * offsets,
        "same_shrink": 1 + offsets / (1 + m * offsets),
        "cross_diff": cross,
        "train_diff": 1 + 1 / m + seen,
    }[rule]


def error(delta: ArrayLike, tau: ArrayLike, rule: str, m: ArrayLike = 1, sites: str = "one", train: str = "centred") -> Floats:
    r"""Compute the balanced error at the training threshold, averaged over sites.

    Parameters
    ----------
    delta : array_like
        Effect in within-site standard deviations.
    tau : array_like
        Standard deviation of the site offsets.
    rule, m, sites, train : object
        As for `variance`.

    Returns
    -------
    ndarray of float64
        :math:`\Phi(-\delta/(2\sqrt V))`.

    Examples
    --------
    >>> float(error(2.0, 1.0, "same_shrink", m=4))
    0.18066
    """
    return ndtr(-non_negative(delta, "delta") / (2 * np.sqrt(variance(tau, rule, m, sites, train))))


def fixed_shift_error(d: ArrayLike, shift: ArrayLike) -> Floats:
    r"""Compute the balanced error of the single image at a site with a given offset.

    Parameters
    ----------
    d : array_like
        Effect in within-site standard deviations.
    shift : array_like
        The offset.

    Returns
    -------
    ndarray of float64
        :math:`\frac12[\Phi(-d/2+s)+\Phi(-d/2-s)]`.

    Examples
    --------
    >>> float(fixed_shift_error(2.0, 1.2))
    0.29658
    """
    d, shift = non_negative(d, "d"), finite(shift, "shift")
    return (ndtr(-d / 2 + shift) + ndtr(-d / 2 - shift)) / 2


def pooled_auc(delta: ArrayLike, tau: ArrayLike) -> Floats:
    r"""Compute the AUC of the single image with all sites pooled; within a site it is that of tau = 0.

    Parameters
    ----------
    delta : array_like
        Effect in within-site standard deviations.
    tau : array_like
        Standard deviation of the site offsets.

    Returns
    -------
    ndarray of float64
        :math:`\Phi(\delta/\sqrt{2(1+\tau^2)})`.

    Examples
    --------
    >>> float(pooled_auc(2.0, 1.0))
    0.84135
    """
    return auc_of(non_negative(delta, "delta") / np.sqrt(1 + np.square(non_negative(tau, "tau"))))


def symbolic_variance(rule: str, sites: str = "one", train: str = "centred") -> tuple[sp.Expr, sp.Symbol, sp.Symbol]:
    """Derive V from what query, references and threshold share; the shrinkage weight by minimising it.

    Parameters
    ----------
    rule, sites, train : object
        As for `variance`.

    Returns
    -------
    variance : sympy.Expr
        In terms of the two symbols.
    tau, m : sympy.Symbol
        Standard deviation of the offsets, and number of references.
    """
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


def _symbolic_error(delta: float, tau: float, rule: str, m: int = 1, sites: str = "one", train: str = "centred") -> float:
    import sympy as sp

    from theory import symbols

    v, tau_symbol, m_symbol = symbolic_variance(rule, sites, train)
    return symbols.evaluate(symbols.normal_cdf(-symbols.exact(delta) / (2 * sp.sqrt(v))), {tau_symbol: tau, m_symbol: m})


def _symbolic_fixed_shift(d: float, shift: float) -> float:
    """Integrate the density of each class beyond the threshold d / 2."""
    import sympy as sp

    from theory import symbols

    x, mean = sp.Symbol("x", real=True), sp.Symbol("mu", real=True)
    below = sp.simplify(sp.integrate(sp.exp(symbols.normal_log_density(x, mean, sp.Integer(1))), (x, -sp.oo, symbols.exact(d) / 2)))
    offset = symbols.exact(shift)
    return symbols.evaluate((1 - below.subs(mean, offset) + below.subs(mean, offset + symbols.exact(d))) / 2)


def _symbolic_pooled_auc(delta: float, tau: float) -> float:
    import sympy as sp

    from theory import symbols

    v, tau_symbol, _ = symbolic_variance("single")
    return symbols.evaluate(symbols.auc(symbols.exact(delta) / sp.sqrt(v)), {tau_symbol: tau})


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


def _simulate_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased, own_site = rng.random(replicates) < 0.5, _offsets(params, replicates, rng)
    training_site = _offsets(params, replicates, rng) * (params["train"] == "one_site")
    score = own_site + rng.standard_normal(replicates) + params["delta"] * diseased
    if params["rule"] == "single":
        return (score - training_site > params["delta"] / 2) != diseased
    references, m = _references(params, own_site, training_site, rng), int(params["m"])
    shared = np.full(m, params["tau"] ** 2)
    weights = np.linalg.solve(np.eye(m) + params["tau"] ** 2, shared) if params["rule"] == "same_shrink" else np.full(m, 1 / m)
    return (score - references @ weights > params["delta"] / 2) != diseased


def _simulate_fixed_shift(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased = rng.random(replicates) < 0.5
    return (rng.standard_normal(replicates) + params["shift"] + params["d"] * diseased > params["d"] / 2) != diseased


def _simulate_pooled_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    healthy, diseased = (_offsets(params, replicates, rng) + rng.standard_normal(replicates) for _ in range(2))
    return diseased + params["delta"] > healthy


def _fast_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    spread = float(np.sqrt(variance(params["tau"], params["rule"], params["m"], params["sites"], params["train"])))
    diseased = rng.random(replicates) < 0.5
    return (spread * rng.standard_normal(replicates) + params["delta"] * diseased > params["delta"] / 2) != diseased


DELTA = number("delta", "effect in within-site standard deviations, 0 or more")
TAU = number("tau", "standard deviation of the site offsets, 0 or more")
_ERROR = (
    DELTA,
    TAU,
    choice("rule", "the rule", RULES),
    number("m", "number of references", 1),
    choice("sites", "where cross-site references come from", SITES, "one"),
    choice("train", "what the training threshold is centred on", TRAIN, "centred"),
)
_POINTS = (
    *grid(delta=[2.0], tau=[0.0, 1.0, 3.0], rule=["single", "train_diff"], train=TRAIN),
    *grid(delta=[2.0], tau=[0.0, 1.0], rule=["same_diff", "same_shrink"], m=[1, 4, 50]),
    *grid(delta=[2.0], tau=[1.0], rule=["cross_diff"], m=[1, 4, 50], sites=SITES),
    *grid(delta=[0.5], tau=[0.1], rule=["same_shrink"], m=[2]),
)

STATEMENT = Statement(
    "T5",
    "Site shift",
    "Same-site references undo a site's offset (they help iff tau^2 > 1/m); cross-site ones cannot, once training is centred.",
    (
        Quantity(
            "error",
            "balanced error at the training threshold, averaged over sites",
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
            "balanced error of the single image at a given offset",
            (number("d", "effect in standard deviations, 0 or more"), number("shift", "the offset of the site")),
            fixed_shift_error,
            _symbolic_fixed_shift,
            _simulate_fixed_shift,
            grid(d=[2.0], shift=[0.0, 1.2, -4.0]),
        ),
        Quantity(
            "pooled_auc",
            "AUC of the single image, sites pooled",
            (DELTA, TAU),
            pooled_auc,
            _symbolic_pooled_auc,
            _simulate_pooled_auc,
            grid(delta=[2.0], tau=[0.0, 1.0, 5.0]),
        ),
    ),
)
