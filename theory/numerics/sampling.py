"""Fast samplers: a normal score has one sufficient statistic per patient, whatever the number of images behind it."""

from __future__ import annotations

import numpy as np

from theory.numerics.validation import Floats


def score_error(separation: float, replicates: int, rng: np.random.Generator, pi: float = 0.5) -> np.ndarray:
    """Diagnose patients from one normal score each, at the threshold of Bayes' rule.

    Returns (replicates,): Whether the diagnosis was wrong.
    """
    diseased = rng.random(replicates) < pi
    score = rng.standard_normal(replicates) + separation * diseased
    return (separation * (score - separation / 2) > np.log((1 - pi) / pi)) != diseased


def score_auc(separation: float, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Rank a diseased against a healthy patient from one normal score each.

    Returns (replicates,): Whether the diseased patient scored higher.
    """
    healthy, diseased = rng.standard_normal((2, replicates))
    return diseased + separation > healthy


def learned_cosine(p: int, distance: float, n: int, replicates: int, rng: np.random.Generator) -> Floats:
    r"""Draw the cosine between the learned and the true mean difference, n training cases per class (T4.3).

    Returns (replicates,): :math:`C=d_1/\sqrt{d_1^2+\frac2nK}`, two scalars per training set.
    """
    along = distance + np.sqrt(2 / n) * rng.standard_normal(replicates)
    across = rng.chisquare(p - 1, replicates) if p > 1 else np.zeros(replicates)
    return along / np.sqrt(along**2 + 2 / n * across)


def pooled_cosine(cosine: Floats, p: int, n: int, rng: np.random.Generator) -> Floats:
    r"""Turn the learned mean difference by the error of a pooled covariance (T4.4).

    Shapes: `cosine` (replicates,). Returns (replicates,): :math:`\frac{C+\sqrt{1-C^2}\,z/\sqrt Q}{\sqrt{1+(z^2+R)/Q}}`, three more scalars
    per training set; the cosine itself for p = 1.
    """
    if p == 1:
        return cosine
    size = len(cosine)
    z, rest = rng.standard_normal(size), rng.chisquare(p - 2, size) if p > 2 else np.zeros(size)
    freedom = rng.chisquare(2 * n - p, size)
    return (cosine + np.sqrt(1 - cosine**2) * z / np.sqrt(freedom)) / np.sqrt(1 + (z**2 + rest) / freedom)
