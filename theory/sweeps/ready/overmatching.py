"""References that are matched ever more tightly, and so inherit the disease with the nuisance (T7)."""

from __future__ import annotations

import numpy as np

from theory.numerics.validation import Floats
from theory.statements import t1_univariate_rules as t1
from theory.statements import t7_matching as t7
from theory.sweeps import estimand, generator, method
from theory.sweeps.ready.intervals import Report, auc_gain_report, wald

Pairs = tuple[Floats, Floats]


@generator("matched pairs", vectorised=True)
def matched_pairs(*, rng: np.random.Generator, replicates: int, delta: float, A: float, E: float, noise: float, n_per_class: int) -> Pairs:
    """Draw healthy and diseased patients, each with a healthy reference that has their embedding: (2, replicates, n_per_class) each.

    The pool is infinite: a reference is drawn from its normal distribution given the embedding (T7).
    """
    spread = np.sqrt([A, E])[:, None, None]
    slopes = np.array([A / (A + noise), E / (E + noise)])
    left = np.sqrt(A + E - slopes @ [A, E])
    groups = []
    for shift in (0.0, delta):
        parts, blur = rng.standard_normal((2, 2, replicates, n_per_class))
        axes = spread * parts
        axes[1] += shift
        embedding = axes + np.sqrt(noise) * blur
        reference = np.tensordot(slopes, embedding, 1) + left * rng.standard_normal((replicates, n_per_class))
        groups.append(np.stack([axes.sum(axis=0), reference]))
    return groups[0], groups[1]


@estimand("gain of the best rule on matched pairs")
def best_gain(*, delta: float, A: float, E: float, noise: float) -> float:
    """AUROC that the best use of a matched reference adds, T7 minus T1: largest at a tightness in between, 0 at both ends."""
    single = float(t1.auc(delta / np.sqrt(A + E), 0.0, "single"))
    return float(t7.auc("iso", delta, A, E, noise, "optimal")) - single


@method("subtract", vectorised=True)
def subtract(data: Pairs) -> Report:
    """Gain in AUROC of subtracting the reference, by DeLong's method."""
    healthy, diseased = data
    return auc_gain_report((healthy[0], diseased[0]), (healthy[0] - healthy[1], diseased[0] - diseased[1]))


@method("weight learned on the same cases", vectorised=True)
def learned_on_the_same(data: Pairs) -> Report:
    """Gain in AUROC, by DeLong's method, of weights that are judged on the cases they were learned from."""
    scores = [_score(_weights(*data), group) for group in data]
    return auc_gain_report((data[0][0], data[1][0]), (scores[0], scores[1]))


@method("weight learned on other cases", vectorised=True)
def learned_on_others(data: Pairs) -> Report:
    """Gain in AUROC of weights that are learned on one half of the cases and judged on the other, both ways, each by DeLong's method.

    The estimate is the mean of both; its variance is the mean of theirs over 2.
    """
    halves = [tuple(group[:, :, part::2] for group in data) for part in (0, 1)]
    reports = []
    for learned_from, judged in (halves, halves[::-1]):
        scores = [_score(_weights(*learned_from), group) for group in judged]
        reports.append(auc_gain_report((judged[0][0], judged[1][0]), (scores[0], scores[1])))
    estimate = (reports[0]["estimate"] + reports[1]["estimate"]) / 2
    return wald(estimate, np.sqrt(reports[0]["se"] ** 2 + reports[1]["se"] ** 2) / 2)


def _weights(healthy: Floats, diseased: Floats) -> Floats:
    """Linear discriminant of (query, reference), shape (replicates, 2)."""
    means = [group.mean(axis=2) for group in (healthy, diseased)]
    centred = np.concatenate([group - mean[..., None] for group, mean in zip((healthy, diseased), means, strict=True)], axis=2)
    within = np.einsum("irn,jrn->rij", centred, centred)
    return np.linalg.solve(within, (means[1] - means[0]).T[..., None])[..., 0]


def _score(weights: Floats, group: Floats) -> Floats:
    return np.einsum("ri,irn->rn", weights, group)
