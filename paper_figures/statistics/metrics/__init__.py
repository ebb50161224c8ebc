"""Performance measures, one per file, each ready for thousands of weighted resamples of clusters at once.

A measure is a function of a `Sample` that returns a function from cluster weights (B, K) to B values; work that does not depend on the
weights, mainly sorting, is done once.
"""

from __future__ import annotations

from collections.abc import Callable

from paper_figures.statistics.metrics._sample import Sample
from paper_figures.statistics.metrics.accuracy import accuracy
from paper_figures.statistics.metrics.auroc import auroc
from paper_figures.statistics.metrics.average_precision import average_precision
from paper_figures.statistics.metrics.brier import brier
from paper_figures.statistics.metrics.calibration_error import calibration_error
from paper_figures.statistics.metrics.sensitivity import sensitivity
from paper_figures.statistics.validation import Floats

Evaluate = Callable[[Floats], Floats]
Metric = Callable[[Sample], Evaluate]

METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "auroc": auroc,
    "average_precision": average_precision,
    "sensitivity": sensitivity,
    "brier": brier,
    "calibration_error": calibration_error,
}
NEED_PROBABILITIES = ("brier", "calibration_error")

__all__ = [
    "METRICS",
    "NEED_PROBABILITIES",
    "Evaluate",
    "Metric",
    "Sample",
    "accuracy",
    "auroc",
    "average_precision",
    "brier",
    "calibration_error",
    "sensitivity",
]


def __dir__() -> list[str]:
    return sorted(__all__)
