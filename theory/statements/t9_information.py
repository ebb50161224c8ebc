r"""T9: the information of the reference about the label, in nats.

With a reference that is independent of the label, :math:`I(Y;X_q,X_r)-I(Y;X_q)=I(Y;X_r\mid X_q)\ge0`, though
:math:`I(Y;X_r)=0`: the reference is informative only together with the query. For balanced normal classes at separation D

.. math:: J(D) = \log2 - E\log(1+e^{-L}), \qquad L\sim N(D^2/2, D^2),

and the gain is :math:`J(d/\sqrt{1-\rho^2})-J(d)`. One fixed reference for all queries is a constant and gains nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_expit

from theory.numerics.gaussian import error_of
from theory.numerics.montecarlo import MeanTally, log_likelihood_ratio
from theory.numerics.quadrature import standard_normal
from theory.numerics.validation import Floats, correlation, finite, non_negative
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import grid, number
from theory.statements.t1_univariate_rules import draw_pairs, symbolic_optimal_weight, symbolic_variance

_CALIBRATION = 200_000  # cases per class that set the threshold of a fixed reference: excess error below 1e-6


def information(separation: ArrayLike) -> Floats:
    """Information about a balanced label in a normal score: :math:`J(D)` in nats, by the trapezoidal rule.

    Examples
    --------
    >>> float(information(1.0))
    0.111421
    """
    distance = np.asarray(separation, dtype=np.float64)[..., None]
    z, weights = standard_normal()
    return np.log(2) + (weights * log_expit(distance * (distance / 2 + z))).sum(axis=-1)


def mi_gain_nats(d: ArrayLike, rho: ArrayLike) -> Floats:
    r"""Information about the label that the reference adds: :math:`J(d/\sqrt{1-\rho^2})-J(d)`, in nats.

    Examples
    --------
    >>> float(mi_gain_nats(1.0, 0.8))
    0.14863
    """
    d, rho = non_negative(d, "d"), correlation(rho)
    return information(d / np.sqrt((1 - rho) * (1 + rho))) - information(d)


def fixed_error(d: ArrayLike, rho: ArrayLike, x_fixed: ArrayLike) -> Floats:
    r"""Balanced error with one fixed reference for all queries: :math:`\Phi(-d/2)`, that of the single image, once the threshold is set
    anew."""
    return error_of(non_negative(d, "d") + 0.0 * (correlation(rho) + finite(x_fixed, "x_fixed")))


def _symbolic_information(distance: float) -> float:
    """Integrate the definition: the divergence of each class from their mixture."""
    import mpmath as mp  # type: ignore[import-untyped]

    gap = mp.mpf(distance)

    def _divergence(t: mp.mpf) -> mp.mpf:
        healthy, diseased = mp.npdf(t), mp.npdf(t, gap, 1)
        mixture = (healthy + diseased) / 2
        return sum(f * mp.log(f / mixture) for f in (healthy, diseased) if f > 0) / 2

    return mp.quad(_divergence, [-12, -3, 0, gap / 2, gap, gap + 3, gap + 12])


def _symbolic_mi_gain(d: float, rho: float) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    v, rho_symbol, w = symbolic_variance()
    distance = symbolic.evaluate(symbolic.exact(d) / sp.sqrt(v.subs(w, symbolic_optimal_weight())), {rho_symbol: rho})
    return float(_symbolic_information(distance) - _symbolic_information(d))


def _symbolic_fixed_error(d: float, rho: float, x_fixed: float) -> float:
    """Derive the error of any increasing function of the query: subtracting a constant moves classes and threshold alike."""
    import sympy as sp

    from theory.numerics import symbolic

    t, constant, effect = sp.Symbol("t", real=True), symbolic.exact(x_fixed), symbolic.exact(d)
    gap = symbolic.normal_log_density(t, effect - constant, sp.Integer(1)) - symbolic.normal_log_density(t, -constant, sp.Integer(1))
    threshold = sp.solve(sp.expand(gap), t)[0]
    return symbolic.evaluate((symbolic.normal_cdf(-constant - threshold) + symbolic.normal_cdf(threshold - effect + constant)) / 2)


def _simulate_mi_gain(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Compare the log-probability of the true label with and without the reference, patient by patient."""
    d, rho = params["d"], params["rho"]
    diseased = rng.random(replicates) < 0.5
    pairs = draw_pairs(replicates, rho, rng)
    pairs[:, 0] += d * diseased
    both = log_likelihood_ratio(pairs, np.array([d, 0.0]), np.array([[1.0, rho], [rho, 1.0]]))
    alone = log_likelihood_ratio(pairs[:, :1], np.array([d]), np.eye(1))
    sign = np.where(diseased, 1.0, -1.0)
    return log_expit(sign * both) - log_expit(sign * alone)


def _simulate_fixed_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Subtract the fixed reference, set the threshold on calibration cases, diagnose fresh ones."""

    def _scores(diseased: np.ndarray) -> Floats:
        return draw_pairs(len(diseased), params["rho"], rng)[:, 0] + params["d"] * diseased - params["x_fixed"]

    threshold = np.mean([_scores(np.full(_CALIBRATION, label)).mean() for label in (False, True)])
    diseased = rng.random(replicates) < 0.5
    return (_scores(diseased) > threshold) != diseased


_D, _RHO = number("d", "effect in standard deviations, 0 or more"), number("rho", "correlation of query and reference given the label")

STATEMENT = Statement(
    "T9",
    "Information",
    "A reference informs only together with the query, and not at all when it is one fixed image for everybody.",
    (
        Quantity(
            "mi_gain_nats",
            "information about the label that the reference adds, in nats",
            (_D, _RHO),
            mi_gain_nats,
            _symbolic_mi_gain,
            _simulate_mi_gain,
            (*grid(d=[1.0], rho=[-0.6, 0.0, 1e-3, 0.5, 0.8, 0.99]), *grid(d=[0.3, 3.0], rho=[0.6])),
            tally=MeanTally,
            symbolic_tolerance=QUADRATURE,
            mcse=2e-4,
        ),
        Quantity(
            "fixed_error",
            "balanced error with one fixed reference for all queries",
            (_D, _RHO, number("x_fixed", "value of the fixed reference")),
            fixed_error,
            _symbolic_fixed_error,
            _simulate_fixed_error,
            grid(d=[1.0], rho=[0.0, 0.8], x_fixed=[0.7, -3.0]),
        ),
    ),
)
