"""Strategy ``embedding``: a healthy reference whose image a vision model finds similar to the query's.

Similarity is the cosine of the two embeddings. The nearest reference is not always the best one. An embedding that sees the disease finds
references that look diseased themselves: variance falls, but diagnosis gets worse (T7 of the theory: over-matching). Therefore the band
gives references of a chosen similarity: ``band: [0.9, 0.95]`` with ``band_of: quantile`` draws among those between
the nearest tenth and the nearest twentieth.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from empirical.references.assignment import Assignment, Choice, resolve_unmatched
from empirical.references.candidates import Positions, ReferenceRequest, RelatedItems, ReuseCapacity, query_rng
from empirical.references.config import ReferenceConfig

CELLS = 2**25
"""Number of cosines in memory at a time (128 MB)."""

Cosines = NDArray[np.float32]


def choose(request: ReferenceRequest) -> Assignment:
    """Choose m different references of other patients for each query: the nearest, nearest first, or drawn from the band.

    With a limit on reuse, queries are matched one after the other, in an order drawn by the seed, each with the best reference left. Unlike
    calipers, similarities give no groups of equal values, which would make an optimal assignment feasible for large cohorts.
    """
    advice = "widen the band, raise reuse, or set unmatched: relax (the nearest instead) or leave_out"
    return Assignment.of(resolve_unmatched(_choices(request), request.config, advice), "embedding")


def _choices(request: ReferenceRequest) -> Iterator[Choice]:
    pool, config, names = request.pool, request.config, request.pool["item_id"].to_numpy()
    reference_vectors = unit_length(request.embed(list(names)))
    queries, related = request.rows(), RelatedItems(pool, ("patient_id",))
    query_vectors = unit_length(request.embed([query["item_id"] for query in queries]))
    capacity = ReuseCapacity(len(pool), config.reuse)
    for query, cosines in zip(queries, rows_of_cosines(query_vectors, reference_vectors), strict=True):
        cosines[related.positions(query)] = -np.inf
        cosines[capacity.left < 1] = -np.inf
        if config.band is None:
            found = nearest(cosines, config.m)
        else:
            found = _from_band(cosines, config.band, config, query_rng(request.seed, query["item_id"]))
        reason = "" if len(found) == config.m else f"{len(found)} of {config.m} references {'in the band' if config.band else 'left'}"
        if reason and config.relaxing_order:
            found, reason = nearest(cosines, config.m), f"{reason}; relaxed: band"
        found = found if len(found) == config.m else found[:0]
        capacity.take(found)
        yield Choice(query["item_id"], list(names[found]), [_note(cosines, place) for place in found], reason)


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors (items, dimensions) to length one; a zero vector stays zero, and is similar to nothing."""
    scaled = np.array(vectors, dtype=np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))  # without the second copy that norm makes
    scaled /= np.where(length > 0, length, np.float32(1))[:, None]
    return scaled


def rows_of_cosines(queries: NDArray[np.float32], references: NDArray[np.float32]) -> Iterator[Cosines]:
    """Compare every query with every reference, both given as unit vectors (items, dimensions).

    Yields the cosines of one query after the other, (references,), which the caller may overwrite. All pairs together would not fit into
    memory (100,000 times 50,000), and one query at a time would be slow. So each block of queries is one matrix product.
    """
    step = max(1, CELLS // max(1, len(references)))
    for start in range(0, len(queries), step):
        yield from queries[start : start + step] @ references.T


def nearest(cosines: Cosines, m: int) -> Positions:
    """Find the positions of the m largest of the cosines, the nearest first, ties in the order of the pool."""
    if m == 1:  # a search for the largest is many times faster than a partition
        best = np.array([cosines.argmax()], dtype=np.int64)
    else:
        best = np.argpartition(cosines, -m)[-m:] if m < len(cosines) else np.arange(len(cosines))
        best = best[np.lexsort((best, -cosines[best]))]
    return best[np.isfinite(cosines[best])]


def _from_band(cosines: Cosines, band: tuple[float, float], config: ReferenceConfig, rng: np.random.Generator) -> Positions:
    """Draw m of the references in the band, the nearest first."""
    low, high = band
    if config.band_of == "cosine":
        within = np.flatnonzero((cosines >= low) & (cosines <= high))
    else:
        allowed = np.flatnonzero(np.isfinite(cosines))
        ranked = allowed[np.argsort(cosines[allowed], kind="stable")]  # the least similar first
        within = ranked[int(np.floor(low * len(ranked))) : int(np.ceil(high * len(ranked)))]
    drawn = rng.permutation(within)[: config.m]
    return drawn[np.argsort(-cosines[drawn], kind="stable")]


def _note(cosines: Cosines, place: int) -> str:
    return f"embedding: cosine {cosines[place]:.4f}, rank {int((cosines > cosines[place]).sum()) + 1} of {int(np.isfinite(cosines).sum())}"
