"""T10: from logits to the correlation; the properties of the estimators of `theory.models.variance_components`.

Coverage of the exact interval of the intraclass correlation and of the first-order interval of the gain, the spread of the estimated
gain, the AUROC of averaged logits, and the expectation of an estimated component.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from theory.models.variance_components import (
    auc_gain,
    averaged_auc,
    averaged_variance,
    gain_standard_error,
    intraclass_correlation,
    mean_squares,
    solve_components,
)
from theory.numerics.montecarlo import DeviationTally, MeanTally
from theory.numerics.validation import Floats, correlation, finite, non_negative, positive, require, whole
from theory.statements.base import Params, Quantity, Statement
from theory.statements.parameters import components, grid, number
from theory.statements.t1_univariate_rules import draw_pairs
from theory.statements.t10_designs import check_components, draw_logits, symbolic_component

if TYPE_CHECKING:
    import sympy as sp

LEVEL = 0.95


def icc_cover(groups: ArrayLike, k: ArrayLike, rho: ArrayLike) -> Floats:
    """Coverage of the exact interval of the intraclass correlation: the nominal .95, whatever the parameters."""
    return LEVEL + 0 * (whole(groups, "groups", 2) + whole(k, "k", 2) + non_negative(correlation(rho), "rho"))


def delta_cover(n_per_class: ArrayLike, rho: ArrayLike, d: ArrayLike) -> Floats:
    """Nominal coverage .95 of the delta interval of the gain; the true one is within .015 from 100 per class on."""
    return LEVEL + 0 * (whole(n_per_class, "n_per_class", 3) + correlation(rho) + positive(d, "d"))


def gain_sd(n_per_class: ArrayLike, rho: ArrayLike, d: ArrayLike) -> Floats:
    """First-order standard deviation of the estimated gain in AUROC (`gain_standard_error`), to 4 % from 100 per class on.

    Examples
    --------
    >>> float(gain_sd(200, 0.6, 1.0))
    0.00717
    """
    return gain_standard_error(d, rho, n_per_class, n_per_class)


def auc_R_refs(beta: ArrayLike, R: ArrayLike, S: ArrayLike, var: dict[str, float]) -> Floats:
    """AUROC of the logit averaged over R references and S seeds that all patients share (`averaged_auc`)."""
    check_components(var)
    require(averaged_variance(R, S, var) > 0, "var: the components must add up to a positive variance")
    return averaged_auc(beta, R, S, var)


def EMS_PR(beta: ArrayLike, n: ArrayLike, R: ArrayLike, S: ArrayLike, var: dict[str, float]) -> Floats:
    """Expectation of the estimated component of patients by references: the true one, since the estimator is unbiased."""
    check_components(var)
    return var["PR"] + 0 * (finite(beta, "beta") + whole(n, "n", 4) + whole(R, "R", 2) + whole(S, "S", 2))


# Symbolic


def _symbolic_icc_cover(groups: int, k: int, rho: float) -> float:
    """Integrate the F distribution between the quantiles the interval uses: F over its expectation ratio is a pivot."""
    import mpmath as mp  # type: ignore[import-untyped]
    from scipy.special import fdtri

    a, b = groups - 1, groups * (k - 1)

    def _below(quantile: float) -> mp.mpf:
        f = mp.mpf(float(fdtri(a, b, quantile)))
        return mp.betainc(mp.mpf(a) / 2, mp.mpf(b) / 2, 0, a * f / (a * f + b), regularized=True)

    return float(_below((1 + LEVEL) / 2) - _below((1 - LEVEL) / 2))


def _symbolic_delta_cover(n_per_class: int, rho: float, d: float) -> float:
    from theory.numerics import symbolic

    z = symbolic.exact(float(ndtri((1 + LEVEL) / 2)))
    return symbolic.evaluate(symbolic.normal_cdf(z) - symbolic.normal_cdf(-z))


@functools.cache
def symbolic_gain_variance() -> tuple[sp.Expr, dict[str, sp.Symbol]]:
    r"""First-order variance of the estimated gain, and its symbols ``d``, ``rho``, ``n`` (per class): the gradient in mean difference and
    sample covariances, weighted by :math:`\mathrm{Cov}(s_{ij},s_{kl})=(\sigma_{ik}\sigma_{jl}+\sigma_{il}\sigma_{jk})/\nu`."""
    import sympy as sp

    from theory.numerics import symbolic

    d, rho, n = sp.Symbol("d", positive=True), sp.Symbol("rho", real=True), sp.Symbol("n", positive=True)
    shift, s11, s12, s22 = (
        sp.Symbol("m", positive=True),
        sp.Symbol("s11", positive=True),
        sp.Symbol("s12", real=True),
        sp.Symbol("s22", positive=True),
    )
    distance, r = shift / sp.sqrt(s11), s12 / sp.sqrt(s11 * s22)
    gain = symbolic.auc(distance / sp.sqrt(1 - r**2)) - symbolic.auc(distance)
    at = {shift: d, s11: 1, s12: rho, s22: 1}
    gradient = sp.Matrix([sp.diff(gain, x) for x in (shift, s11, s12, s22)]).subs(at)
    sigma, pairs = sp.Matrix([[1, rho], [rho, 1]]), ((0, 0), (0, 1), (1, 1))
    wishart = sp.Matrix(
        3, 3, lambda a, b: sum(sigma[pairs[a][0], pairs[b][x]] * sigma[pairs[a][1], pairs[b][1 - x]] for x in (0, 1)) / (2 * n - 2)
    )
    return (gradient.T * sp.diag(2 / n, wishart) * gradient)[0], {"d": d, "rho": rho, "n": n}


def _symbolic_gain_sd(n_per_class: int, rho: float, d: float) -> float:
    from theory.numerics import symbolic

    variance, names = symbolic_gain_variance()
    return float(np.sqrt(symbolic.evaluate(variance, {names["d"]: d, names["rho"]: rho, names["n"]: n_per_class})))


def _symbolic_auc(beta: float, R: int, S: int, var: dict[str, float]) -> float:
    """Sum the variances of the averages, each drawn again where its source varies."""
    import sympy as sp

    from theory.numerics import symbolic

    copies = {"P": 1, "PR": R, "PS": S, "E": R * S}
    total = sum((symbolic.exact(var[name]) * sp.Integer(count) / sp.Integer(count) ** 2 for name, count in copies.items()), sp.Integer(0))
    return symbolic.evaluate(symbolic.auc(symbolic.exact(beta) / sp.sqrt(total)))


def _symbolic_ems(beta: float, n: int, R: int, S: int, var: dict[str, float]) -> float:
    return symbolic_component("PR", n, R, S, var)


# Raw simulation


def _simulate_icc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    groups, k, rho = int(params["groups"]), int(params["k"]), params["rho"]
    scores = np.sqrt(rho) * rng.standard_normal((replicates, groups, 1)) + np.sqrt(1 - rho) * rng.standard_normal((replicates, groups, k))
    _, low, high = intraclass_correlation(scores, LEVEL)
    return (low <= rho) & (rho <= high)


def _estimates(params: Params, replicates: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Estimated separations and correlations of simulated data sets."""
    n = int(params["n_per_class"])
    pairs = draw_pairs(replicates * 2 * n, params["rho"], rng).reshape(replicates, 2, n, 2)
    pairs[:, 1, :, 0] += params["d"]
    means = pairs.mean(axis=2, keepdims=True)
    query, reference = np.moveaxis(pairs - means, -1, 0)
    own, other, both = (
        np.einsum("rcn,rcn->r", a, b) / (2 * n - 2) for a, b in ((query, query), (reference, reference), (query, reference))
    )
    return np.abs(means[:, 1, 0, 0] - means[:, 0, 0, 0]) / np.sqrt(own), both / np.sqrt(own * other)


