"""Share of items on the right side of the threshold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paper_figures.statistics.metrics._sample import Sample, ratio
from paper_figures.statistics.validation import Floats


def accuracy(sample: Sample) -> Callable[[Floats], Floats]:
    """Prepare the accuracy of weighted resamples.

    Parameters
    ----------
    sample : Sample
        Scores, labels and clusters of one arm.

    Returns
    -------
    callable
        From weights of clusters, shape (B, K), to B accuracies.

    Examples
    --------
    >>> sample = Sample(np.array([0.9, 0.2, 0.6]), np.array([True, True, False]), np.array([0, 1, 1]))
    >>> accuracy(sample)(np.array([[1.0, 1.0], [2.0, 0.0]]))
    array([0.33333333, 1. ])
    """
    right = sample.cluster_sums(((sample.scores >= sample.threshold) == sample.labels).astype(np.float64))
    items = sample.cluster_sums(np.ones_like(sample.scores))
    return lambda weights: ratio(weights @ right, weights @ items)
