"""Sensitivity at a fixed specificity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paper_figures.statistics.metrics._sample import Sample, ratio
from paper_figures.statistics.validation import Floats


def sensitivity(sample: Sample) -> Callable[[Floats], Floats]:
    """Prepare the sensitivity at a fixed specificity of weighted resamples.

    Parameters
    ----------
    sample : Sample
        Scores, labels and clusters of one arm; its ``specificity`` is the fixed one.

    Returns
    -------
    callable
        From weights of clusters, shape (B, K), to B values; NaN if a class has no weight.

    Notes
    -----
    The highest sensitivity over all thresholds whose specificity is at least the given one, without interpolation. Each arm (and each
    resample) uses its own threshold, so the uncertainty of choosing it is in the interval.

    Examples
    --------
    >>> scores, labels = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([True, False, True, False, False])
    >>> sensitivity(Sample(scores, labels, np.arange(5), specificity=0.6))(np.ones((1, 5)))
    array([1.])
    """
    counts = operating_counts(sample)

    def evaluate(weights: Floats) -> Floats:
        true, positives, _, negatives = counts(weights)
        return ratio(np.where(negatives > 0, true, np.nan), positives)

    return evaluate


def operating_counts(sample: Sample) -> Callable[[Floats], tuple[Floats, Floats, Floats, Floats]]:
    """Prepare the counts at the threshold of `sensitivity`: true positives, positives, false positives, negatives; each (B,)."""
    order, last = sample.descending()
    columns, labels = sample.codes[order], sample.labels[order].astype(np.float64)

    def evaluate(weights: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        gathered = weights[:, columns]
        true = np.cumsum(gathered * labels, axis=1)[:, last]
        false = np.cumsum(gathered, axis=1)[:, last] - true
        negatives = false[:, -1]
        allowed = (1 - sample.specificity) * negatives + 1e-9  # counts are whole; rounding must not lose one
        reached = (false <= allowed[:, None]).sum(axis=1)  # false positives only grow along the curve
        at = np.arange(len(true)), np.maximum(reached - 1, 0)
        return np.where(reached > 0, true[at], 0.0), true[:, -1], np.where(reached > 0, false[at], 0.0), negatives

    return evaluate
