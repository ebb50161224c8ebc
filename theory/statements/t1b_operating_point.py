r"""T1b at an operating point: the squared separation of images, and the sensitivity at a given specificity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from theory.numerics.gaussian import sensitivity_of
from theory.numerics.montecarlo import MeanTally
from theory.numerics.validation import Floats
from theory.statements import t1b_multivariate_gain as t1b
from theory.statements.base import Params, Quantity
from theory.statements.parameters import number

STATEMENT_ID = "T1b"


def sensitivity(Sigma: ArrayLike, C: ArrayLike, Sr: ArrayLike, delta: ArrayLike, rule: str, specificity: ArrayLike = 0.9) -> Floats:
    r"""Sensitivity of a rule at specificity s: :math:`\Phi(\Delta-\Phi^{-1}(s))`."""
    return sensitivity_of(t1b.separation(Sigma, C, Sr, delta, rule), specificity)


def squared_separation(Sigma: ArrayLike, C: ArrayLike, Sr: ArrayLike, delta: ArrayLike, rule: str) -> float:
    r"""Squared separation :math:`\Delta^2` of a rule; its ratio to the single image's is the gain of the statement.

    Examples
    --------
    >>> import numpy as np
    >>> round(squared_separation(np.eye(2), 0.6 * np.eye(2), np.eye(2), [1.0, 0.0], "joint"), 4)
    1.5625
    """
    return t1b.separation(Sigma, C, Sr, delta, rule) ** 2


def _symbolic_sensitivity(specificity: float = 0.9, **params: object) -> float:
    from theory.numerics import symbolic

    return symbolic.sensitivity(t1b.symbolic_separation(**params), specificity)  # type: ignore[arg-type]


def _symbolic_squared(**params: object) -> float:
    from theory.numerics import symbolic

    return symbolic.evaluate(t1b.symbolic_separation(**params) ** 2)  # type: ignore[arg-type]


# Raw simulation: whole images; Bayes' rule solves the system of all pixels that it sees.


def _ratios(params: Params, size: int, rng: np.random.Generator) -> tuple[Floats, Floats, float]:
    """Log-likelihood ratios of diseased and of healthy patients, and their standard deviation under the model."""
    diseased, healthy = (t1b.scores(params, np.full(size, label), rng) for label in (True, False))
    (model, shift), observation = t1b.images_model(params), t1b.observation(params["rule"], len(params["delta"]))
    weights = np.linalg.solve(observation @ model @ observation.T, observation @ shift)
    return diseased, healthy, float(np.sqrt(weights @ (observation @ model @ observation.T) @ weights))


def _simulate_sensitivity(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased, _, spread = _ratios(params, replicates, rng)
    return diseased + spread**2 / 2 > ndtri(params["specificity"]) * spread  # the ratio of a healthy patient has mean -spread^2 / 2


def _simulate_squared(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Score of a diseased minus that of a healthy patient, whose mean is the squared separation for normal classes."""
    diseased, healthy, _ = _ratios(params, replicates, rng)
    return diseased - healthy


def _draws(params: Params) -> int:
    return 8 * len(params["delta"])


_FIRST = t1b.STATEMENT.quantity("error").points[0]
_POINTS = tuple(point for point in t1b.STATEMENT.quantity("error").points if "pi" not in point)

QUANTITIES = (
    Quantity(
        "sensitivity",
        "sensitivity of a rule at a given specificity",
        (*t1b.PARAMETERS, number("specificity", "share of healthy patients called healthy", 0.9)),
        sensitivity,
        _symbolic_sensitivity,
        _simulate_sensitivity,
        (*_POINTS[:9], {**_FIRST, "specificity": 0.05}, {**_FIRST, "specificity": 0.999}),
        draws=_draws,
    ),
    Quantity(
        "squared_separation",
        "squared separation of the classes",
        t1b.PARAMETERS,
        squared_separation,
        _symbolic_squared,
        _simulate_squared,
        _POINTS[:9],
        tally=MeanTally,
        draws=_draws,
        mcse=5e-3,
    ),
)
