r"""T17: the effect on the predicted gain when the correlation is estimated from n pairs.

The gain in AUROC that is predicted from :math:`\hat\rho`, :math:`\hat G=G(d,\hat\rho)` of T10.4 with d held fixed, is a function of a
sample correlation on :math:`\nu=n-2` degrees of freedom (both classes are centred), whose law is known exactly (Hotelling 1953). So the
bias of :math:`\hat G`, its standard deviation and the coverage of its intervals are integrals over one density:

======= ===============================================================================================
method  interval of the predicted gain
======= ===============================================================================================
delta   :math:`\hat G\pm z\,|G_\rho(d,\hat\rho)|(1-\hat\rho^2)/\sqrt\nu`
mapped  the gains at all rho in :math:`\tanh(\mathrm{atanh}\,\hat\rho\pm z/\sqrt{\nu-2})`
======= ===============================================================================================
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, hyp2f1, ndtr, ndtri

from theory.models.variance_components import auc_gain
from theory.numerics.gaussian import normal_density
from theory.numerics.montecarlo import DeviationTally, MeanTally, covariance_root
from theory.numerics.quadrature import legendre, standard_normal
from theory.numerics.validation import Floats, correlation, non_negative, one_of, positive, whole
from theory.numerics.vectorize import elementwise
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import choice, grid, number

METHODS = ("delta", "mapped")
LEVEL = 0.95
_Z = float(ndtri((1 + LEVEL) / 2))


def _log_density(zeta: Floats, rho: float, freedom: int) -> Floats:
    """Log-density of atanh of the sample correlation (Hotelling 1953)."""
    r = np.tanh(zeta)
    log_left = -2 * np.logaddexp(zeta, -zeta) + 2 * np.log(2)  # log(1 - r^2), to all digits in the tails
    scale = np.log(freedom - 1) + gammaln(freedom) - gammaln(freedom + 0.5) - np.log(2 * np.pi) / 2
    series = np.log(hyp2f1(0.5, 0.5, freedom + 0.5, (1 + rho * r) / 2))
    return scale + freedom / 2 * np.log1p(-(rho**2)) - (freedom - 0.5) * np.log1p(-rho * r) + (freedom - 1) / 2 * log_left + series


@functools.lru_cache(maxsize=64)
def _rule(rho: float, freedom: int) -> tuple[Floats, Floats]:
    """Nodes in atanh rho and weights of the law of the sample correlation, by the trapezoidal rule."""
    reach = 10 / np.sqrt(freedom) + 40 / (freedom - 1)
    zeta = np.arctanh(rho) + np.linspace(-reach, reach, 4001)
    weights = np.exp(_log_density(zeta, rho, freedom))
    return zeta, weights / weights.sum()


def _checked(d: float, rho: float, n: int) -> tuple[float, float, int]:
    return float(non_negative(d, "d")), float(correlation(rho)), int(whole(n, "n", 6)) - 2


@elementwise
def gain_bias(d: float, rho: float, n: int) -> float:
    r"""Expectation of the predicted gain minus the gain at the true correlation, exact; it is above 0 at :math:`\rho=0`, where
    :math:`\hat G` cannot be negative.

    Examples
    --------
    >>> round(gain_bias(1.0, 0.0, 50), 5), round(gain_bias(1.0, 0.6, 50), 5)
    (0.00238, 0.00273)
    """
    effect, true, freedom = _checked(d, rho, n)
    zeta, weights = _rule(true, freedom)
    return float(weights @ auc_gain(effect, _inside(zeta)) - auc_gain(effect, true))


def _inside(zeta: Floats) -> Floats:
    """Correlations, kept below 1 where the tail rounds to it."""
    return np.clip(np.tanh(zeta), -1 + 1e-15, 1 - 1e-15)


@elementwise
def gain_sd(d: float, rho: float, n: int) -> float:
    """Standard deviation of the predicted gain, exact.

    Examples
    --------
    >>> round(gain_sd(1.0, 0.6, 50), 5), round(float(delta_sd(1.0, 0.6, 50)), 5)
    (0.02, 0.02)
    """
    effect, true, freedom = _checked(d, rho, n)
    zeta, weights = _rule(true, freedom)
    gains = auc_gain(effect, _inside(zeta))
    return float(np.sqrt(weights @ np.square(gains - weights @ gains)))


def delta_sd(d: ArrayLike, rho: ArrayLike, n: ArrayLike) -> Floats:
    r"""Standard deviation of the predicted gain to first order, d held fixed: :math:`|G_\rho|(1-\rho^2)/\sqrt\nu`,
    :math:`G_\rho=\phi(u)\,d\rho/\big(\sqrt2(1-\rho^2)^{3/2}\big)`, :math:`u=d/\sqrt{2(1-\rho^2)}`; 0 at :math:`\rho=0`."""
    d, rho, n = non_negative(d, "d"), correlation(rho), whole(n, "n", 6)
    left = (1 - rho) * (1 + rho)
    return normal_density(d / np.sqrt(2 * left)) * d * np.abs(rho) / np.sqrt(2 * left) / np.sqrt(n - 2)


@elementwise
def cover(d: float, rho: float, n: int, method: str = "delta") -> float:
    """Coverage of the 95 % interval of the predicted gain, exact: the probability of the sample correlations whose interval holds the gain.

    Examples
    --------
    Near zero correlation the delta method fails, but the mapped interval does not.

    >>> [round(cover(1.0, rho, 100, method), 3) for rho in (0.1, 0.6) for method in METHODS]
    [0.884, 0.975, 0.939, 0.95]
    """
    effect, true, freedom = _checked(d, rho, n)
    one_of(method, "method", METHODS)
    x, w = legendre(200)
    total = 0.0
    for low, high in _covering(effect, true, freedom, method):
        total += (high - low) * float(w @ np.exp(_log_density(low + (high - low) * x, true, freedom)))
    return total


def _excess(zeta: Floats, d: float, rho: float, freedom: int, method: str) -> Floats:
    """Below 0 where the interval at this atanh of a sample correlation contains the true gain."""
    if method == "mapped":  # the gain grows with abs(rho): the interval holds it iff it holds rho or -rho
        half = _Z / np.sqrt(freedom - 2)
        return np.minimum(np.abs(zeta - np.arctanh(rho)), np.abs(zeta + np.arctanh(rho))) - half
    r = _inside(zeta)
    return np.abs(auc_gain(d, r) - auc_gain(d, rho)) - _Z * delta_sd(d, r, freedom + 2)


def _covering(d: float, rho: float, freedom: int, method: str) -> list[tuple[float, float]]:
    """Intervals of atanh of the sample correlation in which the interval of the gain holds the truth, their ends by bisection."""
    zeta, _ = _rule(rho, freedom)
    zeta = np.union1d(zeta, np.linspace(-np.abs(zeta).max(), np.abs(zeta).max(), 4001))
    inside = _excess(zeta, d, rho, freedom, method) <= 0
    ends = []
    for i in np.flatnonzero(inside[1:] != inside[:-1]):
        low, high = zeta[i], zeta[i + 1]
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if (_excess(np.array(middle), d, rho, freedom, method) <= 0) == inside[i] else (low, middle)
        ends.append(float(low))
    whole_line = [float(zeta[0])] * bool(inside[0]) + ends + [float(zeta[-1])] * bool(inside[-1])
    return list(zip(whole_line[::2], whole_line[1::2], strict=True))


@elementwise
def pairs_needed(d: float, rho: float, half_width: float) -> float:
    r"""Pairs with which the delta interval of the predicted gain has half the width h (round up): :math:`2+(z\,G_\rho(1-\rho^2)/h)^2`.

    Examples
    --------
    >>> round(pairs_needed(1.0, 0.6, 0.02), 1)
    198.8
    """
    at_one = float(delta_sd(d, rho, 6)) * 2  # the root of nu times the standard deviation
    return float(2 + (_Z * at_one / float(positive(half_width, "half_width"))) ** 2)


# Symbolic: no density of the correlation, but the independent normal and chi variables that it is made of (Ruben 1966).


def _chi(freedom: int) -> tuple[Floats, Floats]:
    """Nodes and weights for expectations over a chi variable."""
    x, w = legendre(80)
    centre, spread = np.sqrt(freedom), 9.0  # its standard deviation is below .71
    low = max(centre - spread, 0.0)
    nodes = low + (centre + spread - low) * x
    log_density = (freedom - 1) * np.log(nodes) - np.square(nodes) / 2
    weights = w * np.exp(log_density - log_density.max())
    return nodes, weights / weights.sum()


def _slope(rho: float) -> float:
    return float(rho / np.sqrt((1 - rho) * (1 + rho)))


def _mean(function: Callable[[Floats], Floats], rho: float, n: int) -> float:
    r"""Mean of a function of the sample correlation: :math:`r/\sqrt{1-r^2}=(Z+\chi_\nu\rho/\sqrt{1-\rho^2})/\chi_{\nu-1}`."""
    z, of_z = standard_normal(0.1, 9.0)
    (of_reference, first), (of_rest, second) = _chi(int(n) - 2), _chi(int(n) - 3)
    ratio = (z[:, None, None] + _slope(rho) * of_reference[:, None]) / of_rest
    return float(np.einsum("i,j,k,ijk", of_z, first, second, function(ratio / np.sqrt(1 + ratio**2)), optimize=True))


def _symbolic_bias(d: float, rho: float, n: int) -> float:
    return _mean(lambda r: _gain(d, r) - _gain(d, np.asarray(rho)), rho, n)


def _gain(d: float, r: Floats) -> Floats:
    return ndtr(d / np.sqrt(2 * (1 - r) * (1 + r))) - ndtr(d / np.sqrt(2))


def _symbolic_sd(d: float, rho: float, n: int) -> float:
    centre = _mean(lambda r: _gain(d, r), rho, n)
    return float(np.sqrt(_mean(lambda r: np.square(_gain(d, r) - centre), rho, n)))


def _symbolic_cover(d: float, rho: float, n: int, method: str = "delta") -> float:
    (of_reference, first), (of_rest, second), total = _chi(int(n) - 2), _chi(int(n) - 3), 0.0
    for low, high in _covering(float(d), float(rho), int(n) - 2, method):
        tops = [ndtr(np.sinh(end) * of_rest - _slope(rho) * of_reference[:, None]) for end in (low, high)]
        total += float(first @ (tops[1] - tops[0]) @ second)
    return total


def _symbolic_pairs(d: float, rho: float, half_width: float) -> float:
    """Differentiate the gain, then solve for the n at which the half width is as wanted."""
    import sympy as sp

    from theory.numerics import symbolic

    effect, r, freedom = sp.Symbol("d", positive=True), symbolic.symbol("rho"), sp.Symbol("nu", positive=True)
    slope = sp.diff(symbolic.auc(effect / sp.sqrt(1 - r**2)), r)
    half = symbolic.exact(_Z) * slope * (1 - r**2) / sp.sqrt(freedom)
    needed = sp.solve(sp.Eq(half**2, symbolic.exact(half_width) ** 2), freedom)[0]
    return 2 + symbolic.evaluate(needed, {effect: d, r: rho})


# Raw simulation: data sets of pairs, correlated within class.


def _estimated(params: Params, replicates: int, rng: np.random.Generator) -> Floats:
    n, rho = int(params["n"]), params["rho"]
    pairs = rng.standard_normal((replicates, n, 2)) @ covariance_root([[1.0, rho], [rho, 1.0]]).T
    for half in (slice(None, n // 2), slice(n // 2, None)):
        pairs[:, half] -= pairs[:, half].mean(axis=1, keepdims=True)
    query, reference = pairs[..., 0], pairs[..., 1]
    return (query * reference).sum(axis=1) / np.sqrt(np.square(query).sum(axis=1) * np.square(reference).sum(axis=1))


def _simulate_bias(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return auc_gain(params["d"], _estimated(params, replicates, rng)) - auc_gain(params["d"], params["rho"])


def _simulate_sd(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return auc_gain(params["d"], _estimated(params, replicates, rng))


def _simulate_cover(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    found, d, freedom = _estimated(params, replicates, rng), params["d"], int(params["n"]) - 2
    truth = auc_gain(d, params["rho"])
    if params["method"] == "delta":
        return np.abs(auc_gain(d, found) - truth) <= _Z * delta_sd(d, found, freedom + 2)
    low, high = (np.tanh(np.arctanh(found) + side * _Z / np.sqrt(freedom - 2)) for side in (-1, 1))
    gains = auc_gain(d, low), auc_gain(d, high)
    smallest = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(*gains))
    return (smallest <= truth) & (truth <= np.maximum(*gains))


def _simulate_pairs(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Scale the spread of the gains that data sets of many pairs predict."""
    size, sets = 2_000, 200
    found = []
    for _ in range(replicates):
        gains = _simulate_sd({**params, "n": size}, sets, rng)
        found.append(2 + (size - 2) * gains.var(ddof=1) * (_Z / params["half_width"]) ** 2)
    return np.array(found)


