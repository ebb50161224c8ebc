r"""T6.5: a rule that knows the rate of faulty references, and is therefore never worse than the single image.

With :math:`u=x_q-\rho x_r`, :math:`t=x_r-\rho x_q` every likelihood relative to two clean healthy images is an exponential of u and t:
:math:`e^{au-b}` for a diseased query, :math:`e^{at-b}` for a diseased reference, :math:`e^{a(u+t)-c}` for both, where

.. math:: a=\frac d{1-\rho^2},\quad b=\frac{d^2}{2(1-\rho^2)},\quad c=\frac{d^2}{1+\rho}.

Bayes' score is not linear, but its threshold is a bound on t for every u. That leaves one integral of the two.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp, ndtr

from theory.numerics.quadrature import legendre
from theory.numerics.validation import Floats, correlation, one_of, positive, prevalence, probability
from theory.numerics.vectorize import elementwise
from theory.statements import t1_univariate_rules as t1
from theory.statements.base import QUADRATURE, Params, Quantity
from theory.statements.parameters import choice, grid, number
from theory.statements.t6_faulty_references import FAULTS, draw_faulty_pairs

STATEMENT_ID = "T6"
_REACH, _NODES = 10.0, 600


@elementwise
def aware_error(d: float, rho: float, fault: str, rate: float, pi: float = 0.5) -> float:
    r"""Bayes error of query and reference when references are faulty at a known rate (T6.5), by Gauss-Legendre in u between the values
    where the bound on t is infinite.

    Notes
    -----
    Healthy is called where :math:`e^{at}A(u)\le B(u)`. Diseased references: :math:`A=\varepsilon(re^{au-c}-e^{-b})`,
    :math:`B=(1-\varepsilon)(1-re^{au-b})`; swaps: :math:`A=r\eta e^{-b}`, :math:`B=1-r(1-\eta)e^{au-b}`, with
    :math:`r=\pi/(1-\pi)`.

    Examples
    --------
    >>> aware_error(1.5, 0.8, "diseased", 0.2)
    0.14376
    """
    d, rho, rate, pi = float(positive(d, "d")), float(correlation(rho)), float(probability(rate, "rate")), float(prevalence(pi))
    one_of(fault, "fault", FAULTS)
    if rate == 0:
        return float(t1.error(d, rho, "optimal", pi))
    width = np.sqrt((1 - rho) * (1 + rho))
    u, weights = _panels(_turning_points(d, rho, fault, rate, pi), width, d)
    wrong = 0.0
    for label, chance, (of_query, of_reference) in _states(fault, rate):
        mean_u, mean_t = d * (of_query - rho * of_reference), d * (of_reference - rho * of_query)
        density = np.exp(-np.square((u - mean_u) / width) / 2) / (width * np.sqrt(2 * np.pi))
        healthy = _called_healthy(u, (mean_t - rho * (u - mean_u), width**4), (d, rho, fault, rate, pi))
        wrong += chance * (pi if label else 1 - pi) * float(weights @ (density * (healthy if label else 1 - healthy)))
    return wrong


def _states(fault: str, rate: float) -> list[tuple[int, float, tuple[int, int]]]:
    """Label, chance of the state given the label, and which of the two images carries the effect."""
    faulty = {"diseased": lambda label: (label, 1), "swap": lambda label: (0, label)}[fault]
    return [
        (label, chance, shifted) for label in (0, 1) for chance, shifted in ((1 - rate, (label, 0)), (rate, faulty(label))) if chance > 0
    ]


def _constants(d: float, rho: float) -> tuple[float, float, float]:
    return d / (1 - rho**2), d**2 / (2 * (1 - rho**2)), d**2 / (1 + rho)


def _turning_points(d: float, rho: float, fault: str, rate: float, pi: float) -> list[float]:
    """Values of u where A or B changes its sign."""
    a, b, c = _constants(d, rho)
    log_odds = np.log(pi / (1 - pi))
    if fault == "swap":
        return [(b - log_odds - np.log1p(-rate)) / a] if rate < 1 else []
    return [(c - b - log_odds) / a, (b - log_odds) / a]


def _panels(turning: list[float], width: float, d: float) -> tuple[Floats, Floats]:
    """Nodes and weights in u over everything the states reach, in panels that end where the bound on t is infinite."""
    low, high = -d * 2 - _REACH * width, 2 * d + _REACH * width
    edges = np.unique([low, *(point for point in turning if low < point < high), high])
    x, w = legendre(_NODES)
    smooth = x * x * x * (10 - 15 * x + 6 * x * x)  # crowds the nodes at the ends, where the bound runs off as a logarithm
    slope = 30 * np.square(x * (1 - x))
    spans = np.diff(edges)[:, None]
    return (edges[:-1, None] + spans * smooth).ravel(), (spans * w * slope).ravel()


def _called_healthy(u: Floats, of_t: tuple[Floats, float], at: tuple[float, float, str, float, float]) -> Floats:
    """Probability that the bound on t calls the patient healthy, given u; t is normal with the given mean and variance."""
    d, rho, fault, rate, pi = at
    a, b, c = _constants(d, rho)
    odds = np.log(pi / (1 - pi))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if fault == "swap":
            left, right = rate * np.exp(odds) * np.ones_like(u), 1 - (1 - rate) * np.exp(odds + a * u - b)
        else:
            left, right = rate * np.expm1(odds + a * u - c + b), -(1 - rate) * np.expm1(odds + a * u - b)
        bound = (np.log(np.abs(right)) - np.log(np.abs(left)) + b) / a  # both sides were divided by exp(-b)
        mean, variance = of_t
        below = ndtr((bound - mean) / np.sqrt(variance))
    below = np.where(np.isnan(below), 0.0, below)
    return np.where(left > 0, np.where(right > 0, below, 0.0), np.where(right >= 0, 1.0, 1 - below))


# Symbolic: condition on the reference instead, and look for the changes of the diagnosis along the query.


def _log_joint(query: Floats, reference: Floats, label: int, at: Params) -> Floats:
    """Logarithm of the mixture density of both images, up to a constant."""
    rho, d = at["rho"], at["d"]

    def _one(shift: tuple[int, int]) -> Floats:
        x, y = query - d * shift[0], reference - d * shift[1]
        return -(x * x - 2 * rho * x * y + y * y) / (2 * (1 - rho**2))

    return logsumexp([np.log(chance) + _one(shift) for own, chance, shift in _states(at["fault"], at["rate"]) if own == label], axis=0)


def _conditional_error(d: float, rho: float, fault: str, rate: float, pi: float = 0.5) -> float:
    at: Params = {"d": float(d), "rho": float(rho), "fault": fault, "rate": float(rate)}
    step = 0.01
    reference = np.arange(-10, d + 10, step)
    width = np.sqrt(1 - rho**2)
    along = np.linspace(-2 * d - 10, 3 * d + 10, 601)

    def _call(query: Floats, beside: Floats) -> np.ndarray:
        return _log_joint(query, beside, 1, at) - _log_joint(query, beside, 0, at) > np.log((1 - pi) / pi)

    total = 0.0
    diseased = _call(along[None, :], reference[:, None])
    rows, columns = np.nonzero(diseased[:, 1:] != diseased[:, :-1])
    edges = _bisect(_call, along[columns], along[columns + 1], reference[rows])
    rises = np.where(diseased[rows, columns + 1], 1.0, -1.0)
    for label, chance, shift in _states(fault, rate):
        mean = d * shift[0] + rho * (reference - d * shift[1])
        density = np.exp(-np.square(reference - d * shift[1]) / 2) / np.sqrt(2 * np.pi)
        below = ndtr((edges - mean[rows]) / width)
        as_diseased = diseased[:, -1] - np.bincount(rows, rises * below, len(reference))
        wrong = 1 - as_diseased if label else as_diseased
        total += chance * (pi if label else 1 - pi) * float(step * (density @ wrong))
    return total


def _bisect(call: Callable[[Floats, Floats], np.ndarray], low: Floats, high: Floats, beside: Floats) -> Floats:
    start = call(low, beside)
    for _ in range(50):
        middle = (low + high) / 2
        same = call(middle, beside) == start
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return (low + high) / 2


# Raw simulation: images with and without the fault, and Bayes' rule written as a ratio of mixtures of densities.


def _simulate(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    pi, diseased = params["pi"], rng.random(replicates) < params["pi"]
    faulty = rng.random(replicates) < params["rate"]
    query, reference = draw_faulty_pairs(params, diseased, faulty, rng)
    score = _log_joint(query, reference, 1, params) - _log_joint(query, reference, 0, params)
    return (score > np.log((1 - pi) / pi)) != diseased


QUANTITIES = (
    Quantity(
        "aware_error",
        "Bayes error when the rate of faulty references is known",
        (
            number("d", "effect in standard deviations, above 0"),
            number("rho", "correlation of query and reference given the labels"),
            choice("fault", "what is wrong with the reference", FAULTS),
            number("rate", "probability of the fault"),
            number("pi", "prevalence among queries", 0.5),
        ),
        aware_error,
        _conditional_error,
        _simulate,
        (
            *grid(d=[1.5], rho=[0.8], fault=FAULTS, rate=[0.0, 0.2, 0.5, 1.0]),
            *grid(d=[1.0], rho=[-0.5, 0.0], fault=FAULTS, rate=[0.3]),
            *grid(d=[1.5], rho=[0.6], fault=FAULTS, rate=[0.1], pi=[1e-3, 0.1, 0.9]),
            *grid(d=[1.5], rho=[0.99], fault=FAULTS, rate=[0.999]),
        ),
        symbolic_tolerance=QUADRATURE,
    ),
)
