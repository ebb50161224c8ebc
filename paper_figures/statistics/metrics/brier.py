"""Mean squared error of predicted probabilities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paper_figures.statistics.metrics._sample import Sample, ratio
from paper_figures.statistics.validation import Floats


def brier(sample: Sample) -> Callable[[Floats], Floats]:
    """Prepare the Brier score of weighted resamples; lower is better.

    Parameters
    ----------
    sample : Sample
        Probabilities, labels and clusters of one arm.

    Returns
    -------
    callable
        From weights of clusters, shape (B, K), to B scores.

    References
    ----------
    Brier (1950), Monthly Weather Review 78:1.

    Examples
    --------
    >>> brier(Sample(np.array([0.9, 0.2]), np.array([True, False]), np.array([0, 1])))(np.ones((1, 2)))
    array([0.025])
    """
    errors = sample.cluster_sums((sample.scores - sample.labels) ** 2)
    items = sample.cluster_sums(np.ones_like(sample.scores))
    return lambda weights: ratio(weights @ errors, weights @ items)
