"""The published multireader analyses beside our own, with trainings as readers: accuracy, and areas under the ROC curve."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from paper_figures.error_rates.accuracy import Columns
from paper_figures.error_rates.auroc import SEPARATION
from paper_figures.error_rates.item_tests import student
from paper_figures.error_rates.training import Trained
from paper_figures.statistics.multireader.random_factors import ContrastResult, random_factors_contrast
from paper_figures.statistics.validation import Bools, Floats
from see_in_pairs.roc import placements
from theory.sweeps import estimand, generator, method


@dataclass
class ReadScores:
    """Scores of two procedures, per replicate, training seed and patient.

    Shapes: `scores` (R, 2, S, n), `labels` (n,).
    """

    scores: Floats
    labels: Bools


@dataclass
class SeedContrast:
    """The difference of two procedures with each seed, and its covariance due to patients; shapes (R, S), (R, S, S)."""

    theta: Floats
    covariance: Floats

    @property
    def shared(self) -> Floats:
        """Mean covariance of two seeds; shape (R,)."""
        s = self.theta.shape[1]
        found: Floats = (self.covariance.sum(axis=(1, 2)) - np.trace(self.covariance, axis1=1, axis2=2)) / (s * (s - 1))
        return found


@estimand("procedures' difference in AUROC")
def difference(*, training_sd: float, shift: float) -> float:
    """True difference of the procedures' mean areas."""
    spread = math.sqrt(2 + training_sd**2)
    return float(special.ndtr((SEPARATION + shift) / spread) - special.ndtr(SEPARATION / spread))


@generator("trainings by patients, scores", vectorised=True)
def read_scores(*, rng: np.random.Generator, replicates: int, patients: int, seeds: int, training_sd: float, shift: float) -> ReadScores:
    r"""Draw scores of two procedures, trained several times each, on the same patients, half of them positive.

    Notes
    -----
    Arm a with training s gives patient k the score
    :math:`\sqrt{0.4}\,h_k + \sqrt{0.2}\,g_{ak} + \sqrt{0.4}\,e_{ask}`, and positive patients :math:`\delta_a + \sigma t_{as}` more, so that
    a training separates the classes better or worse than another; the area is .80 with the mean training.
    """
    shape = (replicates, 2, seeds, patients)
    scores = math.sqrt(0.4) * rng.standard_normal((replicates, 1, 1, patients)) + math.sqrt(0.4) * rng.standard_normal(shape)
    scores += math.sqrt(0.2) * rng.standard_normal((replicates, 2, 1, patients))
    labels = np.arange(patients) % 2 == 0
    separation = SEPARATION + training_sd * rng.standard_normal((replicates, 2, seeds, 1)) + shift * np.array([1.0, 0.0])[:, None, None]
    return ReadScores(scores + separation * labels, labels)


def accuracy_contrast(data: Trained) -> SeedContrast:
    """Differences in accuracy; with items as cases the sample covariance is DeLong's, the jackknife's and the unbiased one."""
    k = data.d.shape[2]
    parts = data.d - data.d.mean(axis=2, keepdims=True)
    return SeedContrast(data.d.mean(axis=2), parts @ parts.transpose(0, 2, 1) / (k * (k - 1)))


def area_contrast(data: ReadScores, by_class: bool = True) -> SeedContrast:
    """Differences in area with DeLong's covariances, or, not `by_class`, with one factor for all patients, as `procedure_auroc` has it."""
    placed, labels = placements(data.scores, data.labels), data.labels
    d = placed[:, 0] - placed[:, 1]
    theta, covariance = d[..., labels].mean(axis=2), np.zeros((len(d), d.shape[1], d.shape[1]))
    for members in (labels, ~labels):
        n = int(members.sum())
        parts = d[..., members] - theta[..., None]
        k, size = (n, n) if by_class else (len(labels), n * n / len(labels))
        covariance += parts @ parts.transpose(0, 2, 1) / (size * (k - 1))
    return SeedContrast(theta, covariance)


def unbiased_contrast(data: ReadScores) -> SeedContrast:
    """Differences in area with the U-statistic's covariances, from every pair of patients."""
    positive, negative = (data.scores[..., members][..., None] for members in (data.labels, ~data.labels))
    negative = np.swapaxes(negative, -1, -2)
    kernel = (positive > negative) + 0.5 * (positive == negative)
    kernel = kernel[:, 0] - kernel[:, 1]  # (R, S, m, n)
    m, n = kernel.shape[2:]
    theta, rows, columns = kernel.mean(axis=(2, 3)), kernel.mean(axis=3), kernel.mean(axis=2)
    outer = theta[:, :, None] * theta[:, None]
    flat = kernel.reshape(*kernel.shape[:2], -1)
    # sums of products over pairs of pairs that share neither patient: all, without those that share one, with those that share both
    apart = m * n * outer - n / m * rows @ rows.transpose(0, 2, 1) - m / n * columns @ columns.transpose(0, 2, 1)
    apart += flat @ flat.transpose(0, 2, 1) / (m * n)
    return SeedContrast(theta, outer - apart / ((m - 1) * (n - 1)))


