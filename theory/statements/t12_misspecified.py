r"""T12.1, T12.5 and T12.7: the price of a wrong correlation, of an unknown shift, and of picking the best draw.

A rule that assumes :math:`\hat\rho` weighs the reference by it and sets its threshold accordingly. Under a common shift of both images
only the difference has an error that does not depend on the shift.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from theory.numerics.montecarlo import MeanTally
from theory.numerics.validation import Floats, correlation, finite, non_negative, positive, prevalence
from theory.statements import t1_univariate_rules as t1
from theory.statements import t12_formulas as closed
from theory.statements.base import Params, Quantity
from theory.statements.parameters import grid, number

STATEMENT_ID = "T12"


def misspecified_error(d: ArrayLike, rho: ArrayLike, rho_assumed: ArrayLike, pi: ArrayLike = 0.5) -> Floats:
    r"""Error of a rule that assumes a wrong correlation: both tails beyond the threshold :math:`\frac d2+\lambda(1-\hat\rho^2)/d`, at the
    true variance :math:`v(\hat\rho)`.

    Examples
    --------
    >>> round(float(misspecified_error(1.0, 0.3, 0.7)), 5)
    0.31442
    """
    d, assumed, pi = positive(d, "d"), correlation(rho_assumed, "rho_assumed"), prevalence(pi)
    spread = np.sqrt(t1.variance(rho, assumed))
    threshold = d / 2 + (np.log1p(-pi) - np.log(pi)) * (1 - assumed) * (1 + assumed) / d
    return (1 - pi) * ndtr(-threshold / spread) + pi * ndtr((threshold - d) / spread)


def shifted_error(delta: ArrayLike, w: ArrayLike, a: ArrayLike) -> Floats:
    r"""Balanced error of :math:`X_q-wX_r` when both images are shifted by the same unknown a (T12.5):
    :math:`\frac12[\Phi(-\frac{\delta/2+(1-w)a}{\sqrt{1+w^2}})+\Phi(-\frac{\delta/2-(1-w)a}{\sqrt{1+w^2}})]`. Free of a only at w = 1, the
    maximal invariant; any other weight has worst case one half, so the difference is minimax (Hunt-Stein).

    Examples
    --------
    >>> float(shifted_error(2.0, 1.0, 50.0)) == float(shifted_error(2.0, 1.0, 0.0))
    True
    """
    delta, w, moved = non_negative(delta, "delta"), finite(w, "w"), finite(a, "a")
    spread, left = np.sqrt(1 + w * w), (1 - w) * moved
    return (ndtr(-(delta / 2 + left) / spread) + ndtr(-(delta / 2 - left) / spread)) / 2


def best_of_k_inflation(k: ArrayLike, s_R: ArrayLike) -> Floats:
    r"""Inflation of a result by reporting the best of k reference draws (T12.7): :math:`s_R\,E\max_kZ`.

    Examples
    --------
    >>> round(float(best_of_k_inflation(3, 0.01)), 7)
    0.0084628
    """
    return non_negative(s_R, "s_R") * closed.max_of_k(k)


# Symbolic


def _symbolic_misspecified(d: float, rho: float, rho_assumed: float, pi: float = 0.5) -> float:
    """Solve for the threshold under the assumed correlation; take the tails under the true one."""
    import sympy as sp

    from theory.numerics import symbolic

    v, r, w = t1.symbolic_variance()
    threshold, effect, variance, chance = symbolic.bayes_threshold()
    assumed = symbolic.exact(rho_assumed)
    spread = sp.sqrt(v.subs({w: assumed, r: symbolic.exact(rho)}))
    tails = (1 - chance) * symbolic.normal_cdf(-threshold / spread) + chance * symbolic.normal_cdf((threshold - effect) / spread)
    return symbolic.evaluate(tails, {effect: d, chance: pi, variance: v.subs({w: assumed, r: assumed})})


def _symbolic_shifted(delta: float, w: float, a: float) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    effect, weight, moved = (symbolic.exact(value) for value in (delta, w, a))
    score = sp.Matrix([1, -weight])
    spread, centre = sp.sqrt((score.T * score)[0]), (score.T * sp.Matrix([moved, moved]))[0]
    high, low = (centre - effect / 2) / spread, (effect / 2 - centre - effect) / spread
    return symbolic.evaluate((symbolic.normal_cdf(high) + symbolic.normal_cdf(low)) / 2)


def _symbolic_inflation(k: int, s_R: float) -> float:
    import mpmath as mp  # type: ignore[import-untyped]

    return float(s_R * mp.quad(lambda x: x * k * mp.npdf(x) * mp.ncdf(x) ** (k - 1), [-14, -3, 0, 3, 14]))


# Raw simulation


def _simulate_misspecified(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    d, assumed, pi = params["d"], params["rho_assumed"], params["pi"]
    diseased = rng.random(replicates) < pi
    pairs = t1.draw_pairs(replicates, params["rho"], rng)
    pairs[:, 0] += d * diseased
    solved = np.linalg.solve(np.array([[1.0, assumed], [assumed, 1.0]]), np.array([d, 0.0]))
    return (pairs @ solved - solved[0] * d / 2 > np.log((1 - pi) / pi)) != diseased


def _simulate_shifted(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased = rng.random(replicates) < 0.5
    query, reference = params["a"] + rng.standard_normal((2, replicates))
    return (query + params["delta"] * diseased - params["w"] * reference > params["delta"] / 2) != diseased


def _simulate_inflation(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return (params["s_R"] * rng.standard_normal((replicates, int(params["k"])))).max(axis=1)


QUANTITIES = (
    Quantity(
        "misspecified_error",
        "error of a rule that assumes a wrong correlation",
        (
            number("d", "effect in standard deviations, above 0"),
            number("rho", "true correlation of query and reference"),
            number("rho_assumed", "correlation that sets weight and threshold"),
            number("pi", "prevalence, strictly between 0 and 1", 0.5),
        ),
        misspecified_error,
        _symbolic_misspecified,
        _simulate_misspecified,
        (*grid(d=[1.0], rho=[-0.3, 0.0, 0.3, 0.9], rho_assumed=[0.0, 0.7]), *grid(d=[1.0], rho=[0.3], rho_assumed=[0.9], pi=[0.01, 0.9])),
    ),
    Quantity(
        "shifted_error",
        "balanced error when query and reference are shifted by the same unknown amount",
        (
            number("delta", "effect in standard deviations of an image's own noise"),
            number("w", "weight on the reference"),
            number("a", "the common shift"),
        ),
        shifted_error,
        _symbolic_shifted,
        _simulate_shifted,
        grid(delta=[2.0], w=[0.0, 0.9, 1.0], a=[0.0, 1.5, 20.0]),
    ),
    Quantity(
        "best_of_k_inflation",
        "inflation of a result by reporting the best of k reference draws",
        (number("k", "reference draws"), number("s_R", "standard deviation of the metric over reference draws")),
        best_of_k_inflation,
        _symbolic_inflation,
        _simulate_inflation,
        grid(k=[1, 3, 10], s_R=[0.02]),
        tally=MeanTally,
        draws=lambda params: 2 * int(params["k"]),
        symbolic_tolerance=1e-8,
        mcse=5e-5,
    ),
)
