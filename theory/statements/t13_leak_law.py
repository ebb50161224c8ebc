r"""T13 from the outside: the joint value of a correlation and a leak, and the leak from the AUROC of the reference alone.

For any reason, let the references of diseased queries be shifted by :math:`s\delta`, where the query is shifted by
:math:`\delta` (T7b). With m of them, whose mean has variance :math:`g_m` (T2), the score :math:`X_q-w\bar X_r` has

.. math:: D_w=d\,\frac{1-ws}{\sqrt{1-2w\rho+w^2g_m}},\qquad w^*=\frac{\rho-s}{g_m-\rho s},\qquad
   D_*^2=d^2\Big[1+\frac{(\rho-s)^2}{g_m-\rho^2}\Big].

Query and reference have one variance, so the AUROC of a reference alone is :math:`\Phi(sd/\sqrt2)` and
:math:`s=\Phi^{-1}(\mathrm{AUROC}_r)/\Phi^{-1}(\mathrm{AUROC}_q)`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from see_in_pairs.errors import InputError
from theory.numerics.gaussian import auc_of
from theory.numerics.montecarlo import MeanTally, log_likelihood_ratio
from theory.numerics.validation import Floats, correlation, finite, non_negative, require, share
from theory.statements import t2_several_references as t2
from theory.statements.base import Params, Quantity
from theory.statements.linear_rule import draw_images
from theory.statements.parameters import choice, grid, number

STATEMENT_ID = "T13"
RULES = ("single", "difference", "t1_weight", "optimal", "reference_only")
_SET = 20_000  # differences of two patients behind one estimate of the leak


def leaked_weight(rho: ArrayLike, s: ArrayLike, g: ArrayLike, rule: str | ArrayLike) -> Floats:
    r"""Weight on the mean reference, whose variance is g: 0, 1, T1's :math:`\rho/g`, the best :math:`(\rho-s)/(g-\rho s)`, or as given."""
    rho, s, g = np.asarray(rho, dtype=np.float64), np.asarray(s, dtype=np.float64), np.asarray(g, dtype=np.float64)
    if not isinstance(rule, str):
        return finite(rule, "rule")
    if rule == "optimal":
        require(g - rho * s > 0, "s, rho, m: the references alone would tell the class better than any weighing of them; lower s")
        return (rho - s) / (g - rho * s)
    weights = {"single": 0.0 * rho, "difference": 1.0 + 0.0 * rho, "t1_weight": rho / g}
    if rule not in weights:
        raise InputError(f"rule = {rule!r}: must be one of {', '.join(RULES)}, or a number (the weight)")
    return weights[rule]


def leaked_separation(
    d: ArrayLike, rho: ArrayLike, s: ArrayLike, rule: str | ArrayLike, m: ArrayLike = 1, rho_rr: ArrayLike | None = None
) -> Floats:
    """Separation with m references that carry a share s of the signal (module's formulas); negative where a rule turns the classes
    around."""
    d, rho, s = non_negative(d, "d"), correlation(rho), finite(s, "s")
    g = t2.mean_variance(m, rho if rho_rr is None else rho_rr, rho)
    require(g > np.square(rho), "rho, rho_rr, m: the references would leave nothing of a healthy query")
    if isinstance(rule, str) and rule == "reference_only":
        return d * s / np.sqrt(g)
    w = leaked_weight(rho, s, g, rule)
    return d * (1 - w * s) / np.sqrt(1 - 2 * w * rho + np.square(w) * g)


def leaked_auc(
    d: ArrayLike, rho: ArrayLike, s: ArrayLike, rule: str | ArrayLike, m: ArrayLike = 1, rho_rr: ArrayLike | None = None
) -> Floats:
    r"""AUROC with m references that carry a share s of the signal: :math:`\Phi(D_w/\sqrt2)`.

    Examples
    --------
    At a correlation of .55 a reference that carries half of the signal is worth next to nothing, and subtracting it harms.

    >>> [round(float(leaked_auc(1.346, 0.55, 0.5, rule)), 3) for rule in RULES]
    [0.829, 0.692, 0.796, 0.83, 0.683]
    """
    return auc_of(leaked_separation(d, rho, s, rule, m, rho_rr))


def leak_from_auroc(auc_single: ArrayLike, auc_reference: ArrayLike) -> Floats:
    r"""Share s of the signal that references carry, from the AUROC of the query alone and that of the reference alone:
    :math:`\Phi^{-1}(\mathrm{AUROC}_r)/\Phi^{-1}(\mathrm{AUROC}_q)`; 0 where the reference tells nothing (.5).

    Examples
    --------
    >>> round(float(leak_from_auroc(0.829, 0.683)), 3), float(leak_from_auroc(0.8, 0.5))
    (0.501, 0.0)
    """
    single, reference = share(auc_single, "auc_single"), share(auc_reference, "auc_reference")
    require(single != 0.5, "auc_single = 0.5: the query alone tells nothing, so the reference cannot carry a share of the signal")
    return ndtri(reference) / ndtri(single)


# Symbolic