def ours(found: SeedContrast, cases: int) -> Columns:
    """Run the test of `paper_figures.statistics.multireader.procedure`."""
    s, shared = found.theta.shape[1], found.shared
    own = np.trace(found.covariance, axis1=1, axis2=2) / s
    training, sampled = np.maximum(found.theta.var(axis=1, ddof=1), own - shared) / s, np.maximum(shared, 0)
    spread = training**2 / (s - 1) + sampled**2 / (cases - 1)
    df = np.where(spread > 0, (training + sampled) ** 2 / np.where(spread > 0, spread, 1.0), min(s, cases) - 1.0)
    return student(found.theta.mean(axis=1), training + sampled, df)


def _hillis_df(found: SeedContrast) -> tuple[Floats, Floats, Floats]:
    """Variance between seeds, their number times the covariance that patients cause, and Hillis's degrees of freedom; shapes (R,)."""
    s, between = found.theta.shape[1], found.theta.var(axis=1, ddof=1)
    cases = s * found.shared
    total = between + np.maximum(cases, 0)
    return between, cases, np.where(between > 0, (s - 1) * (total / np.where(between > 0, between, 1.0)) ** 2, 1e9)


def hillis(found: SeedContrast) -> Columns:
    """Run Obuchowski and Rockette's test with Hillis's degrees of freedom; MS(TR) is half the variance between seeds."""
    between, cases, df = _hillis_df(found)
    return student(found.theta.mean(axis=1), (between + np.maximum(cases, 0)) / found.theta.shape[1], df)


def gallas(found: SeedContrast) -> Columns:
    """Run the test with the U-statistic's variance; where that is not positive it rejects nothing, and its interval has no ends."""
    between, cases, df = _hillis_df(found)
    variance = (between + cases) / found.theta.shape[1]
    columns, none = student(found.theta.mean(axis=1), variance, df), variance <= 0
    return columns | {"lower": np.where(none, -np.inf, columns["lower"]), "upper": np.where(none, np.inf, columns["upper"])}


def _each(contrasts: Iterator[ContrastResult]) -> Columns:
    rows = [(one.estimate, one.se, one.interval[0], one.interval[1], one.p) for one in contrasts]
    return dict(zip(("estimate", "se", "lower", "upper", "p"), np.array(rows).T, strict=True))


@method("Obuchowski-Rockette, Hillis's df", vectorised=True)
def accuracy_hillis(data: Trained) -> Columns:
    """Test accuracies by the analysis of `paper_figures.statistics.mrmc`."""
    return hillis(accuracy_contrast(data))


@method("U-statistic", vectorised=True)
def accuracy_gallas(data: Trained) -> Columns:
    """Test accuracies with Gallas's variance."""
    return gallas(accuracy_contrast(data))


@method("all factors", vectorised=True)
def accuracy_factors(data: Trained) -> Columns:
    """Run the test that ``compare`` recommends for paired trainings."""
    return _each(random_factors_contrast([d], None, measure="mean", weights=(1.0,)) for d in data.d)


@method("procedure, AUROC", vectorised=True)
def area_ours(data: ReadScores) -> Columns:
    """Run the test of `paper_figures.statistics.procedure_auroc`."""
    return ours(area_contrast(data, by_class=False), len(data.labels))


@method("Obuchowski-Rockette, Hillis's df, AUROC", vectorised=True)
def area_hillis(data: ReadScores) -> Columns:
    """Test areas by the analysis of `paper_figures.statistics.mrmc`, with DeLong's covariances."""
    return hillis(area_contrast(data))


@method("U-statistic, AUROC", vectorised=True)
def area_gallas(data: ReadScores) -> Columns:
    """Test areas with Gallas's variance."""
    return gallas(unbiased_contrast(data))


@method("all factors, AUROC", vectorised=True)
def area_factors(data: ReadScores) -> Columns:
    """Run the test that ``compare`` recommends for paired trainings."""
    return _each(random_factors_contrast(list(arms), data.labels, models=("both", "both")) for arms in data.scores)
