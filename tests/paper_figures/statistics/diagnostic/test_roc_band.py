"""ROC bands: the curve itself, how often a band holds the whole true curve, edges."""

import math

import numpy as np
import pytest
from scipy import special

from paper_figures.statistics import roc_bands


def truth(d: float) -> tuple[np.ndarray, np.ndarray]:
    """The binormal curve as v(u)."""
    cuts = np.linspace(9, -7, 4000)
    x, y = special.ndtr(-cuts), special.ndtr(d - cuts)
    return (x + y) / 2, y - x


@pytest.mark.parametrize(("patients", "images", "prevalence", "d"), [(100, 1, 0.5, 1.5), (100, 1, 0.2, 3.0), (60, 4, 0.5, 1.0)])
def test_bands_hold_the_whole_curve(patients: int, images: int, prevalence: float, d: float) -> None:
    """Simultaneous coverage, with clusters, unequal classes, and near the corner."""
    rng, replicates, inside, drawn = np.random.default_rng(patients), 150, 0, 0
    u, v = truth(d)
    for number in range(replicates):
        codes = np.repeat(np.arange(patients), images)
        labels = codes < prevalence * patients
        scores = math.sqrt(0.4) * rng.normal(size=patients)[codes] + math.sqrt(0.6) * rng.normal(size=len(codes)) + d * labels
        found = roc_bands(scores, labels, codes, resamples=200, seed=number)
        if found.reason:
            continue
        drawn += 1
        true = np.interp((found.fpr[0] + found.tpr[0]) / 2, u, v)
        inside += bool(
            (true >= found.lower_tpr[0] - found.lower_fpr[0] - 1e-9).all()
            and (true <= found.upper_tpr[0] - found.upper_fpr[0] + 1e-9).all()
        )
    assert drawn > 0.95 * replicates
    assert inside / drawn >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / drawn)


def test_a_band_without_clusters_would_be_too_narrow() -> None:
    codes = np.repeat(np.arange(60), 4)
    rng, u, v, outside = np.random.default_rng(1), *truth(1.0), 0
    for number in range(100):
        scores = math.sqrt(0.8) * rng.normal(size=60)[codes] + math.sqrt(0.2) * rng.normal(size=240) + (codes < 30)
        found = roc_bands(scores, codes < 30, resamples=200, seed=number)
        outside += bool(np.abs(np.interp((found.fpr[0] + found.tpr[0]) / 2, u, v) - (found.tpr - found.fpr)[0]).max() > found.half_width[0])
    assert outside / 100 > 0.05 + 3 * math.sqrt(0.05 * 0.95 / 100)


def test_the_curve_goes_through_the_empirical_corners() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(80) % 2 == 0
    scores = np.round(rng.normal(size=80) + labels, 1)
    found = roc_bands(scores, labels, resamples=50)
    for cut in np.unique(scores):
        x, y = (scores[~labels] >= cut).mean(), (scores[labels] >= cut).mean()
        at = np.interp((x + y) / 2, (found.fpr[0] + found.tpr[0]) / 2, found.tpr[0] - found.fpr[0])
        assert at == pytest.approx(y - x, abs=0.011)  # between two of 200 places, whose slopes are 2 at most


def test_trainings_are_averaged_and_arms_share_resamples() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(100) % 2 == 0
    scores = rng.normal(size=(2, 200)) + np.tile(labels, 2)
    both = roc_bands(scores, np.tile(labels, 2), np.tile(np.arange(100), 2), seeds=np.repeat([0, 1], 100), resamples=50)
    one = [roc_bands(scores[:, part], labels, resamples=50) for part in np.split(np.arange(200), 2)]
    assert both.tpr - both.fpr == pytest.approx(np.mean([each.tpr - each.fpr for each in one], axis=0))
    alike = roc_bands(scores[[0, 0], :100], labels, resamples=50)
    assert alike.half_width[0] == alike.half_width[1]


def test_no_band_that_would_be_false() -> None:
    few = roc_bands(np.arange(30.0), np.arange(30) % 5 == 0)
    assert "6 clusters" in few.reason
    assert np.isnan(few.lower_tpr).all()
    assert np.isfinite(few.tpr).all()
    separated = roc_bands(np.arange(60.0), np.arange(60) >= 30, resamples=50)
    assert "perfectly" in separated.reason
    assert np.isnan(separated.half_width).all()
    assert "all alike" in roc_bands(np.full(60, 0.5), np.arange(60) >= 30, resamples=50).reason
    shared = roc_bands(np.random.default_rng(0).normal(size=80), np.arange(80) % 2 == 0, references=np.arange(80) % 9, resamples=50)
    assert "share references" in shared.reason
