"""What is compared (`ArmPair`, and after checks and sorting `ItemTable`) and how (`ComparisonSettings`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.validation import Bools, Codes, Floats, as_codes, as_flags, as_scores, same_length

Memberships = npt.ArrayLike | Sequence[Sequence[object]]


@dataclass(frozen=True)
class ArmPair:
    """Two arms on the same items, as given; `compare_arms` describes each part."""

    scores_a: npt.ArrayLike
    scores_b: npt.ArrayLike
    labels: npt.ArrayLike | None  # None: the scores are right (1) and wrong (0)
    clusters: npt.ArrayLike | None = None
    second_clusters: Memberships | None = None
    training_seeds: npt.ArrayLike | None = None


@dataclass(frozen=True)
class ComparisonSettings:
    """How two arms are compared; `compare_arms` describes each setting."""

    arms: tuple[str, str] = ("A", "B")
    threshold: float = 0.5
    threshold_given: bool = True  # by default .5 for probabilities; other scores have no accuracy
    margin: float | Mapping[str, float] | None = None
    specificity: float = 0.9
    level: float = 0.95
    resamples: int | None = None
    permutations: int = 9999
    method: str = "bca"
    seed: int = 0
    fixed: tuple[str, ...] = ()
    paired_seeds: bool = False

    def margin_of(self, measure: str) -> float | None:
        """The margin of a measure, if one was given."""
        return self.margin.get(measure) if isinstance(self.margin, Mapping) else self.margin


@dataclass(frozen=True)
class ItemTable:
    """The items of a comparison in a fixed order.

    Shapes: `right_a`, `right_b`, `codes`, `labels` (n,), `scores` (2, n). Without scores and labels only right and wrong are known.
    """

    right_a: Bools
    right_b: Bools
    codes: Codes  # the cluster of each item; its own if none were given
    clustered: bool  # whether clusters were given
    scores: Floats | None
    labels: Bools | None
    second: list[Sequence[object]] | None
    seeds: npt.NDArray[np.str_] | None

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.codes)

    @cached_property
    def clusters(self) -> int:
        """Number of clusters."""
        return int(self.codes.max()) + 1

    @property
    def independent(self) -> bool:
        """Whether no cluster has two items."""
        return self.clusters == self.items

    @cached_property
    def n10(self) -> int:
        """Number of items right in A only."""
        return int((self.right_a & ~self.right_b).sum())

    @cached_property
    def n01(self) -> int:
        """Number of items right in B only."""
        return int((self.right_b & ~self.right_a).sum())


def item_table(pair: ArmPair, threshold: float) -> ItemTable:
    """Check the items and sort them by cluster, label and scores, so that the order of the input does not matter."""
    if pair.labels is None:
        a, b = (as_flags(values, name).astype(np.float64) for values, name in ((pair.scores_a, "correct_a"), (pair.scores_b, "correct_b")))
        labels, threshold = np.ones(len(a), dtype=np.bool_), 0.5
    else:
        a, b, labels = as_scores(pair.scores_a, "scores_a"), as_scores(pair.scores_b, "scores_b"), as_flags(pair.labels)
    items = same_length(scores_a=a, scores_b=b, labels=labels)
    codes = np.zeros(items, dtype=np.intp) if pair.clusters is None else as_codes(pair.clusters, items)
    # items tied in all of these keys are the same for every test; the larger and the smaller score come before A's, so that
    # swapping the arms gives the same order
    order = np.lexsort((a, np.maximum(a, b), np.minimum(a, b), labels, codes))
    a, b, labels = a[order], b[order], labels[order]
    seeds = _reordered(pair.training_seeds, order, "training_seeds")
    return ItemTable(
        right_a=(a >= threshold) == labels,
        right_b=(b >= threshold) == labels,
        codes=np.arange(items) if pair.clusters is None else codes[order],
        clustered=pair.clusters is not None,
        scores=None if pair.labels is None else np.stack([a, b]),
        labels=None if pair.labels is None else labels,
        second=cast("list[Sequence[object]] | None", _reordered(pair.second_clusters, order, "second_clusters")),
        seeds=None if seeds is None else np.asarray([str(seed) for seed in seeds]),
    )


def _reordered(values: Memberships | None, order: Codes, name: str) -> list[object] | None:
    if values is None:
        return None
    entries = list(cast(Sequence[object], values))
    same_length(items=order, **{name: np.empty(len(entries))})
    return [entries[row] for row in order]
