"""Average precision: the area under the precision-recall curve, by steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paper_figures.statistics.metrics._sample import Sample, ratio
from paper_figures.statistics.validation import Floats


def average_precision(sample: Sample) -> Callable[[Floats], Floats]:
    r"""Prepare the average precision of weighted resamples.

    Parameters
    ----------
    sample : Sample
        Scores, labels and clusters of one arm.

    Returns
    -------
    callable
        From weights of clusters, shape (B, K), to B values; NaN if no positive item has weight.

    Notes
    -----
    :math:`\sum_g (R_g - R_{g-1}) P_g` over the distinct scores g from the highest, with recall R and precision P; scikit-learn's
    definition. Its value for a useless score is the prevalence, so it can be compared between arms, not between cohorts.

    Examples
    --------
    >>> average_precision(Sample(np.array([0.9, 0.6, 0.2]), np.array([True, False, True]), np.arange(3)))(np.ones((1, 3)))
    array([0.83333333])
    """
    order, last = sample.descending()
    columns, labels = sample.codes[order], sample.labels[order].astype(np.float64)

    def evaluate(weights: Floats) -> Floats:
        gathered = weights[:, columns]
        taken = np.cumsum(gathered, axis=1)[:, last]
        true = np.cumsum(gathered * labels, axis=1)[:, last]
        precision = np.divide(true, taken, out=np.zeros_like(true), where=taken > 0)
        gained = np.diff(true, axis=1, prepend=0.0)
        return ratio(np.einsum("bi,bi->b", gained, precision), true[:, -1])

    return evaluate
