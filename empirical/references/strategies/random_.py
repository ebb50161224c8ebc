"""Strategy ``random``: any healthy reference of another patient and another family."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from empirical.references.assignment import Assignment, Choice
from empirical.references.candidates import ReferenceRequest, RelatedItems, ReuseCapacity, query_rng
from see_in_pairs.errors import InputError


def choose(request: ReferenceRequest) -> Assignment:
    """Choose m different references for each query, uniformly among those of other patients and families that may still be used."""
    return Assignment.of(_choices(request), "random")


def _choices(request: ReferenceRequest) -> Iterator[Choice]:
    pool, m = request.pool, request.config.m
    related, names, everyone = RelatedItems(pool, ("patient_id", "family")), pool["item_id"].to_numpy(), np.arange(len(pool))
    capacity = ReuseCapacity(len(pool), request.config.reuse)
    for query in request.rows():
        drawn = capacity.draw(query_rng(request.seed, query["item_id"]), everyone, m, related.positions(query))
        if len(drawn) < m:
            used_up = "" if request.config.reuse is None else f" (each may serve {request.config.reuse})"
            raise InputError(
                f"random references: {query['item_id']} needs {m}, the pool has {len(drawn)} of other patients and families{used_up}"
            )
        yield Choice(query["item_id"], list(names[drawn]), [f"random, from {len(pool)}"] * m)
