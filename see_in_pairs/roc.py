"""Placements and the area under the ROC curve, ties counting one half: the common kernel of all packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]


def placements(scores: npt.NDArray[np.floating[Any]], labels: Bools) -> Floats:
    """Compute each item's placement: the share of the other class that it is ranked correctly against.

    Shapes: `scores` (..., n), each row ranked by itself; `labels` (n,). Returns (..., n): for a positive item, the share of negative
    items scored below it; for a negative one, the share of positive items scored above it. Infinite scores are allowed, NaN is not.

    Notes
    -----
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837, in O(n log n) by midranks: Sun and Xu (2014), IEEE Signal Processing
    Letters 21:1389.

    Examples
    --------
    >>> placements(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    array([1.  , 0.75, 0.75, 1.  ])
    """
    order = np.argsort(scores, axis=-1)
    ordered, positive = np.take_along_axis(scores, order, axis=-1), labels[order]
    items: npt.NDArray[Any] = np.arange(1, scores.shape[-1] + 1)  # up to and including each item, by rising score
    positives: npt.NDArray[Any] = np.cumsum(positive, axis=-1)
    tied = ordered[..., 1:] == ordered[..., :-1]
    if tied.any():  # else the two counts below need no middle, which saves half of the time
        items, positives = _midcounts(items - 1, items, tied), _midcounts(positives - positive, positives, tied)
    m = int(labels.sum())
    n = labels.size - m
    placed = np.empty(scores.shape)
    # counts are whole or half numbers: the division is the only rounding, so every way to count gives the same bits
    np.put_along_axis(placed, order, np.where(positive, (items - positives) / n, 1 - positives / m), axis=-1)
    return placed


def _midcounts(before: npt.NDArray[Any], through: npt.NDArray[Any], tied: Bools) -> Floats:
    """Average a running count before the first and through the last item of each group of tied scores."""
    edge = np.ones((*tied.shape[:-1], 1), dtype=np.bool_)
    first, last = np.concatenate([edge, ~tied], axis=-1), np.concatenate([~tied, edge], axis=-1)
    # running counts never fall, so the latest first and the next last are a running maximum and a running minimum
    low = np.maximum.accumulate(np.where(first, before, 0), axis=-1)
    high = np.minimum.accumulate(np.where(last, through, last.shape[-1])[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray((low + high) / 2)


def auroc(scores: npt.NDArray[np.floating[Any]], labels: Bools) -> float:
    """Compute the area under the ROC curve: the mean placement of the positive items.

    Shapes: `scores` (n,), `labels` (n,).

    Examples
    --------
    >>> auroc(np.array([0.9, 0.2, 0.6, 0.2]), np.array([True, True, False, False]))
    0.625
    """
    return float(placements(scores, labels)[labels].mean())


def weighted_auroc(scores: npt.NDArray[np.floating[Any]], labels: Bools, columns: Codes) -> Callable[[Floats], Floats]:
    """Prepare the area under the ROC curve for many sets of weights: the negative items are sorted once.

    Shapes: `scores`, `labels`, `columns` (n,). Returns a function from weights (B, K) to (B,) areas, item i weighing
    ``weights[:, columns[i]]``; NaN where a class has no weight.

    Examples
    --------
    >>> area = weighted_auroc(np.array([0.9, 0.2, 0.6, 0.2]), np.array([True, True, False, False]), np.arange(4))
    >>> area(np.array([[1.0, 1, 1, 1], [2, 0, 1, 1]]))
    array([0.625, 1.   ])
    """
    positive, negative = np.flatnonzero(labels), np.flatnonzero(~labels)
    negative = negative[np.argsort(scores[negative], kind="stable")]
    positive = positive[np.argsort(scores[positive], kind="stable")]  # neighbours in memory are then read together
    below = np.searchsorted(scores[negative], scores[positive], "left")
    through = np.searchsorted(scores[negative], scores[positive], "right")
    tied = not np.array_equal(below, through)
    rows, others = columns[positive], columns[negative]

    def evaluate(weights: Floats) -> Floats:
        running = np.zeros((len(weights), len(others) + 1))  # weight of the negative items up to each
        np.cumsum(weights[:, others], axis=1, out=running[:, 1:])
        beaten = running[:, below]
        if tied:
            beaten = (beaten + running[:, through]) / 2
        own = weights[:, rows]
        pairs = own.sum(axis=1) * running[:, -1]
        return np.divide(np.einsum("bi,bi->b", own, beaten), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)

    return evaluate
