r"""T11.5 continued: the value of a reference of unknown label, for the mean, to an observer who uses all its information.

The mean of unlabelled references is an estimator that is linear in them, and `unlabelled_value` is its worth. Their distribution is a
mixture of the two classes, whose Fisher information on the mean is larger: only the part of the label that the image does not show is
missing (Orchard and Woodbury 1972).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from theory.numerics.montecarlo import MeanTally
from theory.numerics.quadrature import standard_normal
from theory.numerics.validation import Floats, finite, prevalence
from theory.statements.base import QUADRATURE, Params, Quantity
from theory.statements.parameters import grid, number

STATEMENT_ID = "T11"
_STEP = 1e-4  # of the mean, over which the simulation differentiates log-likelihoods


def unlabelled_information(pi: ArrayLike, delta: ArrayLike) -> Floats:
    r"""Fisher information on the mean of a reference of unknown label, relative to a known-healthy one:
    :math:`1-\delta^2E[p(X)(1-p(X))]` with p the probability of disease given the image.

    Notes
    -----
    :math:`E[p(1-p)]=\pi(1-\pi)A_0(\pi,\delta)` with Efron's integral of T8, here by the trapezoidal rule.

    Examples
    --------
    >>> float(unlabelled_information(0.5, 3.0)), float(unlabelled_information(0.5, 1.0))
    (0.5562, 0.80101)
    """
    pi, delta = prevalence(pi), finite(delta, "delta")
    x, weights = standard_normal()
    shift, chance = delta[..., None], pi[..., None]
    mixture = np.logaddexp(np.log(chance) + shift * x / 2, np.log1p(-chance) - shift * x / 2)
    hidden = (weights * np.exp(-np.square(shift) / 8 - mixture)).sum(axis=-1)
    return 1 - pi * (1 - pi) * np.square(delta) * hidden


def _symbolic_information(pi: float, delta: float) -> float:
    """Integrate the squared derivative of the mixture's density over the density."""
    import mpmath as mp  # type: ignore[import-untyped]

    chance, shift = mp.mpf(pi), mp.mpf(delta)

    def _squared_score(x: mp.mpf) -> mp.mpf:
        density = (1 - chance) * mp.npdf(x) + chance * mp.npdf(x, shift)
        slope = (1 - chance) * x * mp.npdf(x) + chance * (x - shift) * mp.npdf(x, shift)
        return slope**2 / density

    low, high = min(mp.mpf(0), shift), max(mp.mpf(0), shift)
    return float(mp.quad(_squared_score, [low - 14, low - 3, low, (low + high) / 2, high + mp.mpf("0.1"), high + 3, high + 14]))


def _simulate_information(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Draw unlabelled images and differentiate the log-likelihood of each by the mean; the information is its mean square."""
    pi, delta = params["pi"], params["delta"]
    images = rng.standard_normal(replicates) + delta * (rng.random(replicates) < pi)

    def _log_likelihood(mean: float) -> Floats:
        return np.logaddexp(np.log1p(-pi) - np.square(images - mean) / 2, np.log(pi) - np.square(images - mean - delta) / 2)

    return np.square((_log_likelihood(_STEP) - _log_likelihood(-_STEP)) / (2 * _STEP))


QUANTITIES = (
    Quantity(
        "unlabelled_information",
        "Fisher information on the mean of a reference of unknown label, in units of a known-healthy one",
        (number("pi", "probability that it is diseased"), number("delta", "effect in standard deviations")),
        unlabelled_information,
        _symbolic_information,
        _simulate_information,
        grid(pi=[0.001, 0.5], delta=[0.0, 1.5, 3.0, -6.0]),
        tally=MeanTally,
        draws=lambda params: 2,
        symbolic_tolerance=QUADRATURE,
        allowance=lambda params: 1e-6,  # of the numerical derivative, squared
        mcse=2e-3,
    ),
)
