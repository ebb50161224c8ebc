"""Strategy ``demographic``: a healthy reference that equals the query in chosen columns and is within calipers in others.

If references may be reused without limit, each query draws at random among its matches. If references can run out, the assignment as a
whole is optimal (`empirical.references.min_cost_flow`).
"""

from __future__ import annotations

from empirical.references.assignment import Assignment, Choice, resolve_unmatched
from empirical.references.candidates import Positions, Query, ReferenceRequest, ReuseCapacity, query_rng, rows_of
from empirical.references.config import ReferenceConfig
from empirical.references.matching import Matcher
from empirical.references.min_cost_flow import assign_optimally
from see_in_pairs.errors import InputError

Matches = dict[str, Positions]
"""Item ids of queries, each with the positions of its m references; queries without m are absent."""


def choose(request: ReferenceRequest) -> Assignment:
    """Choose m different references for each query, uniformly among those who match, or optimally under a limit on reuse.

    With ``unmatched: relax``, queries without a match get another round for each requirement that is dropped. Queries matched in these
    rounds are listed as unmatched, with the dropped requirements.
    """
    config = request.config
    _require_columns(request)
    match = _match_each if config.reuse is None else _match_together
    capacity, choices = ReuseCapacity(len(request.pool), config.reuse), dict[str, Choice]()
    reasons: dict[str, str] = {}
    waiting = rows_of(request.queries)
    for round_number in range(len(config.relaxing_order) + 1):
        relaxed = config.relaxing_order[:round_number]
        matcher = Matcher.build(request.pool, _filled_columns(request), config, relaxed)
        matches = match(matcher, waiting, request, capacity)
        for query in waiting:
            name = query["item_id"]
            if not relaxed and name not in matches:
                reasons[name] = matcher.reason(query, config)
            if name in matches:
                choices[name] = _choice(matcher, query, matches[name], reasons.get(name, ""), relaxed)
        waiting = [query for query in waiting if query["item_id"] not in matches]
        if not waiting:
            break
    found = [choices.get(item) or Choice(item, [], [], reasons[item]) for item in request.queries["item_id"]]
    return Assignment.of(resolve_unmatched(found, config, _advice(config)), "demographic")


def _match_each(matcher: Matcher, queries: list[Query], request: ReferenceRequest, capacity: ReuseCapacity) -> Matches:
    """Draw for each query among its matches, independently of other queries."""
    m, seed = request.config.m, request.seed
    found = {q["item_id"]: capacity.draw(query_rng(seed, q["item_id"]), matcher.eligible(q), m, matcher.own(q)) for q in queries}
    return {item: drawn for item, drawn in found.items() if len(drawn) == m}


def _match_together(matcher: Matcher, queries: list[Query], request: ReferenceRequest, capacity: ReuseCapacity) -> Matches:
    """Assign all queries together, stratum by stratum: queries with different exact columns never compete for a reference."""
    strata: dict[tuple[str, ...], list[Query]] = {}
    for query in queries:
        if not matcher.missing(query):
            strata.setdefault(matcher.key(query), []).append(query)
    matches: Matches = {}
    for key, members in sorted(strata.items()):
        rng = query_rng(request.seed, "optimal " + " ".join(key))
        matches |= assign_optimally(matcher, members, capacity, request.config.m, rng)
    return matches


def _choice(matcher: Matcher, query: Query, places: Positions, reason: str, relaxed: tuple[str, ...]) -> Choice:
    title = f"demographic, relaxed: {', '.join(relaxed)}" if relaxed else "demographic"
    notes = [f"{title}; {matcher.describe(query, place)}" for place in places]
    return Choice(query["item_id"], list(matcher.names[places]), notes, f"{reason}; {title}" if reason else "")


def _filled_columns(request: ReferenceRequest) -> list[str]:
    """Leave out columns that are empty in the whole cohort ('same view where there is one')."""
    tables = (request.queries, request.pool)
    return [column for column in request.config.columns if any((table[column] != "").any() for table in tables)]


def _require_columns(request: ReferenceRequest) -> None:
    for column in (*request.config.columns, *request.config.caliper):
        if column not in request.queries or column not in request.pool:
            raise InputError(f"demographic references: the cohort has no column '{column}' to match on")
    for column in request.config.caliper:
        if request.queries[column].dtype.kind not in "fiu":
            raise InputError(f"demographic references: column '{column}' has no numbers, so it cannot have a caliper; put it under columns")


def _advice(config: ReferenceConfig) -> str:
    if config.unmatched == "relax":
        return "relax more columns, or lower m"
    return f"choose fewer columns, a wider caliper{', more reuse' if config.reuse else ''}, or unmatched: relax or leave_out"
