"""Simulation of a linear rule of jointly normal images, one patient at a time, shared by the statements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from theory.numerics.montecarlo import covariance_root, log_likelihood_ratio
from theory.numerics.validation import Floats
from theory.statements.base import Params

Score = Callable[[Params, np.ndarray, np.random.Generator], Floats]  # log-likelihood ratio of each patient, given who is diseased


def draw_images(model: Floats, shift: Floats, diseased: np.ndarray, rng: np.random.Generator) -> Floats:
    """Images (patients, k) of one covariance `model` (k, k), shifted by `shift` (k,) in diseased patients."""
    return rng.standard_normal((len(diseased), len(model))) @ covariance_root(model).T + diseased[:, None] * shift


def draw_scores(model: Floats, shift: Floats, observation: Floats, diseased: np.ndarray, rng: np.random.Generator) -> Floats:
    """Log-likelihood ratios (patients,) of a rule that sees only the combinations ``observation @ images``, `observation` (j, k)."""
    images = draw_images(model, shift, diseased, rng)
    return log_likelihood_ratio(images @ observation.T, observation @ shift, observation @ model @ observation.T)


def simulate_error(score: Score, params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Diagnose patients by Bayes' rule at prevalence ``pi``; shape (replicates,), whether the diagnosis was wrong."""
    pi, diseased = params["pi"], rng.random(replicates) < params["pi"]
    return (score(params, diseased, rng) > np.log((1 - pi) / pi)) != diseased


def simulate_ranking(score: Score, params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Rank a diseased against a healthy patient; shape (replicates,), whether the diseased one scored higher."""
    return score(params, np.ones(replicates, bool), rng) > score(params, np.zeros(replicates, bool), rng)