def _symbolic_auc(d: float, rho: float, s: float, rule: str | float, m: int = 1, rho_rr: float | None = None) -> float:
    """Solve the joint system of query and references, or take a contrast of it."""
    import sympy as sp

    from theory.numerics import symbolic

    r, between, m = symbolic.exact(rho), symbolic.exact(rho if rho_rr is None else rho_rr), int(m)
    joint = sp.Matrix(m + 1, m + 1, lambda i, j: 1 if i == j else (r if 0 in (i, j) else between))
    shift = sp.Matrix([1, *[symbolic.exact(s)] * m])
    if rule == "optimal":
        return symbolic.evaluate(symbolic.auc(symbolic.exact(d) * sp.sqrt((shift.T * joint.LUsolve(shift))[0])))
    if rule == "t1_weight":  # the regression of the query on the references, which is Bayes' rule where nothing leaks
        weights = list(joint[1:, 1:].LUsolve(joint[1:, 0]))
    else:
        weight = {"single": sp.Integer(0), "difference": sp.Integer(1), "reference_only": sp.Integer(-1)}
        weights = [(weight[rule] if isinstance(rule, str) else symbolic.exact(rule)) / m] * m
    contrast = sp.Matrix([0 if rule == "reference_only" else 1, *[-w for w in weights]])
    return symbolic.evaluate(symbolic.auc(symbolic.exact(d) * (contrast.T * shift)[0] / sp.sqrt((contrast.T * joint * contrast)[0])))


def _symbolic_leak(auc_single: float, auc_reference: float) -> float:
    """Find by root search the shifts at which two normal scores have these AUROCs."""
    import mpmath as mp  # type: ignore[import-untyped]

    def _shift(area: float) -> mp.mpf:
        return mp.findroot(lambda t: mp.ncdf(t / mp.sqrt(2)) - mp.mpf(area), 0.1)

    return float(_shift(auc_reference) / _shift(auc_single))


# Raw simulation: patients whose references are shifted with them.


def _simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    m, rule, between = int(params["m"]), params["rule"], params.get("rho_rr")
    model = t2.images_covariance(params["rho"], params["rho"] if between is None else between, m)
    shift = params["d"] * np.array([1.0, *[params["s"]] * m])
    healthy, diseased = (draw_images(model, shift, np.full(replicates, label), rng) for label in (False, True))
    if rule == "optimal":
        return log_likelihood_ratio(diseased, shift, model) > log_likelihood_ratio(healthy, shift, model)
    if rule == "t1_weight":  # the weight of an observer who assumes A2: regress query on references within the healthy
        weights = np.append(1.0, -np.linalg.lstsq(model[1:, 1:], model[1:, 0], rcond=None)[0])
    else:
        weight = {"single": 0.0, "difference": 1.0, "reference_only": -1.0}
        chosen = weight[rule] if isinstance(rule, str) else float(rule)
        weights = np.append(float(rule != "reference_only"), np.full(m, -chosen / m))
    return diseased @ weights > healthy @ weights


def _simulate_leak(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """The shifts at which simulated patients are ranked right as often as the AUROCs say: quantiles of differences of two healthy ones."""
    found = []
    for _ in range(replicates):
        gap = rng.standard_normal((2, 2, _SET))
        shifts = [-np.quantile(own[0] - own[1], 1 - params[name]) for own, name in zip(gap, ("auc_reference", "auc_single"), strict=True)]
        found.append(shifts[0] / shifts[1])
    return np.array(found)


_LAW = (
    number("d", "separation of the single-image score, 0 or more"),
    number("rho", "correlation of query and reference given the label"),
    number("s", "share of the query's shift that its references have"),
    choice("rule", "rule, or its weight on the mean reference", RULES, or_number=True),
    number("m", "number of references", 1),
    number("rho_rr", "correlation of the references; rho when not given", None),
)

QUANTITIES = (
    Quantity(
        "leaked_auc",
        "AUROC with references that carry a share of the signal",
        _LAW,
        leaked_auc,
        _symbolic_auc,
        _simulate_auc,
        (
            *grid(d=[1.346], rho=[0.55], s=[0.0, 0.5], rule=RULES),
            *grid(d=[1.0], rho=[-0.4, 0.9], s=[-0.5, 0.95], rule=["optimal", 0.3]),
            *grid(d=[1.0], rho=[0.4], s=[0.3], rule=["difference", "t1_weight", "optimal", "reference_only"], m=[4], rho_rr=[0.6]),
        ),
        draws=lambda params: 4 * (int(params["m"]) + 1),
        mcse=1e-3,
    ),
    Quantity(
        "leak_from_auroc",
        "share of the signal that references carry, from the AUROC of the reference alone",
        (number("auc_single", "AUROC of the query alone"), number("auc_reference", "AUROC of the reference alone")),
        leak_from_auroc,
        _symbolic_leak,
        _simulate_leak,
        grid(auc_single=[0.829, 0.95], auc_reference=[0.5, 0.683, 0.4]),
        tally=MeanTally,
        draws=lambda params: 4 * _SET,
        block=_SET,
        mcse=1e-3,
        allowance=lambda params: 1e-3,  # a ratio of two estimates, to first order
    ),
)
