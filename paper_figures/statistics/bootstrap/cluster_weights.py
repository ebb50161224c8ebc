"""Resamples of whole clusters, as weights: how often each cluster was drawn. The resampler of every bootstrap in `paper_figures`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from paper_figures.statistics.validation import Bools, Codes, Floats

CELLS_AT_ONCE = 2**17  # resamples x items in one portion: one that fits into a core's cache is several times faster


def cluster_types(labels: Bools, codes: Codes) -> Codes:
    """Type of each cluster: with only negative items (0), only positive ones (1), or both (2).

    Shapes: `labels` (n,), `codes` (n,). Returns (K,).

    Examples
    --------
    >>> cluster_types(np.array([True, False, True, False]), np.array([0, 0, 1, 2]))
    array([2, 1, 0])
    """
    items = np.bincount(codes)
    positive = np.bincount(codes, labels)
    return np.where(positive == 0, 0, np.where(positive == items, 1, 2)).astype(np.intp)


def resampling_strata(labels: Bools, codes: Codes) -> Codes:
    """Types of the clusters; a type with one cluster, which no resample would vary, joins the largest type.

    Shapes: `labels` (n,), `codes` (n,). Returns (K,).

    Examples
    --------
    >>> resampling_strata(np.array([True, False, False, False, True]), np.array([0, 0, 1, 2, 3]))
    array([0, 0, 0, 0])
    """
    types = cluster_types(labels, codes)
    sizes = np.bincount(types, minlength=3)
    return np.where(sizes[types] == 1, np.argmax(sizes), types).astype(np.intp)


def cluster_weights(strata: Codes, items: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Draw resamples of clusters with replacement, within strata, in portions that fit a cache.

    Shapes: `strata` (K,). Yields (portion, K): how often each cluster was drawn.
    """
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    # a stream per stratum, so that the portions do not change the resamples
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(len(members))]
    portion = max(1, CELLS_AT_ONCE // max(items, len(strata)))
    for start in range(0, resamples, portion):
        weights = np.empty((min(portion, resamples - start), len(strata)))
        for where, stream in zip(members, streams, strict=True):
            weights[:, where] = _draws(len(where), len(weights), stream)
        yield weights


def _draws(size: int, rows: int, stream: np.random.Generator) -> Floats:
    drawn = stream.integers(0, size, size=(rows, size)) + size * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size).astype(np.float64)


def jackknife_weights(strata: Codes, items: int, groups: int = 500) -> tuple[Iterator[Floats], Codes]:
    """Leave out one cluster at a time, or one group of clusters of a stratum if there are many.

    Shapes: `strata` (K,). Returns portions of weights, and the stratum of each row.
    """
    left_out = np.empty(len(strata), dtype=np.intp)
    row_strata: list[int] = []
    for stratum in np.unique(strata):
        where = np.flatnonzero(strata == stratum)
        count = min(len(where), max(2, round(groups * len(where) / len(strata))))
        left_out[where] = len(row_strata) + np.arange(len(where)) % count  # spread out, since neighbours may be similar
        row_strata += [int(stratum)] * count
    return _leave_out(left_out, len(row_strata), items), np.array(row_strata, dtype=np.intp)


def _leave_out(left_out: Codes, rows: int, items: int) -> Iterator[Floats]:
    portion = max(1, CELLS_AT_ONCE // max(items, len(left_out)))
    for start in range(0, rows, portion):
        yield (np.arange(start, min(start + portion, rows))[:, None] != left_out).astype(np.float64)
