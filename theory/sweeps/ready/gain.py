"""Gain from comparing when both arms are trained on few cases: over correlation, references, training cases and features (T2, T4)."""

from __future__ import annotations

import numpy as np

from theory.numerics.validation import Floats
from theory.statements import t2_several_references as t2
from theory.statements import t4_learning_curves as t4
from theory.sweeps import estimand, generator, method
from theory.sweeps.ready.intervals import Report, mean_report, wald

Arms = dict[str, np.ndarray]


@generator("trained arms", vectorised=True)
def trained_arms(
    *, rng: np.random.Generator, replicates: int, p: int, n_per_class: int, m: int, rho: float, Delta2: float, n_test: int
) -> Arms:
    """Train both arms on the same patients, then diagnose new ones: whether each arm was wrong, (replicates, n_test)."""
    train = [_images(rng, replicates, n_per_class, p, m, rho, shift) for shift in (0.0, np.sqrt(Delta2))]
    test = [_images(rng, replicates, n_test // 2, p, m, rho, shift) for shift in (0.0, np.sqrt(Delta2))]
    arms = {}
    for arm, of in (("single", lambda images: images[0]), ("pair", lambda images: images[0] - images[1])):
        direction, middle = _discriminant(*(of(images) for images in train))
        scores = [np.einsum("rnp,rp->rn", of(images), direction) - middle[:, None] for images in test]
        arms[arm] = np.concatenate([scores[0] > 0, scores[1] <= 0], axis=1)
    return arms


def _images(rng: np.random.Generator, replicates: int, n: int, p: int, m: int, rho: float, distance: float) -> tuple[Floats, Floats]:
    """Queries, and means of m references: shared part, own parts; the disease is spread evenly over the features."""
    shared, own, others = rng.standard_normal((3, replicates, n, p))
    shared *= np.sqrt(rho)
    query = shared + np.sqrt(1 - rho) * own + distance / np.sqrt(p)
    return query, shared + np.sqrt((1 - rho) / m) * others


def _discriminant(healthy: Floats, diseased: Floats) -> tuple[Floats, Floats]:
    """Linear discriminant with pooled covariance: direction (replicates, p) and threshold (replicates,)."""
    means = [group.mean(axis=1) for group in (healthy, diseased)]
    centred = np.concatenate([group - mean[:, None] for group, mean in zip((healthy, diseased), means, strict=True)], axis=1)
    within = np.einsum("rnp,rnq->rpq", centred, centred) / (centred.shape[1] - 2)
    direction = np.linalg.solve(within, (means[1] - means[0])[..., None])[..., 0]
    return direction, np.einsum("rp,rp->r", direction, means[0] + means[1]) / 2


@estimand("gain of trained arms")
def true_gain(*, p: int, n_per_class: int, m: int, rho: float, Delta2: float) -> float:
    r"""Expected error that the comparison saves: T4.4 at :math:`\Delta^2` minus T4.4 at the squared distance of the mean difference (T2).

    Examples
    --------
    >>> round(true_gain(p=5, n_per_class=50, m=1, rho=0.5, Delta2=1.0), 10)
    0.0
    """
    distance = float(t2.separation(np.sqrt(Delta2), rho, rho, m, "meandiff"))
    errors = [t4.error(p, n_per_class, value, 0.0, "single", "pooled") for value in (Delta2, distance**2)]
    return errors[0] - errors[1]


@method("same patients", vectorised=True)
def same_patients(data: Arms) -> Report:
    """Gain with every test patient diagnosed in both arms: mean of the paired differences, with the interval over patients."""
    return mean_report(data["single"].astype(np.float64) - data["pair"])


@method("different patients", vectorised=True)
def different_patients(data: Arms) -> Report:
    """Gain with every other test patient in the single arm and the rest in the paired one: difference of two independent rates."""
    single, pair = data["single"][:, ::2], data["pair"][:, 1::2]
    variance = single.var(axis=1, ddof=1) / single.shape[1] + pair.var(axis=1, ddof=1) / pair.shape[1]
    return wald(single.mean(axis=1) - pair.mean(axis=1), np.sqrt(variance))
