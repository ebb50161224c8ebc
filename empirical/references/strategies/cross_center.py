"""Strategy ``cross_center``: a healthy reference from another site than the query's or, by request, from the same.

Shown side by side the two tell whether a reference helps because it shares the query's scanner and habits (T11, explanation i): then
references of the same site help and those of other sites do not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from empirical.references.assignment import Assignment, Choice
from empirical.references.candidates import Positions, Query, ReferenceRequest, RelatedItems, stream_of
from empirical.references.reuse_capacity import ReuseCapacity
from empirical.references.unmatched import resolve_unmatched


def choose_cross_center(request: ReferenceRequest) -> Assignment:
    """Choose references by site.

    Returns with m different references for each query, uniform among those of the asked site that are of other patients and families.
    """
    advice = "set unmatched: relax or leave_out, or choose another strategy"
    return Assignment.of(resolve_unmatched(_choices(request), request.config, advice), "cross_center")


def _choices(request: ReferenceRequest) -> Iterator[Choice]:
    pool, config = request.pool, request.config
    kinship, names, sites = RelatedItems(pool, ("patient_id", "family")), pool["item_id"].to_numpy(), pool["site"].to_numpy()
    stock, everyone = ReuseCapacity(len(pool), config.reuse), np.arange(len(pool))
    eligible = {site: _eligible(sites, site, config.site) for site in request.queries["site"].unique()}
    for query in request.rows():
        stream, barred = stream_of(request.seed, query["item_id"]), kinship.positions(query)
        drawn, reason = stock.draw(stream, eligible[query["site"]], config.m, barred), ""
        if len(drawn) < config.m:
            reason = _reason(query, len(drawn), config.m, config.site)
            drawn = stock.draw(stream, everyone, config.m, barred) if config.order_of_relaxing else drawn
            reason += "; relaxed: site" if config.order_of_relaxing else ""
        found = drawn if len(drawn) == config.m else drawn[:0]
        yield Choice(query["item_id"], list(names[found]), [_note(query, str(sites[place])) for place in found], reason)


def _eligible(sites: np.ndarray, site: str, wanted: str) -> Positions:
    """List the references of the same or of another site; an unknown site is neither."""
    if site == "":
        return np.empty(0, np.int64)
    return np.flatnonzero((sites == site) if wanted == "same" else (sites != site) & (sites != ""))


def _reason(query: Query, found: int, m: int, wanted: str) -> str:
    return "site missing" if query["site"] == "" else f"{found} of {m} references from {'the same' if wanted == 'same' else 'another'} site"


def _note(query: Query, site: str) -> str:
    return f"cross_center: from {site or 'no known site'}, the query from {query['site'] or 'no known site'}"
