r"""T16: K classes. A healthy reference multiplies the separation of every two of them by the same factor.

Every feature of query and reference has correlation :math:`\rho`; classes have equal priors and are d apart in the single image: each two
of them (``simplex``: K unlike diseases) or neighbours on a line (``line``: K grades of one). A rule with weight w has
:math:`D=d/\sqrt{v(w)}` (T1) instead of d:

======== ======================================================= ========================================================
geometry accuracy                                                mean pairwise AUROC
======== ======================================================= ========================================================
simplex  :math:`\int\phi(z)\,\Phi(z+D/\sqrt2)^{K-1}dz`           :math:`\Phi(D/\sqrt2)`
line     :math:`1-\frac{2(K-1)}K\Phi(-D/2)`                      :math:`\frac2{K(K-1)}\sum_{h=1}^{K-1}(K-h)\Phi(hD/\sqrt2)`
======== ======================================================= ========================================================

For the star, :math:`\frac1K\big[\Phi(D/2)^{K-1}+(K-1)\int_{-D/2}^\infty\phi(z)\,\Phi(z+D)^{K-2}dz\big]` and
:math:`\frac2K\Phi(D/\sqrt2)+\frac{K-2}K\Phi(D)`.

The mean is over pairs of classes, each ranked by its likelihood ratio, that is by probabilities renormalised to the two. Hand and Till
(2001) rank by the probability among all K, which the other classes blur: their M is lower (K = 3, d = 1.5: .828 for .856). Derived here;
the accuracy of a simplex is that of m-alternative forced choice (Green and Swets 1966).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from theory.numerics.montecarlo import MeanTally, PairedTally
from theory.numerics.quadrature import standard_normal
from theory.numerics.validation import Floats, non_negative, one_of, whole
from theory.numerics.vectorize import elementwise
from theory.statements import t1_univariate_rules as t1
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number

GEOMETRIES, MEASURES = ("simplex", "line", "star"), ("accuracy", "pairwise_auc")


@elementwise
def accuracy(K: int, d: float, rho: float, rule: str | float, geometry: str = "simplex") -> float:
    """Accuracy of the Bayes rule among K classes of equal priors (module's table).

    Examples
    --------
    >>> round(accuracy(2, 1.0, 0.0, "single"), 5), round(accuracy(5, 1.0, 0.6, "optimal"), 5)
    (0.69146, 0.46)
    """
    classes, distance = _checked(K, d, rho, rule, geometry)
    if geometry == "line":
        return float(1 - 2 * (classes - 1) / classes * ndtr(-distance / 2))
    if geometry == "star":
        return float((ndtr(distance / 2) ** (classes - 1) + (classes - 1) * _finding_named(classes, distance)) / classes)
    z, weights = standard_normal()
    return float(weights @ ndtr(z + distance / np.sqrt(2)) ** (classes - 1))


def _finding_named(classes: int, distance: float) -> float:
    """Chance that a finding is named: its score exceeds that of healthy, and those of the other findings."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    half = 5 + min(distance / 2, 10.0) / 2  # of the interval: beyond 10 on either side there is nothing left
    z = 10 + half * (nodes - 1)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return float((weights * density) @ ndtr(z + distance) ** (classes - 2) * half)


@elementwise
def pairwise_auc(K: int, d: float, rho: float, rule: str | float, geometry: str = "simplex") -> float:
    """Mean AUROC over pairs of K classes, each ranked by its likelihood ratio (module's table).

    Examples
    --------
    >>> round(pairwise_auc(5, 1.0, 0.6, "optimal"), 5), round(pairwise_auc(3, 1.0, 0.0, "single", "line"), 5)
    (0.81162, 0.81395)
    """
    classes, distance = _checked(K, d, rho, rule, geometry)
    if geometry == "simplex":
        return float(ndtr(distance / np.sqrt(2)))
    if geometry == "star":
        return float(2 / classes * ndtr(distance / np.sqrt(2)) + (classes - 2) / classes * ndtr(distance))
    steps = np.arange(1, classes)
    return float(2 / (classes * (classes - 1)) * ((classes - steps) @ ndtr(steps * distance / np.sqrt(2))))


@elementwise
def gain(K: int, d: float, rho: float, rule: str | float, geometry: str = "simplex", measure: str = "accuracy") -> float:
    """Gain of a rule over the single image; negative for the difference where rho is below 1/2, whatever K.

    Examples
    --------
    >>> round(gain(2, 1.5, 0.8, "difference"), 4), round(gain(10, 1.5, 0.8, "difference"), 4)
    (0.1088, 0.2086)
    """
    one_of(measure, "measure", MEASURES)
    of = {"accuracy": accuracy, "pairwise_auc": pairwise_auc}[measure]
    return of(K, d, rho, rule, geometry) - of(K, d, rho, "single", geometry)


def _checked(K: int, d: float, rho: float, rule: str | float, geometry: str) -> tuple[int, float]:
    """Number of classes, and their separation under the rule."""
    one_of(geometry, "geometry", GEOMETRIES)
    return int(whole(K, "K", 2)), float(t1.separation(non_negative(d, "d"), rho, rule))


# Symbolic: the separation derived in T1, and integrals over the best of the other classes.


def _distance(d: float, rho: float, rule: str | float):  # type: ignore[no-untyped-def]
    import mpmath as mp  # type: ignore[import-untyped]
    import sympy as sp

    return mp.mpf(str(sp.N(t1.symbolic_separation(d, rho, rule), 30)))


def _symbolic_accuracy(K: int, d: float, rho: float, rule: str | float, geometry: str = "simplex") -> float:
    """Chance that the own class scores highest, from the density of the highest of the others; along a line, class by class."""
    import mpmath as mp  # type: ignore[import-untyped]

    distance, classes = _distance(d, rho, rule), int(K)
    if geometry == "line":
        half = distance / 2  # an own score stays between the middles to its neighbours
        return float(sum(mp.ncdf(half if k < classes - 1 else mp.inf) - mp.ncdf(-half if k else -mp.inf) for k in range(classes)) / classes)
    if geometry == "star":
        others = classes - 2

        def _named(z: mp.mpf) -> mp.mpf:
            return mp.npdf(z) * mp.ncdf(z + distance) ** others

        named = mp.quad(_named, [-distance / 2, -distance / 2 + 1, 2, 4, 14])
        return float((mp.ncdf(distance / 2) ** (classes - 1) + (classes - 1) * named) / classes)
    shift = distance / mp.sqrt(2)

    def _best_of_others(t: mp.mpf) -> mp.mpf:
        return (classes - 1) * mp.ncdf(t) ** (classes - 2) * mp.npdf(t) * mp.ncdf(shift - t)

    return float(mp.quad(_best_of_others, [-12, -3, 0, 3, 12]))


def _symbolic_pairwise_auc(K: int, d: float, rho: float, rule: str | float, geometry: str = "simplex") -> float:
    """Mean over all pairs of classes, one by one."""
    import mpmath as mp  # type: ignore[import-untyped]

    distance, pairs = _distance(d, rho, rule), [(i, j) for j in range(int(K)) for i in range(j)]
    apart = {"line": [j - i for i, j in pairs], "star": [mp.sqrt(2) if i else 1 for i, _ in pairs]}.get(geometry, [1] * len(pairs))
    return float(sum(mp.ncdf(step * distance / mp.sqrt(2)) for step in apart) / len(pairs))


def _symbolic_gain(K: int, d: float, rho: float, rule: str | float, geometry: str = "simplex", measure: str = "accuracy") -> float:
    of = {"accuracy": _symbolic_accuracy, "pairwise_auc": _symbolic_pairwise_auc}[measure]
    return of(K, d, rho, rule, geometry) - of(K, d, rho, "single", geometry)


# Raw simulation: queries of K classes in as many features (one, along a line), each feature with its reference.


def _means(params: Params) -> Floats:
    """Mean of each class (K, features)."""
    K, d = int(params["K"]), params["d"]
    if params["geometry"] == "star":
        return d * np.eye(K, K - 1, k=-1)
    return d * np.arange(K, dtype=np.float64)[:, None] if params["geometry"] == "line" else d / np.sqrt(2) * np.eye(K)


def _draw(params: Params, classes: np.ndarray, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Queries and references (patients, features); references are healthy, of class 0."""
    means = _means(params)
    pairs = t1.draw_pairs(len(classes) * means.shape[1], params["rho"], rng).reshape(len(classes), means.shape[1], 2)
    return pairs[..., 0] + means[classes], pairs[..., 1] + means[0]


def _residual(params: Params, query: Floats, reference: Floats, rule: str | float) -> Floats:
    words = {"single": 0.0, "difference": 1.0, "optimal": params["rho"]}
    w = words[rule] if isinstance(rule, str) else rule
    return query - w * (reference - _means(params)[0])


def _right(params: Params, rule: str | float, seen: tuple[Floats, Floats], classes: np.ndarray) -> np.ndarray:
    """Diagnose each patient with the class whose mean is nearest."""
    residual = _residual(params, *seen, rule)
    distances = [np.square(residual - mean).sum(axis=1) for mean in _means(params)]
    return np.argmin(distances, axis=0) == classes


def _ordered(params: Params, rule: str | float, seen: list[tuple[Floats, Floats]], pair: list[np.ndarray]) -> np.ndarray:
    """Rank two patients of two classes by the likelihood ratio of these classes; a tie counts one half."""
    means = _means(params)
    towards = means[pair[1]] - means[pair[0]]
    low, high = ((_residual(params, *one, rule) * towards).sum(axis=1) for one in seen)
    return (high > low) + 0.5 * (high == low)


def _two_classes(params: Params, replicates: int, rng: np.random.Generator) -> list[np.ndarray]:
    K = int(params["K"])
    first = rng.integers(K, size=replicates)
    return [first, (first + 1 + rng.integers(K - 1, size=replicates)) % K]


def _simulate_accuracy(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    classes = rng.integers(int(params["K"]), size=replicates)
    return _right(params, params["rule"], _draw(params, classes, rng), classes)


def _simulate_pairwise_auc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    pair = _two_classes(params, replicates, rng)
    return _ordered(params, params["rule"], [_draw(params, one, rng) for one in pair], pair)


def _simulate_gain(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """The same patients with and without their references."""
    if params["measure"] == "accuracy":
        classes = rng.integers(int(params["K"]), size=replicates)
        seen = _draw(params, classes, rng)
        return _right(params, params["rule"], seen, classes).astype(float) - _right(params, "single", seen, classes)
    pair = _two_classes(params, replicates, rng)
    both = [_draw(params, one, rng) for one in pair]
    return _ordered(params, params["rule"], both, pair) - _ordered(params, "single", both, pair)


_CLASSES = (
    number("K", "number of classes, 2 or more"),
    number("d", "separation of two classes (neighbours, on a line) in the single image, 0 or more"),
    number("rho", "correlation of query and reference given the class, in every feature"),
    choice("rule", "rule, or its weight on the reference", t1.RULES, or_number=True),
    choice("geometry", "how the classes lie: each two equally far, along a line, or all from the first", GEOMETRIES, "simplex"),
)
_POINTS = (
    *grid(K=[2, 5], d=[1.5], rho=[0.8], rule=["single", "difference", "optimal"], geometry=GEOMETRIES[:2]),
    *grid(K=[20], d=[3.0], rho=[0.3], rule=["difference"], geometry=GEOMETRIES[:2]),
    *grid(K=[3], d=[0.0], rho=[-0.4], rule=[0.5], geometry=GEOMETRIES[:2]),
    *grid(K=[4], d=[1.5], rho=[0.8], rule=["single", "optimal"], geometry=["star"]),
    *grid(K=[10], d=[2.0], rho=[0.3], rule=["difference"], geometry=["star"]),
)


def _draws(params: Params) -> int:
    return 6 * (int(params["K"]) if params["geometry"] != "line" else 1)


STATEMENT = Statement(
    "T16",
    "Several classes",
    "A healthy reference multiplies the separation of every two classes alike: the difference helps iff rho > 1/2, whatever K.",
    (
        Quantity(
            "accuracy",
            "accuracy among K classes of equal priors",
            _CLASSES,
            accuracy,
            _symbolic_accuracy,
            _simulate_accuracy,
            _POINTS,
            draws=_draws,
            symbolic_tolerance=QUADRATURE,
            mcse=1e-3,
        ),
        Quantity(
            "pairwise_auc",
            "mean AUROC over pairs of classes, each ranked by its likelihood ratio",
            _CLASSES,
            pairwise_auc,
            _symbolic_pairwise_auc,
            _simulate_pairwise_auc,
            _POINTS,
            tally=MeanTally,
            draws=_draws,
            mcse=1e-3,
        ),
        Quantity(
            "gain",
            "gain in accuracy or in mean pairwise AUROC over the single image",
            (*_CLASSES, choice("measure", "what is gained", MEASURES, "accuracy")),
            gain,
            _symbolic_gain,
            _simulate_gain,
            (
                *grid(K=[2, 10], d=[1.5], rho=[0.4, 0.8], rule=["difference"], measure=MEASURES),
                *grid(K=[4], d=[1.0], rho=[0.6], rule=["optimal"], geometry=["line"], measure=MEASURES),
            ),
            tally=PairedTally,
            draws=_draws,
            symbolic_tolerance=QUADRATURE,
            mcse=2e-3,
        ),
    ),
)
