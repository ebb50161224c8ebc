r"""T14: a disease that also changes the spread. Single image, difference and optimal rule where the classes have unequal variances.

Healthy query and reference have unit variance and correlation :math:`\rho`; the diseased query has standard deviation ``sd`` (patients
differ in how strongly they are ill), shift d, and the same covariance with its reference. The score :math:`X_q-wX_r` is binormal:

======== ================================= ======================================
class    mean                              variance
======== ================================= ======================================
healthy  0                                 :math:`v_0=1-2w\rho+w^2`
diseased d                                 :math:`v_1=\mathrm{sd}^2-2w\rho+w^2`
======== ================================= ======================================

.. math:: \mathrm{AUROC}=\Phi\Big(\frac{d}{\sqrt{v_0+v_1}}\Big)=\Phi\Big(\frac{d_a}{\sqrt2}\Big),\qquad b=\sqrt{v_0/v_1}.

The Bayes rule is quadratic in :math:`X_q-\rho X_r`, and its AUROC that of the proper binormal model (Metz and Pan 1999).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from theory.numerics.gaussian import auc_of
from theory.numerics.montecarlo import MeanTally, rank_auc
from theory.numerics.quadrature import bivariate_normal_cdf
from theory.numerics.validation import Floats, correlation, non_negative, positive, require, share
from theory.statements import t1_univariate_rules as t1
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number

BAYES_RULES = ("single", "difference", "pair")
_SET = 20_000  # patients of each class behind one estimate of d_a


def variances(rho: ArrayLike, sd: ArrayLike, rule: t1.Rule) -> tuple[Floats, Floats]:
    r"""Variance of the score in the healthy and in the diseased (module's table); the optimal weight is :math:`\rho` whatever sd.

    Examples
    --------
    >>> [float(v) for v in variances(0.6, 1.5, "optimal")]
    [0.64, 1.89]
    """
    rho, sd = correlation(rho), positive(sd, "sd")
    require(sd > np.abs(rho), "sd, rho: a diseased query cannot be correlated with its reference so closely; sd must exceed abs(rho)")
    healthy = t1.variance(rho, rule)
    return healthy, healthy + np.square(sd) - 1


def d_a(d: ArrayLike, rho: ArrayLike, sd: ArrayLike, rule: t1.Rule) -> Floats:
    r"""Separation in units of the mean variance of both classes, :math:`d_a=d\big/\sqrt{(v_0+v_1)/2}=\sqrt2\,\Phi^{-1}(\mathrm{AUROC})`.

    Examples
    --------
    >>> round(float(d_a(1.0, 0.6, 1.5, "single")), 4), round(float(d_a(1.0, 0.6, 1.5, "optimal")), 4)
    (0.7845, 0.8891)
    """
    healthy, diseased = variances(rho, sd, rule)
    return non_negative(d, "d") / np.sqrt((healthy + diseased) / 2)


def auc(d: ArrayLike, rho: ArrayLike, sd: ArrayLike, rule: t1.Rule) -> Floats:
    r"""AUROC of a linear rule: :math:`\Phi(d/\sqrt{v_0+v_1})`.

    Examples
    --------
    >>> float(auc(1.0, 0.6, 1.5, "single")), float(auc(1.0, 0.6, 1.5, "optimal"))
    (0.71045, 0.73523)
    """
    return auc_of(d_a(d, rho, sd, rule))


def da_ratio(rho: ArrayLike, sd: ArrayLike, rule: t1.Rule) -> Floats:
    r"""Squared ratio of :math:`d_a`, rule to single image: :math:`\frac{1+\mathrm{sd}^2}{v_0+v_1}`, at the best weight
    :math:`\frac{1+\mathrm{sd}^2}{1+\mathrm{sd}^2-2\rho^2}`, which is T1's :math:`\frac1{1-\rho^2}` only at sd 1.

    Examples
    --------
    >>> round(float(da_ratio(0.6, 1.0, "optimal")), 4), round(float(da_ratio(0.6, 1.5, "optimal")), 4)
    (1.5625, 1.2846)
    """
    healthy, diseased = variances(rho, sd, rule)
    return (1 + np.square(np.asarray(sd))) / (healthy + diseased)


def sensitivity(d: ArrayLike, rho: ArrayLike, sd: ArrayLike, rule: t1.Rule, specificity: ArrayLike = 0.9) -> Floats:
    r"""Sensitivity of a linear rule at a specificity: :math:`\Phi\big((d-z\sqrt{v_0})/\sqrt{v_1}\big)`.

    Examples
    --------
    >>> round(float(sensitivity(1.0, 0.6, 1.5, "single")), 4), round(float(sensitivity(1.0, 0.6, 1.5, "optimal")), 4)
    (0.4256, 0.4927)
    """
    healthy, diseased = variances(rho, sd, rule)
    return ndtr((non_negative(d, "d") - ndtri(share(specificity, "specificity")) * np.sqrt(healthy)) / np.sqrt(diseased))


def bayes_auc(d: ArrayLike, rho: ArrayLike, sd: ArrayLike, rule: str) -> Floats:
    r"""AUROC of the Bayes rule of an observer of the query, of the difference or of the pair:
    :math:`\Phi\big(\frac{d_a}{\sqrt2}\big)+2\Phi_2\big(-\frac{d_a}{\sqrt2},0;-\frac{2b}{1+b^2}\big)`.

    Examples
    --------
    Where the disease only widens the spread, no linear rule sees it.

    >>> round(float(bayes_auc(0.0, 0.6, 1.5, "single")), 4), round(float(bayes_auc(0.0, 0.6, 1.5, "pair")), 4)
    (0.6257, 0.6645)
    """
    healthy, diseased = variances(rho, sd, {"pair": "optimal"}.get(rule, rule) if rule in BAYES_RULES else _refuse(rule))
    above, ratio = d_a(d, rho, sd, {"pair": "optimal"}.get(rule, rule)) / np.sqrt(2), np.sqrt(healthy / diseased)
    return ndtr(above) + 2 * bivariate_normal_cdf(-above, 0.0, np.maximum(-2 * ratio / (1 + np.square(ratio)), -1.0))


def _refuse(rule: object) -> str:
    require(False, f"rule = {rule!r}: must be one of {', '.join(BAYES_RULES)}")
    return ""


# Symbolic: variances from the loadings of both classes; Bayes' rule as a distance from the point where the likelihood ratio is least.


def _symbolic_variances(rho: float, sd: float, rule: str | float):  # type: ignore[no-untyped-def]
    import sympy as sp

    from theory.numerics import symbolic

    r, spread = symbolic.exact(rho), symbolic.exact(sd)
    w = {"single": sp.Integer(0), "difference": sp.Integer(1)}.get(rule) if isinstance(rule, str) else symbolic.exact(rule)
    weight = symbolic.symbol("w")
    contrast = sp.Matrix([1, -weight])
    both = [(contrast.T * sp.Matrix([[v, r], [r, 1]]) * contrast)[0] for v in (sp.Integer(1), spread**2)]
    if w is None:  # the least sum of both variances
        w = sp.solve(sp.diff(sum(both), weight), weight)[0]
    return [v.subs(weight, w) for v in both]


def _symbolic_d_a(d: float, rho: float, sd: float, rule: str | float) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    healthy, diseased = _symbolic_variances(rho, sd, rule)
    return symbolic.evaluate(symbolic.exact(d) / sp.sqrt((healthy + diseased) / 2))


def _symbolic_auc(d: float, rho: float, sd: float, rule: str | float) -> float:
    """The difference of a diseased and a healthy score is normal."""
    import sympy as sp

    from theory.numerics import symbolic

    healthy, diseased = _symbolic_variances(rho, sd, rule)
    return symbolic.evaluate(symbolic.normal_cdf(symbolic.exact(d) / sp.sqrt(healthy + diseased)))


def _symbolic_ratio(rho: float, sd: float, rule: str | float) -> float:
    from theory.numerics import symbolic

    return symbolic.evaluate(sum(_symbolic_variances(rho, sd, "single")) / sum(_symbolic_variances(rho, sd, rule)))


def _symbolic_sensitivity(d: float, rho: float, sd: float, rule: str | float, specificity: float = 0.9) -> float:
    """Find the threshold that the healthy exceed so often, then take the tail of the diseased."""
    import mpmath as mp  # type: ignore[import-untyped]

    healthy, diseased = (mp.sqrt(mp.mpf(str(v.evalf(30)))) for v in _symbolic_variances(rho, sd, rule))
    threshold = mp.findroot(lambda t: mp.ncdf(t / healthy) - mp.mpf(specificity), (-1.0, 1.0))
    return float(mp.ncdf((mp.mpf(d) - threshold) / diseased))


def _symbolic_bayes(d: float, rho: float, sd: float, rule: str) -> float:
    """Integrate over the score's distance from the point where the likelihood ratio is least (most, where the diseased vary less)."""
    import mpmath as mp  # type: ignore[import-untyped]

    healthy, diseased = (mp.mpf(str(v.evalf(40))) for v in _symbolic_variances(rho, sd, {"pair": "optimal"}.get(rule, rule)))
    shift = mp.mpf(d)
    if healthy == diseased:
        return float(mp.ncdf(shift / mp.sqrt(2 * healthy)))
    turn = -shift * healthy / (diseased - healthy)
    one, other = mp.sqrt(healthy), mp.sqrt(diseased)

    def _farther(t: mp.mpf) -> mp.mpf:  # a diseased score than t
        return 1 - mp.ncdf((turn + t - shift) / other) + mp.ncdf((turn - t - shift) / other)

    def _density(t: mp.mpf) -> mp.mpf:  # of a healthy score's distance
        return (mp.npdf((turn + t) / one) + mp.npdf((turn - t) / one)) / one

    middle = abs(turn)
    cuts = sorted({mp.mpf(0), *(max(mp.mpf(0), middle + k * one) for k in (-12, -6, -2, 0, 2, 6, 12))})
    farther = mp.quad(lambda t: _density(t) * _farther(t), cuts)
    return float(farther if diseased > healthy else 1 - farther)


# Raw simulation: patients with a severity of their own beside the shared nuisance.


def _draw(params: Params, diseased: bool, replicates: int, rng: np.random.Generator) -> Floats:
    """Query and reference, shape (replicates, 2); the diseased query has its own spread and the healthy covariance."""
    rho, spread = params["rho"], params["sd"] if diseased else 1.0
    reference, own = rng.standard_normal((2, replicates))
    return np.column_stack([rho * reference + np.sqrt(spread**2 - rho**2) * own + params.get("d", 1.0) * diseased, reference])


def _weight(params: Params) -> float:
    words = {"single": 0.0, "difference": 1.0, "optimal": params["rho"]}
    return float(words[params["rule"]] if isinstance(params["rule"], str) else params["rule"])


def _scores(params: Params, diseased: bool, replicates: int, rng: np.random.Generator) -> Floats:
    return _draw(params, diseased, replicates, rng) @ np.array([1.0, -_weight(params)])


def _simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return _scores(params, True, replicates, rng) > _scores(params, False, replicates, rng)


def _simulate_d_a(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """From the ranks of data sets, as measured on a model."""
    sets = (rank_auc(_scores(params, True, _SET, rng), _scores(params, False, _SET, rng)) for _ in range(replicates))
    return np.sqrt(2) * ndtri([one.estimate().value for one in sets])


def _simulate_ratio(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    found = []
    for _ in range(replicates):
        pairs = [_draw(params, label, _SET, rng) for label in (True, False)]
        areas = [rank_auc(*(pair @ np.array([1.0, -w]) for pair in pairs)).estimate().value for w in (_weight(params), 0.0)]
        found.append(np.square(ndtri(areas[0]) / ndtri(areas[1])))
    return np.array(found)


def _simulate_sensitivity(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    w, rho = _weight(params), params["rho"]
    threshold = ndtri(params["specificity"]) * np.sqrt(np.array([1.0, -w]) @ np.array([[1.0, rho], [rho, 1.0]]) @ np.array([1.0, -w]))
    return _scores(params, True, replicates, rng) > threshold


def _simulate_bayes(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Rank by the likelihood ratio of what is seen: query, difference, or both images."""
    rho, sd, d = params["rho"], params["sd"], params["d"]
    seen = {"single": np.array([[1.0, 0.0]]), "difference": np.array([[1.0, -1.0]]), "pair": np.eye(2)}[params["rule"]]
    models = [seen @ np.array([[v, rho], [rho, 1.0]]) @ seen.T for v in (1.0, sd**2)]
    centres = [np.zeros(len(seen)), seen @ np.array([d, 0.0])]

    def _log_ratio(pairs: Floats) -> Floats:
        log_densities = []
        for model, centre in zip(models, centres, strict=True):
            gap = pairs @ seen.T - centre
            log_densities.append(-(gap @ np.linalg.inv(model) * gap).sum(axis=1) / 2)
        return log_densities[1] - log_densities[0]

    high, low = (_log_ratio(_draw(params, label, replicates, rng)) for label in (True, False))
    return np.where(high == low, rng.random(replicates) < 0.5, high > low)  # without a difference of the classes all are tied


_D = number("d", "shift of the disease in standard deviations of the healthy, 0 or more")
_PAIR = (
    number("rho", "correlation of a healthy query and its reference"),
    number("sd", "standard deviation of the diseased query, in those of the healthy; above abs(rho)"),
)
_RULE = choice("rule", "rule, or its weight on the reference", t1.RULES, or_number=True)
_POINTS = (*grid(d=[1.0], rho=[0.6], sd=[0.8, 1.0, 1.5], rule=t1.RULES), *grid(d=[2.0], rho=[-0.4, 0.95], sd=[3.0], rule=[0.3, "optimal"]))

STATEMENT = Statement(
    "T14",
    "Unequal variances",
    "A disease that widens the spread: the difference still helps iff rho > 1/2, but by less, and the ROC curve leans.",
    (
        Quantity("auc", "AUROC of a linear rule", (_D, *_PAIR, _RULE), auc, _symbolic_auc, _simulate_auc, _POINTS, mcse=1e-3),
        Quantity(
            "d_a",
            "separation d_a of a linear rule, which its AUROC tells",
            (_D, *_PAIR, _RULE),
            d_a,
            _symbolic_d_a,
            _simulate_d_a,
            grid(d=[1.0], rho=[0.6], sd=[0.8, 1.5], rule=["single", "optimal"]),
            tally=MeanTally,
            draws=lambda params: 4 * _SET,
            block=_SET,
            mcse=2e-3,
            allowance=lambda params: 1e-3,
        ),
        Quantity(
            "da_ratio",
            "squared ratio of d_a, rule to single image",
            (*_PAIR, _RULE),
            da_ratio,
            _symbolic_ratio,
            _simulate_ratio,
            grid(rho=[0.6], sd=[1.0, 1.5], rule=["difference", "optimal"]),
            tally=MeanTally,
            draws=lambda params: 4 * _SET,
            block=_SET,
            mcse=4e-3,
            allowance=lambda params: 1e-3,
        ),
        Quantity(
            "sensitivity",
            "sensitivity of a linear rule at a specificity",
            (_D, *_PAIR, _RULE, number("specificity", "where the sensitivity is taken", 0.9)),
            sensitivity,
            _symbolic_sensitivity,
            _simulate_sensitivity,
            (*_POINTS, *grid(d=[1.0], rho=[0.6], sd=[1.5], rule=["difference"], specificity=[0.05, 0.999])),
            draws=lambda params: 2,
            mcse=1e-3,
        ),
        Quantity(
            "bayes_auc",
            "AUROC of the Bayes rule of who sees the query, the difference, or the pair",
            (_D, *_PAIR, choice("rule", "what the observer sees", BAYES_RULES)),
            bayes_auc,
            _symbolic_bayes,
            _simulate_bayes,
            (*grid(d=[0.0, 1.0], rho=[0.6], sd=[0.8, 1.0, 1.5], rule=BAYES_RULES), *grid(d=[1.0], rho=[-0.9], sd=[4.0], rule=["pair"])),
            symbolic_tolerance=QUADRATURE,
            mcse=1e-3,
        ),
    ),
)
