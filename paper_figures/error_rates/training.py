"""Training is random too: the loss when one trained model represents the procedure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from paper_figures.error_rates.accuracy import Columns
from paper_figures.error_rates.item_tests import student
from paper_figures.statistics.validation import Floats
from theory.sweeps import estimand, generator, method

ACCURACY = 0.70
THRESHOLD = float(special.ndtri(ACCURACY))


@dataclass
class Trained:
    """Right in A minus right in B, per replicate, training seed and patient.

    Shapes: `d` (R, S, K).
    """

    d: Floats  # 1, 0 or -1


@estimand("procedures' difference")
def difference(*, training_sd: float, shift: float) -> float:
    """True difference of the procedures' mean accuracies."""
    spread = math.sqrt(1 + training_sd**2)
    return float(special.ndtr(THRESHOLD + shift / spread)) - ACCURACY


@generator("trainings by patients", vectorised=True)
def trained(*, rng: np.random.Generator, replicates: int, patients: int, seeds: int, training_sd: float, shift: float) -> Trained:
    r"""Draw right and wrong of two procedures, trained several times each, on the same patients.

    Notes
    -----
    Arm a with training s is right on patient k where
    :math:`\sqrt{0.4}\,h_k + \sqrt{0.2}\,g_{ak} + \sqrt{0.4}\,e_{ask} + \sigma t_{as} < \Phi^{-1}(.7) \sqrt{1 + \sigma^2}` plus the shift:
    patients are hard for both arms, or for one, whatever the training; accuracy is .70 on average over trainings.
    """
    shape = (2, replicates, seeds, patients)
    latent = math.sqrt(0.4) * rng.standard_normal((replicates, 1, patients)) + math.sqrt(0.4) * rng.standard_normal(shape)
    latent += math.sqrt(0.2) * rng.standard_normal((2, replicates, 1, patients))
    latent += training_sd * rng.standard_normal((2, replicates, seeds, 1))
    threshold = THRESHOLD * math.sqrt(1 + training_sd**2)
    return Trained((latent[0] < threshold + shift).astype(np.float64) - (latent[1] < threshold))


@method("one trained model", vectorised=True)
def one_model(data: Trained) -> Columns:
    """Test with the first training alone, by patient."""
    d = data.d[:, 0]
    k = d.shape[1]
    return student(d.mean(axis=1), d.var(axis=1, ddof=1) / k, np.full(len(d), k - 1.0))


@method("trainings pooled, by patient", vectorised=True)
def pooled(data: Trained) -> Columns:
    """Test the mean over trainings by patient, as if other trainings would give the same."""
    d = data.d.mean(axis=1)
    k = d.shape[1]
    return student(d.mean(axis=1), d.var(axis=1, ddof=1) / k, np.full(len(d), k - 1.0))


@method("procedure (Obuchowski-Rockette)", vectorised=True)
def procedure(data: Trained) -> Columns:
    """Run the test of `paper_figures.statistics.multireader.procedure`."""
    _, seeds, k = data.d.shape
    by_seed = data.d.mean(axis=2)
    parts = (data.d - by_seed[:, :, None]) / k
    own = k / (k - 1) * (parts**2).sum(axis=(1, 2)) / seeds
    total = k / (k - 1) * (parts.sum(axis=1) ** 2).sum(axis=1)
    shared = (total - seeds * own) / (seeds * (seeds - 1))
    training, sampled = np.maximum(by_seed.var(axis=1, ddof=1), own - shared) / seeds, np.maximum(shared, 0)
    spread = training**2 / (seeds - 1) + sampled**2 / (k - 1)
    df = np.where(spread > 0, (training + sampled) ** 2 / np.where(spread > 0, spread, 1.0), min(seeds, k) - 1.0)
    return student(by_seed.mean(axis=1), training + sampled, df)
