"""Expected calibration error: how far predicted probabilities are from observed frequencies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paper_figures.statistics.metrics._sample import Sample, ratio
from paper_figures.statistics.validation import Floats

BINS = 10


def calibration_error(sample: Sample) -> Callable[[Floats], Floats]:
    r"""Prepare the expected calibration error of weighted resamples, with ten bins of equal width; lower is better.

    Parameters
    ----------
    sample : Sample
        Probabilities, labels and clusters of one arm.

    Returns
    -------
    callable
        From weights of clusters, shape (B, K), to B errors.

    Notes
    -----
    :math:`\sum_b |\sum_{i \in b} (y_i - p_i)| / n`. It is biased upwards in small samples, and more so in their resamples: read its
    interval with care, and the Brier score first.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), ICML (definition, for the positive class here).

    Examples
    --------
    >>> calibration_error(Sample(np.array([0.95, 0.91, 0.2]), np.array([True, False, False]), np.array([0, 1, 2])))(np.ones((1, 3)))
    array([0.35333333])
    """
    bins = np.minimum((sample.scores * BINS).astype(np.intp), BINS - 1)
    gaps = np.bincount(sample.codes * BINS + bins, sample.labels - sample.scores, minlength=sample.clusters * BINS)
    gaps = gaps.reshape(sample.clusters, BINS)
    items = sample.cluster_sums(np.ones_like(sample.scores))
    return lambda weights: ratio(np.abs(weights @ gaps).sum(axis=1), weights @ items)
