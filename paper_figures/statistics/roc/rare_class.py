"""Smallest numbers of clusters of a class for tests and intervals of areas under the ROC curve."""

from __future__ import annotations

import numpy as np

from paper_figures.statistics.validation import Bools, Codes

FEWEST_FOR_T, FEWEST_FOR_Z = 4, 15
"""With fewer clusters of a class (positive or negative), tests of AUROC by t, and by the normal distribution, do not keep their level.

With 2, 3, 4, 5, 10, 15 and 20 positives of 100 independent items and two arms of equal AUROC, DeLong's z rejects at a nominal .05 with
probability .23, .15, .13, .10, .08, .06 and .05, the jackknife's t with .11, .06, .05, .05, .06, .04 and .04 (the worst of three settings,
2,500 replicates). With five training seeds Obuchowski and Rockette's test of AUROC is as z: .20 at 2, .07 at 10, .06 at 15.
"""

LEAST_SHARE = 0.4
"""Share of the independent items that the rarer class needs for the permutation test of swapped arms (`auroc_permutation`).

With a tenth of the items positive and arms whose curves have slopes in the ratio 1.5 it rejects up to .10 of the time (study
``auroc_independent`` of the error rates).
"""


def class_clusters(labels: Bools, codes: Codes) -> int:
    """Number of clusters with an item of a class, for the class with fewer."""
    return min(len(np.unique(codes[members])) for members in (labels, ~labels))
