r"""T4: learning from few cases: the best representation of query and reference for training.

Plug-in linear discriminant, n training cases per class, p features, Mahalanobis distance :math:`\Delta`, equal priors. Every
feature has the same correlation :math:`\rho` between query and reference; features are independent.

================== ======== ============================
representation     features squared distance
================== ======== ============================
single             p        :math:`\Delta^2`
difference         p        :math:`\Delta^2/(2(1-\rho))`
concat             2 p      :math:`\Delta^2/(1-\rho^2)`
residual_known_rho p        :math:`\Delta^2/(1-\rho^2)`
================== ======== ============================

``error`` is exact (T4.3, T4.4). ``raudys_error`` is the form to reason with,

.. math:: \Phi\!\Big(-\frac\Delta2\Big/\sqrt{\big(1+\tfrac{2p}{n\Delta^2}\big)T}\Big), \qquad T=1 \text{ or } \tfrac{2n}{2n-p},

(Raudys and Young 2004), with the stated errors of `raudys_bound`. `crossover` tells where concatenation overtakes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from theory.models.discriminant import class_error, class_error_series, pooled_error, pooled_error_product, train_and_score
from theory.numerics.montecarlo import MeanTally
from theory.numerics.sampling import learned_cosine, pooled_cosine
from theory.numerics.validation import Floats, correlation, one_of, positive, require, whole
from theory.numerics.vectorize import elementwise
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number

if TYPE_CHECKING:
    import sympy as sp

REPRESENTATIONS = ("single", "difference", "concat", "residual_known_rho")
COVARIANCES, RIVALS = ("known", "pooled"), ("single", "difference")


def representation(p: int, Delta2: ArrayLike, rho: ArrayLike, rep: str) -> tuple[int, Floats]:
    """Number of features and squared distance of a representation, as in the module's table."""
    count, distance2, rho = int(whole(p, "p", 1)), positive(Delta2, "Delta2"), correlation(rho)
    one_of(rep, "rep", REPRESENTATIONS)
    gain = {"single": 1.0 + 0 * rho, "difference": 1 / (2 * (1 - rho))}.get(rep, 1 / ((1 - rho) * (1 + rho)))
    return (2 * count if rep == "concat" else count), distance2 * gain


def _checked(p: int, n_per_class: int, Delta2: float, rho: float, rep: str, cov: str) -> tuple[int, int, float]:
    """Number of features, cases per class and distance; refuses what cannot be trained."""
    features, distance2 = representation(p, Delta2, rho, rep)
    n = int(whole(n_per_class, "n_per_class", 1))
    one_of(cov, "cov", COVARIANCES)
    require(
        cov == "known" or features < 2 * n - 2,
        f"p, n_per_class: a pooled covariance of {features} features needs p < 2 n - 2 (rep = {rep!r})",
    )
    return features, n, float(np.sqrt(distance2))


@elementwise
def error(p: int, n_per_class: int, Delta2: float, rho: float, rep: str, cov: str) -> float:
    """Expected error of the trained rule, exactly (T4.3, T4.4), by quadrature.

    Examples
    --------
    >>> error(10, 20, 2.0, 0.6, "concat", "known")
    0.24729
    """
    features, n, distance = _checked(p, n_per_class, Delta2, rho, rep, cov)
    return class_error(features, n, n, distance, 1) if cov == "known" else pooled_error(features, n, distance)


@elementwise
def raudys_error(p: int, n_per_class: int, Delta2: float, rho: float, rep: str, cov: str) -> float:
    """Raudys' approximation of the expected error of the trained rule (T4.1, T4.2).

    Examples
    --------
    >>> raudys_error(10, 20, 2.0, 0.6, "concat", "known")
    0.24504
    """
    features, n, distance = _checked(p, n_per_class, Delta2, rho, rep, cov)
    cost = (1 + 2 * features / (n * distance**2)) * (1 if cov == "known" else 2 * n / (2 * n - features))
    return float(ndtr(-distance / 2 / np.sqrt(cost)))


def raudys_bound(params: Params) -> float:
    """Stated error of Raudys' form: its largest distance from the exact error; infinite where none is stated."""
    steps = {
        "known": [(100, 0.0019), (20, 0.0036), (10, 0.0070), (5, 0.0136)],
        "pooled": [(40, 0.0042), (30, 0.0055), (20, 0.0084), (5, 0.0108)],
    }
    n = params["n_per_class"]
    return next((bound for least, bound in steps[params["cov"]] if n >= least), float("inf"))


