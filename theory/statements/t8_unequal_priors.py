r"""T8 at any prevalence: Efron's :math:`\mathrm{Eff}_\infty`, the efficiency in the directions across the shift.

At unequal priors the efficiency at finite p is a weighted mean of intercept and slope terms; this is the slope's, to which it tends as
features are added. It is the ratio of the asymptotic variances of a coefficient whose true value is 0, discriminant to logistic.
"""

from __future__ import annotations

import numpy as np

from theory.numerics.montecarlo import RatioTally
from theory.statements import t8_logistic_efficiency as t8
from theory.statements.base import QUADRATURE, Params, Quantity
from theory.statements.parameters import number

STATEMENT_ID = "T8"
_CASES = 1600


def _symbolic(Delta: float, pi: float = 0.5) -> float:
    """Compare the variance of a null coefficient under each method, from each method's own information."""
    import mpmath as mp  # type: ignore[import-untyped]

    gap, chance = mp.mpf(Delta), mp.mpf(pi)

    def _information(t: mp.mpf) -> mp.mpf:  # of logistic regression: E p (1 - p) over the mixture of the classes
        healthy, diseased = (1 - chance) * mp.npdf(t), chance * mp.npdf(t, gap, 1)
        return healthy * diseased / (healthy + diseased)

    discriminant = 1 / chance + 1 / (1 - chance) + gap**2  # of the means, and of the inverse covariance
    return float(discriminant * mp.quad(_information, [-12, -gap / 2, 0, gap / 2, gap, gap + 12]))


def _simulate(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Squares of the fitted coefficient that is 0 in truth, both rules on the same data sets."""
    diseased = rng.random((replicates, _CASES)) < params["pi"]
    features = rng.standard_normal((replicates, _CASES, 2))
    features[..., 0] += params["Delta"] * diseased
    return np.column_stack([np.square(fit(features, diseased)[0][:, 1]) for fit in (t8.fit_discriminant, t8.fit_logistic)])


QUANTITIES = (
    Quantity(
        "efficiency",
        "efficiency of logistic regression across the shift, at any prevalence (limit of many cases)",
        (number("Delta", "Mahalanobis distance of the classes"), number("pi", "prevalence, strictly between 0 and 1", 0.5)),
        t8.efficiency,
        _symbolic,
        _simulate,
        ({"Delta": 1.0, "pi": 0.1}, {"Delta": 2.5, "pi": 0.1}, {"Delta": 2.0, "pi": 0.7}),
        tally=RatioTally,
        draws=lambda params: 12 * _CASES,
        symbolic_tolerance=QUADRATURE,
        allowance=lambda params: 0.02,
        caveat=lambda params: "" if 0.1 <= params["pi"] <= 0.9 else "a limit of many cases of either class; checked for pi from .1 to .9",
        mcse=8e-3,
    ),
)
