"""What one arm gave, a row per item and, where there are several, training seed and wording: how `pairing` passes an arm on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.validation import Bools, Floats

Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class ArmRows:
    """All rows of one arm, in the order of item, seed, training seed and wording.

    Both arms have the same items. They need not have the same training seeds and wordings: arms are independent trainings unless a user
    says that they are paired. An item may lack rows, where not every reader read it. Shapes: all (rows,).
    """

    items: Names  # the item_id of each row
    values: Floats  # its score, or 1 for right and 0 for wrong, or a metric of the item
    labels: Bools | None  # None: the values are no scores of a class
    clusters: Names | None = None
    second_clusters: list[list[str]] | None = None  # references of this arm's row, or names of another column
    training_seeds: Names | None = None  # of the training, or the reader; None where the arm has one
    wordings: Names | None = None  # of the prompt; None where the arm has one
