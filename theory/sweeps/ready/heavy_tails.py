"""A shared nuisance with heavy tails: what still holds (T12.4), and what rests on the normal law and breaks."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, kve, ndtr

from theory.numerics.gaussian import normal_density
from theory.numerics.quadrature import legendre
from theory.numerics.validation import Floats, require
from theory.statements.t12_formulas import cauchy_shared_auc
from theory.sweeps import estimand, generator, method
from theory.sweeps.ready.intervals import Report, auc_gain_report, wald

Pairs = tuple[Floats, Floats]
MOST_FREEDOM = 100  # beyond, Bessel's function exceeds the largest double


@generator("heavy-tailed nuisance", vectorised=True)
def heavy_tailed_nuisance(*, rng: np.random.Generator, replicates: int, delta: float, nu: float, scale: float, n_per_class: int) -> Pairs:
    """Draw query and reference that share a nuisance with Student's law, of the healthy and the diseased: (2, replicates, n_per_class)."""
    shape = (2, replicates, n_per_class)
    shared = scale * (rng.standard_normal(shape) if np.isinf(nu) else rng.standard_t(nu, shape))
    query, reference = rng.standard_normal((2, *shape)) + shared
    query[1] += delta
    return np.stack([query[0], reference[0]]), np.stack([query[1], reference[1]])


def single_auc(delta: float, nu: float, scale: float) -> float:
    """AUROC of the single image, by the characteristic function of the nuisance.

    Examples
    --------
    >>> single_auc(2.0, 1.0, 1.0), single_auc(2.0, 1.0 + 1e-9, 1.0)
    (0.71594, 0.71594)
    """
    if np.isinf(nu):
        return float(ndtr(delta / np.sqrt(2 + 2 * scale**2)))
    if nu == 1:
        return float(cauchy_shared_auc(delta, 0.0, scale))
    require(0 < nu <= MOST_FREEDOM, f"nu = {nu:g}: between 0 and {MOST_FREEDOM}, or infinite (.inf in YAML)")
    nodes, weights = legendre(400)
    t = 7 * nodes  # beyond, exp(-t^2) is below 1e-21
    x = np.sqrt(nu) * scale * t
    log_factor = nu / 2 * np.log(x) - x - gammaln(nu / 2) - (nu / 2 - 1) * np.log(2)
    characteristic = kve(nu / 2, x) * np.exp(log_factor)
    return float(0.5 + 7 * weights @ (np.sin(delta * t) / t * characteristic**2 * np.exp(-(t**2))) / np.pi)


@estimand("gain under heavy tails")
def gain_under_heavy_tails(*, delta: float, nu: float, scale: float) -> float:
    r"""AUROC that subtracting the reference adds: :math:`\Phi(\delta/2)`, whatever the law of the nuisance (T12.4), minus `single_auc`."""
    return float(ndtr(delta / 2)) - single_auc(delta, nu, scale)


@method("ranks", vectorised=True)
def ranks(data: Pairs) -> Report:
    """Gain in AUROC from ranks, by DeLong's method."""
    healthy, diseased = data
    return auc_gain_report((healthy[0], diseased[0]), (healthy[0] - healthy[1], diseased[0] - diseased[1]))


@method("normal theory", vectorised=True)
def normal_theory(data: Pairs) -> Report:
    r"""Gain in AUROC as if scores were normal in each class: :math:`\Phi(\hat D_2/\sqrt2)-\Phi(\hat D_1/\sqrt2)` (T1.5).

    The interval is the delta method's, with the variance from the patients' influences.
    """
    healthy, diseased = data
    pairs = ((healthy[0], diseased[0]), (healthy[0] - healthy[1], diseased[0] - diseased[1]))
    (single, by_single), (pair, by_pair) = (_normal_auc(*scores) for scores in pairs)
    influence = by_pair - by_single
    return wald(pair - single, np.sqrt(np.square(influence).sum(axis=1)) / influence.shape[1])


def _normal_auc(healthy: Floats, diseased: Floats) -> tuple[Floats, Floats]:
    """AUROC of normal scores with equal variance from their moments, and the influence of each patient on it."""
    groups = (healthy, diseased)
    centred = [group - group.mean(axis=1, keepdims=True) for group in groups]
    total = healthy.shape[1] + diseased.shape[1]
    spread = np.sqrt(sum(np.square(group).sum(axis=1) for group in centred) / (total - 2))[:, None]
    distance = (diseased.mean(axis=1) - healthy.mean(axis=1))[:, None] / spread
    influences = [
        sign * total / group.shape[1] * group / spread - distance / 2 * (np.square(group / spread) - 1)
        for sign, group in zip((-1, 1), centred, strict=True)
    ]
    slope = normal_density(distance / np.sqrt(2)) / np.sqrt(2)
    return ndtr(distance[:, 0] / np.sqrt(2)), slope * np.concatenate(influences, axis=1)
