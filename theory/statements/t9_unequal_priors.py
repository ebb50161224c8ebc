r"""T9 at any prevalence, and for images: the information about the label, and the part that the reference adds.

For prevalence :math:`\pi` and separation D, :math:`J_\pi(D)=-E\log(\pi+(1-\pi)e^{-L_1})` over the diseased, weighted by :math:`\pi`,
plus :math:`-E\log(1-\pi+\pi e^{L_0})` over the healthy, weighted by :math:`1-\pi`; :math:`L_{1,0}\sim N(\pm D^2/2,D^2)`. It is at most
the entropy of the label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_expit

from theory.numerics.montecarlo import MeanTally, log_likelihood_ratio
from theory.numerics.quadrature import standard_normal
from theory.numerics.validation import Floats, correlation, non_negative, prevalence
from theory.statements import t1_univariate_rules as t1
from theory.statements import t1b_multivariate_gain as t1b
from theory.statements.base import QUADRATURE, Params, Quantity
from theory.statements.linear_rule import draw_images
from theory.statements.parameters import grid, number

STATEMENT_ID = "T9"


def information_nats(separation: ArrayLike, pi: ArrayLike = 0.5) -> Floats:
    r"""Information about the label in a normal score: :math:`J_\pi(D)` in nats, by the trapezoidal rule.

    Examples
    --------
    >>> round(float(information_nats(1.0)), 6), round(float(information_nats(1.0, 0.1)), 4)
    (0.111421, 0.0427)
    """
    distance, chance = non_negative(separation, "separation")[..., None], prevalence(pi)[..., None]
    z, weights = standard_normal()
    log_ratio, odds = distance * (distance / 2 + z), np.log(chance) - np.log1p(-chance)
    diseased = log_expit(odds + log_ratio) - np.log(chance)
    healthy = log_expit(log_ratio - odds) - np.log1p(-chance)
    return (weights * (chance * diseased + (1 - chance) * healthy)).sum(axis=-1)


def mi_gain_prior_nats(d: ArrayLike, rho: ArrayLike, pi: ArrayLike = 0.5) -> Floats:
    r"""Information about the label that the reference adds, at any prevalence: :math:`J_\pi(d/\sqrt{1-\rho^2})-J_\pi(d)`, in nats.

    Examples
    --------
    >>> round(float(mi_gain_prior_nats(1.0, 0.8)), 5)
    0.14863
    """
    d, rho = non_negative(d, "d"), correlation(rho)
    return information_nats(d / np.sqrt((1 - rho) * (1 + rho)), pi) - information_nats(d, pi)


def image_mi_gain_nats(Sigma: ArrayLike, C: ArrayLike, Sr: ArrayLike, delta: ArrayLike, pi: ArrayLike = 0.5) -> Floats:
    r"""Information about the label of a query image that a reference image adds: :math:`J_\pi(\Delta_{joint})-J_\pi(\Delta)` in nats; 0 iff
    :math:`C^\top\Sigma^{-1}\delta=0`."""
    joint, single = (t1b.separation(Sigma, C, Sr, delta, rule) for rule in ("joint", "single"))
    return information_nats(joint, pi) - information_nats(single, pi)


def _symbolic_information(separation: float, pi: float = 0.5) -> float:
    """Integrate the definition: the divergence of each class from their mixture."""
    import mpmath as mp  # type: ignore[import-untyped]

    gap, chance = mp.mpf(separation), mp.mpf(pi)

    def _divergence(t: mp.mpf) -> mp.mpf:
        healthy, diseased = mp.npdf(t), mp.npdf(t, gap, 1)
        mixture = (1 - chance) * healthy + chance * diseased
        return sum(share * f * mp.log(f / mixture) for share, f in ((1 - chance, healthy), (chance, diseased)) if f > 0)

    return float(mp.quad(_divergence, [-12, -3, 0, gap / 2, gap, gap + 3, gap + 12]))


def _symbolic_gain(d: float, rho: float, pi: float = 0.5) -> float:
    from theory.numerics import symbolic

    joint = symbolic.evaluate(t1.symbolic_separation(d, rho, "optimal"))
    return _symbolic_information(joint, pi) - _symbolic_information(d, pi)


def _symbolic_image_gain(Sigma: ArrayLike, C: ArrayLike, Sr: ArrayLike, delta: ArrayLike, pi: float = 0.5) -> float:
    from theory.numerics import symbolic

    joint, single = (symbolic.evaluate(t1b.symbolic_separation(Sigma, C, Sr, delta, rule)) for rule in ("joint", "single"))
    return _symbolic_information(joint, pi) - _symbolic_information(single, pi)


# Raw simulation: the log-ratio of the true label's probability with and without the images, patient by patient.


def _log_probability(score: Floats, diseased: np.ndarray, pi: float) -> Floats:
    log_odds = score + np.log(pi / (1 - pi))
    return np.where(diseased, log_expit(log_odds), log_expit(-log_odds))


def _simulate_information(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    pi, shift = params["pi"], np.array([params["separation"]])
    diseased = rng.random(replicates) < pi
    image = rng.standard_normal((replicates, 1)) + shift * diseased[:, None]
    return _log_probability(log_likelihood_ratio(image, shift, np.eye(1)), diseased, pi) - np.where(diseased, np.log(pi), np.log(1 - pi))


def _simulate_gain(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    rho = params["rho"]
    one = {"Sigma": [[1.0]], "C": [[rho]], "Sr": [[1.0]], "delta": [params["d"]], "pi": params["pi"]}
    return _simulate_image_gain(one, replicates, rng)


def _simulate_image_gain(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    p, pi = len(params["delta"]), params["pi"]
    model, shift = t1b.images_model(params)
    diseased = rng.random(replicates) < pi
    images = draw_images(model, shift, diseased, rng)
    both = log_likelihood_ratio(images, shift, model)
    alone = log_likelihood_ratio(images[:, :p], shift[:p], model[:p, :p])
    return _log_probability(both, diseased, pi) - _log_probability(alone, diseased, pi)


_PI = number("pi", "prevalence, strictly between 0 and 1", 0.5)
_IMAGES = {"Sigma": [[1.0, 0.3], [0.3, 1.5]], "C": [[0.5, 0.1], [0.2, 0.6]], "Sr": [[1.0, 0.3], [0.3, 1.5]], "delta": [1.0, 0.6]}

QUANTITIES = (
    Quantity(
        "information_nats",
        "information about the label in a normal score, in nats",
        (number("separation", "shift between the classes in standard deviations, 0 or more"), _PI),
        information_nats,
        _symbolic_information,
        _simulate_information,
        (
            *grid(separation=[0.5, 1.0, 3.0], pi=[0.5, 0.1]),
            *grid(separation=[0.0, 4.0], pi=[0.5]),
            *grid(separation=[1.0], pi=[1e-3, 0.99]),
        ),
        tally=MeanTally,
        symbolic_tolerance=QUADRATURE,
    ),
    Quantity(
        "mi_gain_prior_nats",
        "information about the label that the reference adds, at any prevalence, in nats",
        (number("d", "effect in standard deviations, 0 or more"), number("rho", "correlation of query and reference"), _PI),
        mi_gain_prior_nats,
        _symbolic_gain,
        _simulate_gain,
        (*grid(d=[1.0], rho=[-0.5, 0.0, 1e-3, 0.8], pi=[0.01, 0.3, 0.9]), *grid(d=[1.0], rho=[0.99], pi=[0.3])),
        tally=MeanTally,
        symbolic_tolerance=QUADRATURE,
        draws=lambda params: 12,
    ),
    Quantity(
        "image_mi_gain_nats",
        "information about the label that a reference image adds, in nats",
        (*t1b.PARAMETERS[:4], _PI),
        image_mi_gain_nats,
        _symbolic_image_gain,
        _simulate_image_gain,
        ({**_IMAGES}, {**_IMAGES, "pi": 0.1}),
        tally=MeanTally,
        symbolic_tolerance=QUADRATURE,
        draws=lambda params: 8 * len(params["delta"]),
    ),
)
