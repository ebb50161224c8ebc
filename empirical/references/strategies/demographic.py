"""Strategy ``demographic``: a healthy reference who is like the query in chosen columns, within calipers in others.

Where a reference may serve any number of queries each query draws at random among those who match; where references may be used up the
assignment as a whole is optimal (see ``optimal``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from empirical.references.assignment import Assignment, Choice
from empirical.references.candidates import Positions, Query, ReferenceRequest, draw_others, rows_of, stream_of
from empirical.references.config import ReferenceConfig
from empirical.references.matching import Matcher
from empirical.references.min_cost_flow import assign_optimally
from empirical.references.reuse_capacity import ReuseCapacity
from empirical.references.unmatched import resolve_unmatched
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Served = dict[str, Positions]
"""Queries that were given references, and which."""


def choose_demographic(request: ReferenceRequest) -> Assignment:
    """Choose references that match.

    Returns with m different references for each query, uniform among those who match, or optimal under a limit on reuse; whoever needed
    relaxing is listed as unmatched, with what was given up.
    """
    _require_columns(request.queries, request.pool, request.config)
    serve = _serve_each if request.config.reuse is None else _serve_all
    stock, choices = ReuseCapacity(len(request.pool), request.config.reuse), dict[str, Choice]()
    reasons: dict[str, str] = {}
    open_queries = rows_of(request.queries)
    for given_up in _steps(request.config):
        matcher = Matcher.build(request.pool, _in_use(request), request.config, given_up)
        served = serve(matcher, open_queries, request, stock)
        for query in open_queries:
            name = query["item_id"]
            if not given_up and name not in served:
                reasons[name] = matcher.reason(query, request.config)
            if name in served:
                choices[name] = _choice(matcher, query, served[name], reasons.get(name, ""), given_up)
        open_queries = [query for query in open_queries if query["item_id"] not in served]
        if not open_queries:
            break
    found = [choices.get(item) or Choice(item, [], [], reasons[item]) for item in request.queries["item_id"]]
    return Assignment.of(resolve_unmatched(found, request.config, _advice(request.config)), "demographic")


def _serve_each(matcher: Matcher, queries: list[Query], request: ReferenceRequest, stock: ReuseCapacity) -> Served:
    """Draw for each query among those who match, whatever others were given."""
    found = {query["item_id"]: _draw(matcher, query, request) for query in queries}
    return {item: drawn for item, drawn in found.items() if len(drawn) == request.config.m}


def _draw(matcher: Matcher, query: Query, request: ReferenceRequest) -> Positions:
    eligible = matcher.eligible(query)
    if not len(eligible):
        return eligible
    kin = matcher.own(query)
    own = np.flatnonzero(np.isin(eligible, kin)) if len(kin) else kin
    return eligible[draw_others(stream_of(request.seed, query["item_id"]), len(eligible), request.config.m, own)]


def _serve_all(matcher: Matcher, queries: list[Query], request: ReferenceRequest, stock: ReuseCapacity) -> Served:
    """Assign all at once, stratum by stratum."""
    strata: dict[tuple[str, ...], list[Query]] = {}
    for query in queries:
        if not matcher.missing(query):
            strata.setdefault(matcher.key(query), []).append(query)
    served: Served = {}
    for key, members in sorted(strata.items()):
        rng = stream_of(request.seed, "optimal " + " ".join(key))
        served |= assign_optimally(matcher, members, stock, request.config.m, rng)
    return served


def _choice(matcher: Matcher, query: Query, places: Positions, reason: str, given_up: tuple[str, ...]) -> Choice:
    title = f"demographic, relaxed: {', '.join(given_up)}" if given_up else "demographic"
    notes = [f"{title}; {matcher.describe(query, place)}" for place in places]
    return Choice(query["item_id"], list(matcher.names[places]), notes, f"{reason}; {title}" if reason else "")


def _steps(config: ReferenceConfig) -> list[tuple[str, ...]]:
    order = config.order_of_relaxing
    return [order[:count] for count in range(len(order) + 1)]


def _in_use(request: ReferenceRequest) -> list[str]:
    """Leave out columns that nobody fills ('same view where there is one')."""
    filled: Callable[[str], bool] = lambda column: bool((request.queries[column] != "").any() or (request.pool[column] != "").any())
    return [column for column in request.config.columns if filled(column)]


def _require_columns(queries: pd.DataFrame, pool: pd.DataFrame, config: ReferenceConfig) -> None:
    for column in (*config.columns, *config.caliper):
        if column not in queries or column not in pool:
            raise InputError(f"demographic references: the cohort has no column '{column}' to match on")
    for column in config.caliper:
        if queries[column].dtype.kind not in "fiu":
            raise InputError(f"demographic references: column '{column}' has no numbers, so it takes no caliper; put it under columns")


def _advice(config: ReferenceConfig) -> str:
    if config.unmatched == "relax":
        return "relax more columns, or lower m"
    return f"choose fewer columns, a wider caliper{', more reuse' if config.reuse else ''}, or unmatched: relax or leave_out"
