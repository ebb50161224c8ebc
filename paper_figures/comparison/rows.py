"""The items of a comparison in a fixed order, and its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_codes, as_flags, as_scores, same_length

Block = TypeVar("Block")


@dataclass(frozen=True)
class Rows:
    """The items in a fixed order; labels and scores are None where only right and wrong are known."""

    right_a: Bools
    right_b: Bools
    codes: Codes
    clustered: bool
    scores: Floats | None
    labels: Bools | None
    second: list[object] | None
    seeds: list[object] | None

    @property
    def items(self) -> int:
        """Tell the number of items."""
        return len(self.codes)

    @property
    def clusters(self) -> int:
        """Tell the number of clusters."""
        return int(self.codes.max()) + 1

    @property
    def n10(self) -> int:
        """Count the items right in A only."""
        return int((self.right_a & ~self.right_b).sum())

    @property
    def n01(self) -> int:
        """Count the items right in B only."""
        return int((self.right_b & ~self.right_a).sum())


@dataclass(frozen=True)
class Settings:
    """What `compare_arms` was told beside the data."""

    arms: tuple[str, str]
    level: float
    margin: float | None
    specificity: float
    resamples: int | None
    permutations: int
    method: str
    seed: int
    threshold: float


@dataclass
class Reasons:
    """Collects why blocks could not be computed."""

    found: dict[str, str] = field(default_factory=dict)

    def attempt(self, name: str, compute: Callable[[], Block]) -> Block | None:
        """Compute a block, or note why the data cannot bear it."""
        try:
            return compute()
        except NotEstimable as error:
            self.found[name] = str(error)
            return None


def make_rows(
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    labels: npt.ArrayLike | None,
    clusters: npt.ArrayLike | None,
    threshold: float,
    second: npt.ArrayLike | Sequence[Sequence[object]] | None,
    seeds: npt.ArrayLike | None,
) -> Rows:
    """Validate the items and sort them by cluster, label and scores, so that the order they came in changes nothing."""
    known = labels is not None
    if labels is None:
        a, b = as_flags(scores_a, "correct_a").astype(np.float64), as_flags(scores_b, "correct_b").astype(np.float64)
        flags, threshold = np.ones(len(a), dtype=np.bool_), 0.5
    else:
        a, b, flags = as_scores(scores_a, "scores_a"), as_scores(scores_b, "scores_b"), as_flags(labels)
    items = same_length(scores_a=a, scores_b=b, labels=flags)
    codes = np.zeros(items, dtype=np.intp) if clusters is None else as_codes(clusters, items)
    order = np.lexsort((a, np.maximum(a, b), np.minimum(a, b), flags, codes))
    a, b, flags = a[order], b[order], flags[order]
    return Rows(
        (a >= threshold) == flags, (b >= threshold) == flags, np.arange(items) if clusters is None else codes[order], clusters is not None,
        np.stack([a, b]) if known else None, flags if known else None,
        _reordered(second, order, "second_clusters"), _reordered(seeds, order, "training_seeds"),
    )  # fmt: skip


def _reordered(values: npt.ArrayLike | Sequence[Sequence[object]] | None, order: Codes, name: str) -> list[object] | None:
    if values is None:
        return None
    entries = list(cast(Sequence[object], values))
    same_length(items=order, **{name: np.empty(len(entries))})
    return [entries[row] for row in order]