def _simulate_delta(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    d, rho = _estimates(params, replicates, rng)
    half = ndtri((1 + LEVEL) / 2) * gain_standard_error(d, rho, params["n_per_class"], params["n_per_class"])
    return np.abs(auc_gain(d, rho) - auc_gain(params["d"], params["rho"])) <= half


def _simulate_gain(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return auc_gain(*_estimates(params, replicates, rng))


def _simulate_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Rank two patients by their mean logits, with references and seeds they share."""
    R, S, var = int(params["R"]), int(params["S"]), params["var"]
    shared = rng.standard_normal((replicates, R, S))

    def _logits(effect: float) -> Floats:
        parts = [
            np.sqrt(var[name]) * rng.standard_normal((replicates, *shape))
            for name, shape in (("P", (1, 1)), ("PR", (R, 1)), ("PS", (1, S)), ("E", (R, S)))
        ]
        return (effect + shared + sum(parts)).mean(axis=(1, 2))

    return _logits(params["beta"]) > _logits(0.0)


def _simulate_ems(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    logits, labels = draw_logits(params, replicates, rng)
    return solve_components(mean_squares(logits, labels), int(params["R"]), int(params["S"]))["PR"]


_STUDY = (
    number("n_per_class", "queries per class"),
    number("rho", "correlation of query and reference scores"),
    number("d", "separation of the single-image score"),
)
_DESIGN = (number("R", "references"), number("S", "seeds"))
_BETA = number("beta", "mean logit of diseased minus healthy patients")
_VAR = {"P": 1.0, "PR": 0.6, "PS": 0.2, "E": 0.4}
_ALL = {"P": 1.0, "R": 0.3, "S": 0.2, "PR": 0.5, "PS": 0.2, "RS": 0.1, "E": 0.4}


def _study_draws(params: Params) -> int:
    return 8 * int(params["n_per_class"])


def _cells(params: Params) -> int:
    return 4 * int(params["R"] * params["S"] * params.get("n", 2))


STATEMENT = Statement(
    "T10",
    "From logits to rho",
    "Variance components, correlations and the predicted gain from logits, with intervals that hold what they promise.",
    (
        Quantity(
            "icc_cover",
            "coverage of the exact interval of the intraclass correlation",
            (number("groups", "number of groups"), number("k", "scores per group"), number("rho", "correlation within a group, 0 or more")),
            icc_cover,
            _symbolic_icc_cover,
            _simulate_icc,
            (*grid(groups=[30], k=[3], rho=[0.0, 0.4]), *grid(groups=[4], k=[2], rho=[0.95])),
            draws=lambda params: 3 * int(params["groups"]) * (int(params["k"]) + 1),
        ),
        Quantity(
            "delta_cover",
            "coverage of the delta interval of the gain, nominal",
            _STUDY,
            delta_cover,
            _symbolic_delta_cover,
            _simulate_delta,
            grid(n_per_class=[100], rho=[0.6], d=[1.0]),
            draws=_study_draws,
            allowance=lambda params: 0.015,
            caveat=lambda params: "" if params["n_per_class"] >= 100 else "first order: within .015 from 100 per class on",
        ),
        Quantity(
            "gain_sd",
            "standard deviation of the estimated gain, first order",
            _STUDY,
            gain_sd,
            _symbolic_gain_sd,
            _simulate_gain,
            grid(n_per_class=[200], rho=[0.6, -0.8], d=[1.0]),
            tally=DeviationTally,
            draws=_study_draws,
            relative_allowance=0.04,
            mcse=2e-5,
            caveat=lambda params: (
                ""
                if params["n_per_class"] >= 100 and abs(params["rho"]) >= 0.3
                else "first order: to 4 % from 100 per class on, not near rho = 0"
            ),
        ),
        Quantity(
            "auc_R_refs",
            "AUROC of the logit averaged over references and seeds",
            (_BETA, *_DESIGN, components("var", "variance components", _VAR)),
            auc_R_refs,
            _symbolic_auc,
            _simulate_auc,
            tuple({"beta": 1.5, "R": R, "S": S, "var": _VAR} for R, S in ((1, 1), (4, 2), (40, 1))),
            draws=_cells,
        ),
        Quantity(
            "EMS_PR",
            "expectation of the estimated component of patients by references",
            (_BETA, number("n", "patients"), *_DESIGN, components("var", "variance components", _ALL)),
            EMS_PR,
            _symbolic_ems,
            _simulate_ems,
            ({"beta": 1.0, "n": 20, "R": 3, "S": 3, "var": _ALL}, {"beta": 0.0, "n": 5, "R": 2, "S": 4, "var": {**_ALL, "PR": 0.0}}),
            tally=MeanTally,
            draws=_cells,
        ),
    ),
)
