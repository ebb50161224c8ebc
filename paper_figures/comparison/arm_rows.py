"""The results of one arm, a row per item and, if there are several, training seed and wording: the output of `pairing`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.validation import Bools, Floats, NotEstimable

Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class ArmRows:
    """All rows of one arm, in the order of item, seed, training seed and wording.

    Both arms have the same items, but not always the same training seeds and wordings: arms are independent trainings unless a user
    says that they are paired. An item may have missing rows, if not every reader read it. Shapes: all (rows,).
    """

    items: Names  # the item_id of each row
    values: Floats  # its score, or 1 for right and 0 for wrong, or a metric of the item
    labels: Bools | None  # None: the values are not scores of a class
    clusters: Names | None = None
    second_clusters: list[list[str]] | None = None  # references of this arm's row, or names of another column
    training_seeds: Names | None = None  # of the training, or the reader; None where the arm has one
    wordings: Names | None = None  # of the prompt; None where the arm has one


@dataclass(frozen=True)
class CrossedArms:
    """Two arms whose trainings and wordings are crossed with the items.

    Shapes: `scores` of each arm (S, W, n), S its own; `items` (n,), `labels` (n,), `clusters` (n,).
    """

    scores: tuple[Floats, Floats]
    items: Names
    labels: Bools | None
    clusters: Names | None
    second_clusters: list[list[str]] | None  # of each item: in any row of either arm
    training_seeds: tuple[Names, Names]  # (S,) of each arm; '' of the one training of an arm
    wordings: Names  # (W,); '' of the one wording


def crossed(a: ArmRows, b: ArmRows) -> CrossedArms:
    """Arrange the rows of both arms by training, wording and item."""
    items = np.unique(a.items)
    (scores_a, seeds_a, wordings_a), (scores_b, seeds_b, wordings_b) = _cube(a, items), _cube(b, items)
    if not np.array_equal(wordings_a, wordings_b):
        raise NotEstimable("the arms have different wordings: a wording's effect cannot be separated from the arms' difference")
    first = np.unique(a.items, return_index=True)[1]
    second = None
    if a.second_clusters is not None and b.second_clusters is not None:
        names: dict[str, set[str]] = {item: set() for item in items.tolist()}
        for arm in (a, b):
            for item, sets in zip(arm.items.tolist(), arm.second_clusters or (), strict=True):
                names[item].update(sets)
        # the placeholder for 'no reference' of one arm is not a reference of the item, if the other arm has one
        second = [sorted(names[item] - {no_reference(item)}) or [no_reference(item)] for item in items.tolist()]
    labels = None if a.labels is None else a.labels[first]
    clusters = None if a.clusters is None else a.clusters[first]
    return CrossedArms((scores_a, scores_b), items, labels, clusters, second, (seeds_a, seeds_b), wordings_a)


def no_reference(item: str) -> str:
    """The placeholder reference of an item without references, shared with no other item."""
    return f"no reference: {item}"


def _cube(arm: ArmRows, items: Names) -> tuple[Floats, Names, Names]:
    """Scores (S, W, n), and the names of the trainings and wordings."""
    none = np.zeros(len(arm.items), dtype="<U1")
    seeds, s = np.unique(none if arm.training_seeds is None else arm.training_seeds, return_inverse=True)
    wordings, w = np.unique(none if arm.wordings is None else arm.wordings, return_inverse=True)
    cube = np.full((len(seeds), len(wordings), len(items)), np.nan)
    if len(arm.items) > cube.size:
        raise NotEstimable("items occur several times per training and wording")
    cube[s, w, np.searchsorted(items, arm.items)] = arm.values
    if len(arm.items) < cube.size or np.isnan(cube).any():
        raise NotEstimable("not every item has a score from every training and wording")
    return cube, seeds, wordings