def raudys_caveat(params: Params) -> str:
    """Caveat where the stated error of Raudys' form is not known to hold; empty inside the checked range."""
    features, distance2 = representation(params["p"], params["Delta2"], params["rho"], params["rep"])
    n, most = params["n_per_class"], 200 if params["cov"] == "known" else 50
    inside = n >= 5 and 2 <= features <= most and 0.75 <= np.sqrt(distance2) <= 3 and (params["cov"] == "known" or features < 2 * n - 5)
    return (
        ""
        if inside
        else f"checked for n >= 5, 2 to {most} features, distances .75 to 3 (pooled: p < 2 n - 5); here its error is not stated"
    )


@elementwise
def crossover(p: int, Delta2: float, rho: float, against: str, cov: str = "known") -> float:
    r"""Cases per class from which concatenation beats another representation (Raudys' form). It is 0 where concatenation wins at every n
    (covariance known only: a pooled one of 2 p features needs n above p + 1), infinite where it never does.

    Notes
    -----
    With :math:`\kappa = 1/(1-\rho^2)` and c the gain of the other, where the covariance is known
    :math:`n_\times=\frac{2p(2c^2-\kappa^2)}{\Delta^2c\kappa(\kappa-c)}`. Where it is pooled both sides carry
    :math:`T_\Sigma`, and :math:`n_\times` is the positive root of :math:`d_1^4(2n-p)(nd_2^2+4p)=d_2^4(2n-2p)(nd_1^2+2p)`, with
    :math:`d_1^2=c\Delta^2`, :math:`d_2^2=\kappa\Delta^2`.

    Examples
    --------
    >>> crossover(10, 2.0, 0.3, "single"), crossover(10, 2.0, 0.4, "single", "pooled")
    (72.91, 64.79)
    """
    one_of(against, "against", RIVALS)
    one_of(cov, "cov", COVARIANCES)
    features, base = representation(p, Delta2, rho, "single")
    other, both = (float(representation(p, 1.0, rho, rep)[1]) for rep in (against, "concat"))
    if both <= other:
        return float("inf")
    if cov == "pooled":
        return _pooled_crossover(features, float(base) * other, float(base) * both)
    return max(0.0, float(2 * features * (2 * other**2 - both**2) / (base * other * both * (both - other))))


def _pooled_crossover(p: int, one: float, two: float) -> float:
    """Positive root of the quadratic in n; its ends have opposite signs, so there is one."""
    leading = 2 * one * two * (one - two)
    middle = one**2 * p * (8 - two) - two**2 * p * (4 - 2 * one)
    last = 4 * p**2 * (two**2 - one**2)
    return float((-middle - np.sqrt(middle**2 - 4 * leading * last)) / (2 * leading))


def symbolic_distance(rep: str) -> tuple[sp.Expr, sp.Symbol]:
    """Squared distance of a representation relative to the single image, from the covariance of query and reference; and its symbol rho."""
    import sympy as sp

    rho = sp.Symbol("rho", real=True)
    model, shift = sp.Matrix([[1, rho], [rho, 1]]), sp.Matrix([1, 0])
    observation = {
        "single": sp.Matrix([[1, 0]]),
        "difference": sp.Matrix([[1, -1]]),
        "concat": sp.eye(2),
        "residual_known_rho": sp.Matrix([[1, -rho]]),
    }[rep]
    return sp.simplify(((observation * shift).T * (observation * model * observation.T).inv() * (observation * shift))[0]), rho


def _symbolic_representation(p: int, Delta2: float, rho: float, rep: str) -> tuple[int, float]:
    from theory.numerics import symbolic

    gain, symbol = symbolic_distance(rep)
    return (2 * p if rep == "concat" else p), float(np.sqrt(Delta2 * symbolic.evaluate(gain, {symbol: rho})))


def _symbolic_error(p: int, n_per_class: int, Delta2: float, rho: float, rep: str, cov: str) -> float:
    features, distance = _symbolic_representation(p, Delta2, rho, rep)
    if cov == "known":
        return class_error_series(features, n_per_class, n_per_class, distance, 0)
    return pooled_error_product(features, n_per_class, distance)


