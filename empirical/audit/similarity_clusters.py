"""Clusters of similar vectors, found without all pairs in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TILE = 2048  # rows of one side of a tile: 16 MB of cosines at a time


def similarity_clusters(
    vectors: NDArray[np.floating[Any]], least_cosine: float, tile: int = TILE, components: int | None = None
) -> NDArray[np.int64]:
    """Group vectors (items, dimensions) that are connected by pairs of a high cosine; the group of each item, (items,).

    Images of one kind share their anatomy, so the cosine is taken between departures from the cohort's median, each dimension in its own
    standard deviations. Equal vectors are in one group in any case.
    """
    distinct, row_of = np.unique(np.asarray(vectors, dtype=np.float32), axis=0, return_inverse=True)
    directions = _standardised_directions(distinct if components is None else _principal(distinct, components))
    group = np.arange(len(distinct))
    for top in range(0, len(distinct), tile):
        for left in range(top, len(distinct), tile):
            cosines = directions[top : top + tile] @ directions[left : left + tile].T
            rows, columns = np.nonzero(cosines >= least_cosine)
            group = _join(group, rows + top, columns + left)
    return group[row_of.reshape(-1)]


def _standardised_directions(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = vectors - np.median(vectors, axis=0)
    spread = centred.std(axis=0)
    scaled = centred / np.where(spread > 0, spread, 1)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(scaled / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _principal(vectors: NDArray[np.float32], components: int) -> NDArray[np.float32]:
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)  # ascending
    return centred @ axes[:, ::-1][:, :components].astype(np.float32)


def _join(group: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Merge the groups of pairs; tile by tile, so that the pairs of one tile only are in memory."""
    apart = group[first] != group[second]
    if not apart.any():
        return group
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = (group[first[apart]], group[second[apart]])
    graph = coo_array((np.ones(len(edges[0]), dtype=bool), edges), shape=(len(group), len(group)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)[group]
