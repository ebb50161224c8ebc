r"""T8: logistic regression against the linear discriminant (Efron 1975).

.. math:: \mathrm{Eff}_\infty = (1+\pi(1-\pi)\Delta^2)\int\frac{e^{-\Delta^2/8}\phi(x)}{\pi e^{\Delta x/2}+(1-\pi)e^{-\Delta x/2}}dx,

which at :math:`\pi=\frac12` is the ratio of expected excess errors, discriminant to logistic, for any number of features. Pairing raises
the distance, so a discriminatively trained head pays a larger penalty on pairs than on single images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, ndtr

from theory.numerics.montecarlo import RatioTally
from theory.numerics.quadrature import standard_normal
from theory.numerics.validation import Floats, positive, prevalence, whole
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import number

_NEWTON_STEPS = 12  # from 0; the last steps change nothing at the sizes where the statement is checked


def efficiency(Delta: ArrayLike, pi: ArrayLike = 0.5) -> Floats:
    r"""Efron's asymptotic efficiency of logistic regression, :math:`\mathrm{Eff}_\infty`, by the trapezoidal rule.

    Examples
    --------
    >>> float(efficiency(2.5)), float(efficiency(2.5, pi=0.1))
    (0.78598, 0.66023)
    """
    distance, pi = positive(Delta, "Delta")[..., None], prevalence(pi)[..., None]
    x, weights = standard_normal()
    mixture = np.logaddexp(np.log(pi) + distance * x / 2, np.log1p(-pi) - distance * x / 2)
    integral = (weights * np.exp(-np.square(distance) / 8 - mixture)).sum(axis=-1)
    return (1 + pi * (1 - pi) * np.square(distance))[..., 0] * integral


def are(Delta: ArrayLike, p: ArrayLike = 2, n_total: ArrayLike = 800) -> Floats:
    """Relative efficiency at equal priors: excess error of the discriminant over that of logistic regression, as cases grow without
    bound."""
    return efficiency(Delta) + 0 * (whole(p, "p", 1) + whole(n_total, "n_total", 4))


def _symbolic_are(Delta: float, p: int = 2, n_total: int = 800) -> float:
    """Compare the asymptotic variances of a coefficient across the direction of the shift, from each method's own information."""
    import mpmath as mp  # type: ignore[import-untyped]
    import sympy as sp

    share, distance = sp.Symbol("pi", positive=True), sp.Symbol("Delta", positive=True)
    of_means, of_inverse_covariance = 1 / share + 1 / (1 - share), distance**2
    discriminant = (of_means + of_inverse_covariance).subs(share, sp.Rational(1, 2))  # times 1 / N
    gap = mp.mpf(Delta)

    def _information(t: mp.mpf) -> mp.mpf:  # of logistic regression: E p (1 - p), over both classes
        chance = 1 / (1 + mp.exp(-gap * t))
        return chance * (1 - chance) * (mp.npdf(t, gap / 2, 1) + mp.npdf(t, -gap / 2, 1)) / 2

    return float(
        float(discriminant.subs(distance, sp.Rational(Delta))) * mp.quad(_information, [-12 - gap, -gap / 2, 0, gap / 2, 12 + gap])
    )


def _excess(coefficients: Floats, intercept: Floats, Delta: float) -> Floats:
    """Error of linear rules beyond Bayes, for classes at -Delta/2 and Delta/2 on the first axis."""
    length, along = np.linalg.norm(coefficients, axis=1), coefficients[:, 0] * Delta / 2
    return (ndtr((intercept - along) / length) + ndtr(-(intercept + along) / length)) / 2 - ndtr(-Delta / 2)


def fit_discriminant(features: Floats, diseased: np.ndarray) -> tuple[Floats, Floats]:
    """Slopes and intercepts of the linear discriminant, for each data set: `features` (sets, cases, p), `diseased` (sets, cases)."""
    count = diseased.sum(axis=1)[:, None]
    means = [(features * chosen[..., None]).sum(axis=1) / n for chosen, n in ((~diseased, features.shape[1] - count), (diseased, count))]
    centred = features - np.where(diseased[..., None], means[1][:, None], means[0][:, None])
    pooled = np.swapaxes(centred, 1, 2) @ centred / (features.shape[1] - 2)
    slope = np.linalg.solve(pooled, (means[1] - means[0])[..., None])[..., 0]
    log_odds = np.log(count / (features.shape[1] - count))[:, 0]
    return slope, log_odds - (slope * (means[0] + means[1]) / 2).sum(axis=1)


def fit_logistic(features: Floats, diseased: np.ndarray) -> tuple[Floats, Floats]:
    """As `fit_discriminant`, by logistic regression: Newton steps of all data sets at once."""
    design = np.concatenate([features, np.ones((*features.shape[:2], 1))], axis=2)
    beta = np.zeros((len(design), design.shape[2]))
    for _ in range(_NEWTON_STEPS):
        chance = expit((design @ beta[..., None])[..., 0])
        gradient = np.swapaxes(design, 1, 2) @ (diseased - chance)[..., None]
        information = np.swapaxes(design, 1, 2) @ (design * (chance * (1 - chance))[..., None])
        beta += np.linalg.solve(information, gradient)[..., 0]
    return beta[:, :-1], beta[:, -1]


def _simulate(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Excess errors of both rules on the same simulated data sets."""
    n, p, Delta = int(params["n_total"]), int(params["p"]), params["Delta"]
    diseased = rng.random((replicates, n)) < 0.5
    features = rng.standard_normal((replicates, n, p))
    features[..., 0] += np.where(diseased, Delta / 2, -Delta / 2)
    return np.column_stack([_excess(*fit(features, diseased), Delta) for fit in (fit_discriminant, fit_logistic)])


STATEMENT = Statement(
    "T8",
    "Logistic efficiency",
    "Logistic regression loses to the discriminant as the classes separate, so pairs cost a discriminative head more.",
    (
        Quantity(
            "are",
            "relative efficiency of logistic regression at equal priors",
            (
                number("Delta", "Mahalanobis distance of the classes"),
                number("p", "features, in the simulation", 2),
                number("n_total", "cases, in the simulation", 800),
            ),
            are,
            _symbolic_are,
            _simulate,
            ({"Delta": 1.0, "p": 2, "n_total": 800}, {"Delta": 2.5, "p": 2, "n_total": 800}, {"Delta": 2.0, "p": 5, "n_total": 1600}),
            tally=RatioTally,
            draws=lambda params: 6 * int(params["n_total"] * params["p"]),
            symbolic_tolerance=QUADRATURE,
            allowance=lambda params: 0.02,
            mcse=5e-3,
            caveat=lambda params: "" if params["n_total"] >= 800 else "a limit: within .02 of the finite ratio from 800 cases on",
        ),
    ),
)
