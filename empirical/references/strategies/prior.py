"""Strategy ``prior``: an earlier healthy image of the same patient, where the cohort has follow-ups.

It is the only strategy that may use the query's own patient. Whether an earlier healthy image exists may itself depend on the disease (a
patient who stays healthy collects healthy images), so the selector's report of unmatched queries must be read by class.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from empirical.references.assignment import Assignment, Choice, resolve_unmatched
from empirical.references.candidates import Positions, Query, ReferenceRequest, RelatedItems, ReuseCapacity, query_rng
from see_in_pairs.errors import InputError


def choose(request: ReferenceRequest) -> Assignment:
    """Choose for each query the m latest of its patient's healthy images that came before it."""
    order = request.config.order
    if order not in request.queries or request.queries[order].dtype.kind not in "fiu":
        raise InputError(f"prior references: the cohort has no numeric column '{order}' that tells which image of a patient came first")
    advice = "set unmatched: leave_out (the query leaves every arm) or relax (a random other person's image)"
    return Assignment.of(resolve_unmatched(_choices(request), request.config, advice), "prior")


def _choices(request: ReferenceRequest) -> Iterator[Choice]:
    config, own = request.config, request.own_images()
    names, times, related = own["item_id"].to_numpy(), own[config.order].to_numpy(float), RelatedItems(own, ("patient_id",))
    capacity, strangers = ReuseCapacity(len(own), config.reuse), _Strangers(request)
    for query in request.rows():
        now = query[config.order]
        before = _latest_first(now, capacity.available(related.positions(query)), times)[: config.m]
        if len(before) == config.m:
            capacity.take(before)
            notes = [f"prior: {config.order} {times[place]:g}, the query's {now:g}" for place in before]
            yield Choice(query["item_id"], list(names[before]), notes)
            continue
        reason = f"{len(before)} of {config.m} earlier healthy images" if np.isfinite(now) else f"{config.order} missing"
        drawn = strangers.draw(query) if config.relaxing_order else []
        reason += "; relaxed: patient" if drawn else ""
        yield Choice(query["item_id"], drawn, ["prior, relaxed: patient"] * len(drawn), reason)


def _latest_first(now: float, own: Positions, times: np.ndarray) -> Positions:
    before = own[times[own] < now]
    return before[np.argsort(-times[before], kind="stable")]


class _Strangers:
    """Random images of other people, for queries without enough earlier images of their own."""

    def __init__(self, request: ReferenceRequest) -> None:
        pool = request.pool
        self._names, self._everyone = pool["item_id"].to_numpy(), np.arange(len(pool))
        self._capacity, self._related = ReuseCapacity(len(pool), request.config.reuse), RelatedItems(pool, ("patient_id", "family"))
        self._seed, self._m = request.seed, request.config.m

    def draw(self, query: Query) -> list[str]:
        """Draw m item ids; none if there are fewer."""
        rng, excluded = query_rng(self._seed, query["item_id"]), self._related.positions(query)
        drawn = self._capacity.draw(rng, self._everyone, self._m, excluded)
        return list(self._names[drawn]) if len(drawn) == self._m else []
