"""Strategy ``cross_center``: a healthy reference from another site than the query's or, on request, from the same site.

The comparison of the two shows whether a reference helps because it shares the query's scanner and local practice (T11, explanation i).
In that case references of the same site help, and those of other sites do not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from empirical.references.assignment import Assignment, Choice, resolve_unmatched
from empirical.references.candidates import Positions, Query, ReferenceRequest, RelatedItems, ReuseCapacity, query_rng


def choose(request: ReferenceRequest) -> Assignment:
    """Choose m different references for each query, uniformly among those of the wanted site and of other patients and families."""
    advice = "set unmatched: relax or leave_out, or choose another strategy"
    return Assignment.of(resolve_unmatched(_choices(request), request.config, advice), "cross_center")


def _choices(request: ReferenceRequest) -> Iterator[Choice]:
    pool, config = request.pool, request.config
    related, names, sites = RelatedItems(pool, ("patient_id", "family")), pool["item_id"].to_numpy(), pool["site"].to_numpy()
    capacity, everyone = ReuseCapacity(len(pool), config.reuse), np.arange(len(pool))
    eligible = {site: _eligible(sites, site, config.site) for site in request.queries["site"].unique()}
    for query in request.rows():
        rng, excluded = query_rng(request.seed, query["item_id"]), related.positions(query)
        drawn, reason = capacity.draw(rng, eligible[query["site"]], config.m, excluded), ""
        if len(drawn) < config.m:
            which = "the same" if config.site == "same" else "another"
            reason = "site missing" if query["site"] == "" else f"{len(drawn)} of {config.m} references from {which} site"
            if config.relaxing_order:
                drawn, reason = capacity.draw(rng, everyone, config.m, excluded), f"{reason}; relaxed: site"
        found = drawn if len(drawn) == config.m else drawn[:0]
        yield Choice(query["item_id"], list(names[found]), [_note(query, str(sites[place])) for place in found], reason)


def _eligible(sites: np.ndarray, site: str, wanted: str) -> Positions:
    """List the references of the same or of another site; an unknown site belongs to neither."""
    if site == "":
        return np.empty(0, np.int64)
    return np.flatnonzero((sites == site) if wanted == "same" else (sites != site) & (sites != ""))


def _note(query: Query, site: str) -> str:
    return f"cross_center: from {site or 'no known site'}, the query from {query['site'] or 'no known site'}"
