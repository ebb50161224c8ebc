"""Fast samplers: a normal score has one sufficient statistic per patient, whatever the number of images behind it."""

from __future__ import annotations

import numpy as np

from theory.numerics.validation import Floats


def score_error(separation: float, replicates: int, rng: np.random.Generator, pi: float = 0.5) -> np.ndarray:
    """Diagnose patients from one normal score each by Bayes' rule; shape (replicates,), whether the diagnosis was wrong."""
    diseased = rng.random(replicates) < pi
    score = rng.standard_normal(replicates) + separation * diseased
    return (separation * (score - separation / 2) > np.log((1 - pi) / pi)) != diseased


def score_auc(separation: float, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Rank a diseased against a healthy patient from one normal score each; shape (replicates,), whether the diseased one scored higher."""
    healthy, diseased = rng.standard_normal((2, replicates))
    return diseased + separation > healthy


def learned_cosine(p: int, distance: float, n: int, replicates: int, rng: np.random.Generator) -> Floats:
    r"""Cosine between the learned and the true mean difference, n training cases per class (T4.3), from two scalars per training set:
    :math:`C=d_1/\sqrt{d_1^2+\frac2nK}`, shape (replicates,)."""
    along = distance + np.sqrt(2 / n) * rng.standard_normal(replicates)
    across = rng.chisquare(p - 1, replicates) if p > 1 else np.zeros(replicates)
    return along / np.sqrt(along**2 + 2 / n * across)


def pooled_cosine(cosine: Floats, p: int, n: int, rng: np.random.Generator) -> Floats:
    r"""As `learned_cosine`, turned by the error of a pooled covariance (T4.4), from three more scalars per training set:
    :math:`\frac{C+\sqrt{1-C^2}\,z/\sqrt Q}{\sqrt{1+(z^2+R)/Q}}`; the cosine itself for p = 1."""
    if p == 1:
        return cosine
    size = len(cosine)
    z, rest = rng.standard_normal(size), rng.chisquare(p - 2, size) if p > 2 else np.zeros(size)
    freedom = rng.chisquare(2 * n - p, size)
    return (cosine + np.sqrt(1 - cosine**2) * z / np.sqrt(freedom)) / np.sqrt(1 + (z**2 + rest) / freedom)
