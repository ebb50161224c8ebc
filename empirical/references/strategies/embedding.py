r"""Strategy ``embedding``: a healthy reference whose image a vision model finds like the query's.

Likeness is the cosine of the two embeddings. The nearest reference is not always the best one: an embedding that sees the disease finds
references that look diseased themselves, and variance falls while diagnosis suffers (T7 of the theory: over-matching). Hence the band,
which asks for references that are alike to a chosen degree: ``band: [0.9, 0.95]`` with ``band_of: quantile`` draws among those between
the nearest twentieth and the nearest tenth.

All pairs are compared in blocks, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from empirical.references.assignment import Assignment, Choice
from empirical.references.candidates import Positions, Query, ReferenceRequest, RelatedItems, stream_of
from empirical.references.config import ReferenceConfig
from empirical.references.reuse_capacity import ReuseCapacity
from empirical.references.unmatched import resolve_unmatched

CELLS = 2**25
"""Cosines held at a time (128 MB)."""

Cosines = NDArray[np.float32]


def choose_embedding(request: ReferenceRequest) -> Assignment:
    """Choose references by the likeness of images.

    Returns with m different references for each query, of other patients: the nearest, the nearest first, or drawn from the band. Under a
    limit on reuse queries are served in an order drawn by the seed, each with the best that is left.
    """
    advice = "widen the band, raise reuse, or set unmatched: relax (the nearest instead) or leave_out"
    return Assignment.of(resolve_unmatched(_choices(request), request.config, advice), "embedding")


def _choices(request: ReferenceRequest) -> Iterator[Choice]:
    assert request.vectors is not None, "choose_references gives this strategy a way to embeddings"
    pool, config, names = request.pool, request.config, request.pool["item_id"].to_numpy()
    theirs = unit_length(request.vectors(list(names)))
    queries, kinship = request.rows(), RelatedItems(pool, ("patient_id",))
    ours = unit_length(request.vectors([query["item_id"] for query in queries]))
    stock = ReuseCapacity(len(pool), config.reuse)
    for query, cosines in zip(queries, rows_of_cosines(ours, theirs), strict=True):
        cosines[kinship.positions(query)] = -np.inf
        cosines[stock.left < 1] = -np.inf
        found = nearest(cosines, config.m) if config.band is None else _from_band(cosines, config, request.seed, query)
        reason = "" if len(found) == config.m else f"{len(found)} of {config.m} references {'in the band' if config.band else 'left'}"
        if reason and config.order_of_relaxing:
            found, reason = nearest(cosines, config.m), f"{reason}; relaxed: band"
        found = found if len(found) == config.m else found[:0]
        stock.take(found)
        yield Choice(query["item_id"], list(names[found]), [_note(cosines, place) for place in found], reason)


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors to length one.

    Shapes: `vectors` (items, dimensions). Returns (items, dimensions): The same directions; a zero vector stays zero, and is like nothing.
    """
    scaled = np.array(vectors, dtype=np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))  # without a second copy, as norm makes
    scaled /= np.where(length > 0, length, np.float32(1))[:, None]
    return scaled


def rows_of_cosines(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> Iterator[Cosines]:
    """Compare every query with every reference, block by block.

    Shapes: `ours, theirs` (items, dimensions). Returns (references,): The cosines of one query, to be changed at will.
    """
    step = max(1, CELLS // max(1, len(theirs)))
    for start in range(0, len(ours), step):
        yield from ours[start : start + step] @ theirs.T


def nearest(cosines: Cosines, m: int) -> Positions:
    """Find the m largest cosines.

    Shapes: `cosines` (references,). Returns (m,): Positions, the nearest first, equals in the order of the pool.
    """
    if m == 1:  # a search for the largest is many times faster than a partition
        best = np.array([cosines.argmax()], dtype=np.int64)
    else:
        best = np.argpartition(cosines, -m)[-m:] if m < len(cosines) else np.arange(len(cosines))
        best = best[np.lexsort((best, -cosines[best]))]
    return best[np.isfinite(cosines[best])]


def _from_band(cosines: Cosines, config: ReferenceConfig, seed: int, query: Query) -> Positions:
    assert config.band is not None
    within = _by_quantile(cosines, *config.band) if config.band_of == "quantile" else _by_cosine(cosines, *config.band)
    drawn = stream_of(seed, query["item_id"]).permutation(within)[: config.m]
    return drawn[np.argsort(-cosines[drawn], kind="stable")]


def _by_quantile(cosines: Cosines, low: float, high: float) -> Positions:
    """List the references whose rank by likeness lies in a band of quantiles, least alike first."""
    allowed = np.flatnonzero(np.isfinite(cosines))
    ranked = allowed[np.argsort(cosines[allowed], kind="stable")]
    return ranked[int(np.floor(low * len(ranked))) : int(np.ceil(high * len(ranked)))]


def _by_cosine(cosines: Cosines, low: float, high: float) -> Positions:
    return np.flatnonzero((cosines >= low) & (cosines <= high))


def _note(cosines: Cosines, place: int) -> str:
    return f"embedding: cosine {cosines[place]:.4f}, rank {int((cosines > cosines[place]).sum()) + 1} of {int(np.isfinite(cosines).sum())}"
