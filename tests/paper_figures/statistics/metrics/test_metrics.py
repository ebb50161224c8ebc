"""Performance measures of weighted resamples against scikit-learn on the resampled items themselves."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sk

from paper_figures.statistics.metrics import METRICS, Sample


def sensitivity_at(labels: np.ndarray, scores: np.ndarray, specificity: float) -> float:
    best = 0.0
    for threshold in np.unique(scores):
        called = scores >= threshold
        if (~called[~labels]).mean() >= specificity - 1e-12:
            best = max(best, called[labels].mean())
    return best


def expected_calibration_error(labels: np.ndarray, scores: np.ndarray) -> float:
    total = 0.0
    for low in range(10):
        inside = np.minimum((scores * 10).astype(int), 9) == low
        total += abs(labels[inside].sum() - scores[inside].sum())
    return total / len(labels)


TWINS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda y, s: float(((s >= 0.5) == y).mean()),
    "auroc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "sensitivity": lambda y, s: sensitivity_at(y, s, 0.8),
    "brier": sk.brier_score_loss,
    "calibration_error": expected_calibration_error,
}


@pytest.mark.parametrize("digits", [1, 9])
@pytest.mark.parametrize("name", METRICS)
def test_weights_are_repeated_items(name: str, digits: int) -> None:
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 12, size=80)
    codes[:12] = np.arange(12)
    labels = rng.random(80) < 0.5
    scores = np.round(np.clip(0.5 + 0.2 * rng.normal(size=80) + 0.1 * labels, 0, 1), digits)
    weights = rng.integers(0, 4, size=(25, 12)).astype(float)
    values = METRICS[name](Sample(scores, labels, codes, specificity=0.8))(weights)
    for row, value in zip(weights, values, strict=True):
        items = np.repeat(np.arange(80), row[codes].astype(int))
        assert value == pytest.approx(TWINS[name](labels[items], scores[items]), abs=1e-12)


@pytest.mark.parametrize("name", ["auroc", "average_precision", "sensitivity"])
def test_a_resample_without_a_class_has_no_value(name: str) -> None:
    sample = Sample(np.array([0.1, 0.9]), np.array([False, True]), np.arange(2))
    assert np.isnan(METRICS[name](sample)(np.array([[1.0, 0.0]]))[0])


def test_infinite_scores_are_ranked() -> None:
    scores, labels = np.array([np.inf, 0.3, -np.inf, 0.1]), np.array([True, True, False, False])
    for name in ("auroc", "average_precision", "sensitivity"):
        assert METRICS[name](Sample(scores, labels, np.arange(4)))(np.ones((1, 4))) == pytest.approx(1)