_STUDY = (
    number("d", "separation of the single-image score, held fixed, 0 or more"),
    number("rho", "true correlation of query and reference scores"),
    number("n", "pairs from which it is estimated, half of each class"),
)
_POINTS = (*grid(d=[1.0], rho=[0.0, 0.3, 0.6], n=[50]), *grid(d=[2.0], rho=[-0.9], n=[10]))


def _draws(params: Params) -> int:
    return 3 * int(params["n"])


STATEMENT = Statement(
    "T17",
    "Estimated correlation",
    "The predicted gain rests on an estimated correlation: its bias, spread and intervals, exactly and by the delta method.",
    (
        Quantity(
            "gain_bias",
            "expectation of the predicted gain in AUROC minus the gain at the true correlation",
            _STUDY,
            gain_bias,
            _symbolic_bias,
            _simulate_bias,
            _POINTS,
            tally=MeanTally,
            draws=_draws,
            symbolic_tolerance=QUADRATURE,
            mcse=1e-4,
        ),
        Quantity(
            "gain_sd",
            "standard deviation of the predicted gain in AUROC, exact",
            _STUDY,
            gain_sd,
            _symbolic_sd,
            _simulate_sd,
            _POINTS,
            tally=DeviationTally,
            draws=_draws,
            symbolic_tolerance=QUADRATURE,
            mcse=1e-4,
        ),
        Quantity(
            "cover",
            "coverage of the 95 % interval of the predicted gain, exact",
            (*_STUDY, choice("method", "how the interval is made", METHODS, "delta")),
            cover,
            _symbolic_cover,
            _simulate_cover,
            grid(d=[1.0], rho=[0.1, 0.6], n=[100], method=METHODS),
            draws=_draws,
            symbolic_tolerance=QUADRATURE,
            mcse=1e-3,
        ),
        Quantity(
            "pairs_needed",
            "pairs with which the delta interval of the predicted gain has a given half width (round up)",
            (*_STUDY[:2], number("half_width", "wanted half width of the interval, in AUROC")),
            pairs_needed,
            _symbolic_pairs,
            _simulate_pairs,
            grid(d=[1.0], rho=[0.3, 0.6], half_width=[0.02]),
            tally=MeanTally,
            draws=lambda params: 2_000 * 200 * 3,
            block=2_000 * 200,
            symbolic_tolerance=QUADRATURE,
            relative_allowance=0.02,
            caveat=lambda params: "" if abs(params["rho"]) >= 0.2 else "first order: it degenerates near rho = 0",
            mcse=3.0,
        ),
    ),
)
