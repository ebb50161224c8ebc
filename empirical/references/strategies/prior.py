"""Strategy ``prior``: an earlier healthy image of the same patient, where the cohort has follow-ups.

The only strategy that may share a patient with the query. Whether there *is* an earlier healthy image may itself depend on the disease
(who stays healthy collects healthy images), so the selector's report of unmatched queries must be read by class.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.references.assignment import Assignment, Choice
from empirical.references.candidates import Positions, Query, ReferenceRequest, RelatedItems, stream_of
from empirical.references.reuse_capacity import ReuseCapacity
from empirical.references.unmatched import resolve_unmatched
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def choose_prior(request: ReferenceRequest, earlier: pd.DataFrame) -> Assignment:
    """Choose earlier images of the same patient.

    Returns for each query the m latest of its patient's healthy images that came before it.
    """
    order = request.config.order
    if order not in request.queries or request.queries[order].dtype.kind not in "fiu":
        raise InputError(f"prior references: the cohort has no numeric column '{order}' that tells which image of a patient came first")
    advice = "set unmatched: leave_out (the query leaves every arm) or relax (a random other person's image)"
    return Assignment.of(resolve_unmatched(_choices(request, earlier), request.config, advice), "prior")


def _choices(request: ReferenceRequest, earlier: pd.DataFrame) -> Iterator[Choice]:
    config, names = request.config, earlier["item_id"].to_numpy()
    own, when = RelatedItems(earlier, ("patient_id",)), earlier[config.order].to_numpy(float)
    stock, others = ReuseCapacity(len(earlier), config.reuse), _Others(request)
    for query in request.rows():
        before = _latest_first(query[config.order], stock.available(own.positions(query)), when)[: config.m]
        if len(before) == config.m:
            stock.take(before)
            yield Choice(query["item_id"], list(names[before]), [_note(config.order, when[place], query) for place in before])
            continue
        missing = not np.isfinite(query[config.order])
        reason = f"{config.order} missing" if missing else f"{len(before)} of {config.m} earlier healthy images"
        yield others.choose(query, reason) if config.order_of_relaxing else Choice(query["item_id"], [], [], reason)


def _latest_first(now: float, own: Positions, when: np.ndarray) -> Positions:
    before = own[when[own] < now]
    return before[np.argsort(-when[before], kind="stable")]


def _note(order: str, earlier: Any, query: Query) -> str:
    return f"prior: {order} {earlier:g}, the query's {query[order]:g}"


class _Others:
    """Random images of other people, for those without an earlier one."""

    def __init__(self, request: ReferenceRequest) -> None:
        pool = request.pool
        self.names, self.everyone, self.stock = (
            pool["item_id"].to_numpy(),
            np.arange(len(pool)),
            ReuseCapacity(len(pool), request.config.reuse),
        )
        self.kinship, self.seed, self.m = RelatedItems(pool, ("patient_id", "family")), request.seed, request.config.m

    def choose(self, query: Query, reason: str) -> Choice:
        drawn = self.stock.draw(stream_of(self.seed, query["item_id"]), self.everyone, self.m, self.kinship.positions(query))
        if len(drawn) < self.m:
            return Choice(query["item_id"], [], [], reason)
        return Choice(query["item_id"], list(self.names[drawn]), ["prior, relaxed: patient"] * self.m, f"{reason}; relaxed: patient")
