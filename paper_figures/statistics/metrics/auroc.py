"""Area under the ROC curve: the probability that a positive item scores above a negative one, ties one half."""

from __future__ import annotations

from collections.abc import Callable

from paper_figures.statistics.metrics._sample import Sample
from paper_figures.statistics.validation import Floats
from see_in_pairs.roc import weighted_auroc


def auroc(sample: Sample) -> Callable[[Floats], Floats]:
    """Prepare the area under the ROC curve of weighted resamples.

    Parameters
    ----------
    sample : Sample
        Scores, labels and clusters of one arm.

    Returns
    -------
    callable
        From weights of clusters, shape (B, K), to B areas; NaN if a class has no weight.

    Notes
    -----
    The negative items are sorted once; a resample then costs one running sum of their weights, read off at each positive item.

    Examples
    --------
    >>> import numpy as np
    >>> sample = Sample(np.array([0.9, 0.2, 0.6, 0.2]), np.array([True, True, False, False]), np.arange(4))
    >>> auroc(sample)(np.array([[1.0, 1, 1, 1], [2, 0, 1, 1]]))
    array([0.625, 1. ])
    """
    return weighted_auroc(sample.scores, sample.labels, sample.codes)
