"""Area under the ROC curve: the probability that a positive item scores above a negative one, ties one half."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paper_figures.statistics.metrics._sample import Sample, ratio
from paper_figures.statistics.validation import Floats


def auroc(sample: Sample) -> Callable[[Floats], Floats]:
    """Prepare the area under the ROC curve of weighted resamples.

    Parameters
    ----------
    sample : Sample
        Scores, labels and clusters of one arm.

    Returns
    -------
    callable
        From weights of clusters, shape (B, K), to B areas; NaN where a class has no weight.

    Notes
    -----
    The negative items are sorted once; a resample then costs one running sum of their weights, read off at each positive item.

    Examples
    --------
    >>> sample = Sample(np.array([0.9, 0.2, 0.6, 0.2]), np.array([True, True, False, False]), np.arange(4))
    >>> auroc(sample)(np.array([[1.0, 1, 1, 1], [2, 0, 1, 1]]))
    array([0.625, 1. ])
    """
    positive, negative = np.flatnonzero(sample.labels), np.flatnonzero(~sample.labels)
    negative = negative[np.argsort(sample.scores[negative], kind="stable")]
    positive = positive[np.argsort(sample.scores[positive], kind="stable")]  # neighbours in memory are then read together
    below = np.searchsorted(sample.scores[negative], sample.scores[positive], "left")
    through = np.searchsorted(sample.scores[negative], sample.scores[positive], "right")
    tied = not np.array_equal(below, through)
    rows, columns = sample.codes[positive], sample.codes[negative]

    def evaluate(weights: Floats) -> Floats:
        running = np.zeros((len(weights), len(columns) + 1))
        np.cumsum(weights[:, columns], axis=1, out=running[:, 1:])
        beaten = running[:, below]
        if tied:
            beaten = (beaten + running[:, through]) / 2
        positives = weights[:, rows]
        return ratio(np.einsum("bi,bi->b", positives, beaten), positives.sum(axis=1) * running[:, -1])

    return evaluate