def _symbolic_raudys(p: int, n_per_class: int, Delta2: float, rho: float, rep: str, cov: str) -> float:
    """Expand the squared length of the learned difference by its mean, and the pooled covariance by its loss of freedom."""
    import sympy as sp

    from theory.numerics import symbolic

    features, _ = _symbolic_representation(p, Delta2, rho, rep)
    gain, symbol = symbolic_distance(rep)
    distance2 = symbolic.exact(Delta2) * gain.subs(symbol, symbolic.exact(rho))
    length2 = distance2 + sp.Rational(2, n_per_class) * features
    loss = sp.Rational(2 * n_per_class, 2 * n_per_class - features) if cov == "pooled" else sp.Integer(1)
    return symbolic.evaluate(symbolic.normal_cdf(-distance2 / (2 * sp.sqrt(length2 * loss))))


def _simulate(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Draw whole training sets of queries and references, represent, train, and diagnose fresh cases."""
    p, rho, n = int(params["p"]), params["rho"], int(params["n_per_class"])
    one, none = np.eye(p), np.zeros((p, p))
    observation = {
        "single": np.hstack([one, none]),
        "difference": np.hstack([one, -one]),
        "concat": np.eye(2 * p),
        "residual_known_rho": np.hstack([one, -rho * one]),
    }[params["rep"]]
    model = np.block([[one, rho * one], [rho * one, one]])
    shift = np.concatenate([np.full(p, np.sqrt(params["Delta2"] / p)), np.zeros(p)])
    return train_and_score(observation @ shift, observation @ model @ observation.T, (n, n), params["cov"], replicates, rng)


def _fast(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Normal error given 2 (covariance known) or 5 scalars per training set, instead of every image."""
    features, n, distance = _checked(*(params[name] for name in ("p", "n_per_class", "Delta2", "rho", "rep", "cov")))
    cosine = learned_cosine(features, distance, n, replicates, rng)
    if params["cov"] == "pooled":
        cosine = pooled_cosine(cosine, features, n, rng)
    return ndtr(-distance / 2 * cosine / np.sqrt(1 + 1 / (2 * n)))


_PARAMETERS = (
    number("p", "features of the single image"),
    number("n_per_class", "training cases per class"),
    number("Delta2", "squared Mahalanobis distance of the single image"),
    number("rho", "correlation of query and reference, feature by feature"),
    choice("rep", "what is trained on", REPRESENTATIONS),
    choice("cov", "whether the covariance is known or estimated", COVARIANCES),
)
_TABLE: dict[str, list[float]] = {"p": [10], "n_per_class": [20], "Delta2": [2.0], "rho": [0.6]}


def _draws(params: Params) -> int:
    return 2 * int(params["p"]) * (2 * int(params["n_per_class"]) + 40)


_KNOWN = (
    *grid(**_TABLE, rep=REPRESENTATIONS, cov=["known"]),
    *grid(p=[1], n_per_class=[2], Delta2=[1.0], rho=[-0.5], rep=["concat"], cov=["known"]),
    *grid(p=[40], n_per_class=[6], Delta2=[2.0], rho=[0.9], rep=["difference"], cov=["known"]),
)
_POOLED = (
    *grid(**_TABLE, rep=["single", "difference", "concat"], cov=["pooled"]),
    *grid(p=[2], n_per_class=[30], Delta2=[4.0], rho=[0.0], rep=["single"], cov=["pooled"]),
    *grid(p=[1], n_per_class=[8], Delta2=[1.0], rho=[0.3], rep=["single"], cov=["pooled"]),
)
STATEMENT = Statement(
    "T4",
    "Learning curves",
    "A built-in difference is the best learnable representation only for rho > 1/2 and few cases; concatenation pays for its features.",
    (
        Quantity(
            "error",
            "expected error of the trained rule, covariance known or pooled",
            _PARAMETERS,
            error,
            _symbolic_error,
            _simulate,
            _KNOWN + _POOLED,
            fast=_fast,
            symbolic_tolerance=QUADRATURE,
            tally=MeanTally,
            draws=_draws,
        ),
        Quantity(
            "raudys_error",
            "Raudys' approximation of it",
            _PARAMETERS,
            raudys_error,
            _symbolic_raudys,
            _simulate,
            (_KNOWN[0], _KNOWN[2], *_POOLED[:1]),
            allowance=raudys_bound,
            caveat=raudys_caveat,
            tally=MeanTally,
            draws=_draws,
        ),
    ),
)
