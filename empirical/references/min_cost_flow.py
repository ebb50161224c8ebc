r"""Optimal assignment of references to queries where the use of each reference is limited.

It matches as many queries as possible with, among all ways to do so, the smallest sum of distances. A distance is the sum over the caliper
columns of :math:`|x_q-x_r|` in units of the caliper. (Greedy matching does neither: Rosenbaum PR, *Optimal matching for observational
studies*, JASA 1989;84:1024-1032.)

This is a flow of least cost from queries to references, but a network of all pairs has 5 billion edges for 100,000 queries and 50,000
references. People of equal values are exchangeable, so the flow is found between *groups* of equal values, a transportation problem
whose size does not grow with the number of people (its linear program has an integral optimal vertex), and then distributed at random
within groups, a small maximum-flow problem. With several references for each query, matches are counted by reference: who gets fewer
than m is not matched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from empirical.references.candidates import Positions, Query, ReuseCapacity
from empirical.references.matching import Matcher
from see_in_pairs.errors import InputError

MOST_PAIRS = 500_000
"""Largest number of pairs of groups that may match: with more, the linear program takes minutes."""


@dataclass(frozen=True)
class Groups:
    """Queries of one stratum and their possible references, in groups of equal caliper values."""

    queries: list[list[int]]  # for each query group its members, as positions in the list of queries
    references: list[Positions]  # for each reference group its members, as positions in the pool
    pairs: NDArray[np.int64]  # (pairs, 2): a query group and a reference group within the calipers
    distance: NDArray[np.float64]  # (pairs,): how far apart they are, in calipers
    own: list[Positions]  # for each query group the positions in the pool of its own patient


def assign_optimally(
    matcher: Matcher, queries: list[Query], capacity: ReuseCapacity, m: int, rng: np.random.Generator
) -> dict[str, Positions]:
    """Assign m references to each query of one stratum, as far as possible, and count them as used.

    Returns positions in the pool by item id; queries without m references are absent.
    """
    cell = capacity.available(matcher.cells.get(matcher.key(queries[0]), np.empty(0, np.int64)))
    if not len(cell):
        return {}
    groups = _group(matcher, queries, cell, singly=m > 1)
    if not len(groups.pairs):
        return {}
    flows = _transport(groups, capacity.left, m)
    given: dict[int, list[int]] = {}
    for group in range(len(groups.references)):
        edges = np.flatnonzero((groups.pairs[:, 1] == group) & (flows > 0))
        inflow = [(groups.pairs[edge, 0], int(flows[edge])) for edge in edges]
        for query, reference in _distribute(groups, inflow, groups.references[group], capacity.left, given, rng):
            given.setdefault(query, []).append(reference)
    matched = {query: np.array(references) for query, references in given.items() if len(references) == m}
    for references in matched.values():
        capacity.take(references)
    return {queries[query]["item_id"]: references for query, references in sorted(matched.items())}


def _group(matcher: Matcher, queries: list[Query], cell: Positions, singly: bool) -> Groups:
    """Put people of equal values into groups.

    A patient with both queries and references is a separate group on either side, so that the flow can keep them apart. If there are too
    many such patients for the program, their references are grouped nevertheless. The distribution within groups still gives nobody an
    image of the same patient, but a few matches can be lost that a search of all pairs would find. With m > 1 each query is its own group
    (`singly`), since otherwise its m references could be the same.
    """
    columns = [column for column, _ in matcher.calipers]
    widths = np.array([width for _, width in matcher.calipers])
    number = {query["patient_id"]: k for k, query in enumerate(queries)}
    values_of = np.column_stack([*(matcher.numbers[column][cell] for column in columns), np.zeros(len(cell))])
    query_of = np.array([number.get(patient, -1) for patient in matcher.patients[cell]])
    on_both_sides = {patient for patient in matcher.patients[cell] if patient in number}
    members: dict[tuple[object, ...], list[int]] = {}
    for position, query in enumerate(queries):
        apart = query["item_id"] if singly else (query["patient_id"] if query["patient_id"] in on_both_sides else "")
        members.setdefault((*(query[column] for column in columns), apart), []).append(position)
    points = np.array([[*key[:-1], 0.0] for key in members], dtype=float)
    for apart_too in (query_of, np.full(len(cell), -1)):
        values, labels = np.unique(np.column_stack([values_of, apart_too]), axis=0, return_inverse=True)
        size = int(_windows(points, values, widths)[1].sum())
        if size <= MOST_PAIRS:
            break
    else:
        raise InputError(
            f"demographic references: {size:,} pairs of different values lie within the caliper, too many for an optimal assignment; "
            "round the column, narrow the caliper, add an exact column, or leave out 'reuse'"
        )
    references = np.split(cell[np.argsort(labels.ravel(), kind="stable")], np.cumsum(np.bincount(labels.ravel()))[:-1])
    grouped = list(members.values())
    pairs, distance = _close_pairs(points, values[:, :-1], widths)
    patients = np.array([number[queries[group[0]]["patient_id"]] for group in grouped])
    others = patients[pairs[:, 0]] != values[pairs[:, 1], -1]
    own = [np.intersect1d(matcher.own(queries[group[0]]), cell) for group in grouped]
    return Groups(grouped, references, pairs[others], distance[others], own)


def _windows(points: np.ndarray, values: np.ndarray, widths: np.ndarray) -> tuple[Positions, Positions]:
    """Find for each query group the first reference group within the first caliper (ascending in the first column), and their number."""
    width = widths[0] if len(widths) else 0.0  # without a caliper the first column is constant
    low = np.searchsorted(values[:, 0], points[:, 0] - width)
    high = np.searchsorted(values[:, 0], np.nextafter(points[:, 0] + width, np.inf))
    return low, high - low


def _close_pairs(points: np.ndarray, values: np.ndarray, widths: np.ndarray) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the pairs of groups within all calipers, and how far apart they are, in calipers."""
    low, number = _windows(points, values, widths)
    left = np.repeat(np.arange(len(points)), number)
    right = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number) + np.repeat(low, number)
    gaps = np.abs(points[left] - values[right])[:, : len(widths)]
    near = (gaps <= widths).all(axis=1)
    return np.column_stack([left, right])[near], (gaps[near] / np.where(widths > 0, widths, 1.0)).sum(axis=1)


def _transport(groups: Groups, left: np.ndarray, m: int) -> NDArray[np.int64]:
    """Find the largest flow from query groups to reference groups with the smallest total distance: the flow of each pair."""
    from scipy import sparse
    from scipy.optimize import linprog

    sources, sinks = groups.pairs.T
    supply = np.array([m * len(group) for group in groups.queries])
    demand = np.array([left[group].sum() for group in groups.references])
    others = [
        np.setdiff1d(groups.references[sink], groups.own[source]) if len(groups.own[source]) else groups.references[sink]
        for source, sink in zip(sources, sinks, strict=True)
    ]
    most = [min(left[group].sum(), len(groups.queries[source]) * min(m, len(group))) for source, group in zip(sources, others, strict=True)]
    # The number of matches has priority, so each match gets a reward. One more match may lengthen every other match on its augmenting path
    # by up to the largest distance, and must still be worth it.
    reward = (groups.distance.max() + 1) * (min(len(supply), len(demand)) + 1)
    ends, columns = np.concatenate([sources, len(supply) + sinks]), np.tile(np.arange(len(sources)), 2)
    incidence = sparse.csr_array((np.ones(len(ends)), (ends, columns)), shape=(len(supply) + len(demand), len(sources)))
    solution = linprog(  # type: ignore[call-overload]  # the type stubs have no sparse matrix
        groups.distance - reward,
        A_ub=incidence,
        b_ub=np.concatenate([supply, demand]),
        bounds=np.column_stack([np.zeros(len(sources)), most]),
        method="highs-ds",  # the simplex ends in a vertex, and all vertices are integral here
    )
    return np.rint(solution.x).astype(np.int64)


def _distribute(
    groups: Groups,
    inflow: list[tuple[int, int]],
    references: Positions,
    left: np.ndarray,
    given: dict[int, list[int]],
    rng: np.random.Generator,
) -> list[tuple[int, int]]:
    """Distribute the references of one group at random over the queries of the flow: (query, reference) pairs.

    A shuffle is nearly always enough. If it gives a query an image of its own patient, or the same image twice, the pairs are found by a
    flow."""
    receivers: list[int] = []
    for group, flow in inflow:
        members = groups.queries[group]
        if len(members) == 1:
            receivers += members * flow
        else:
            waiting = [query for query in members if query not in given]
            receivers += [waiting[k] for k in rng.permutation(len(waiting))[:flow]]
    slots = np.repeat(references, np.minimum(left[references], len(receivers)))
    pairs = list(zip(receivers, rng.permutation(slots).tolist(), strict=False))
    excluded = {query: set(groups.own[group].tolist()) for group, _ in inflow for query in groups.queries[group]}
    clash = len(set(pairs)) < len(pairs) or any(reference in excluded[query] for query, reference in pairs)
    return _distribute_by_flow(receivers, references, left, excluded, rng) if clash else pairs


def _distribute_by_flow(
    receivers: list[int], references: Positions, left: np.ndarray, excluded: dict[int, set[int]], rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Distribute without an image of the same patient and without repeats: a maximum flow from queries to references, in random order."""
    from scipy import sparse
    from scipy.sparse.csgraph import maximum_flow

    queries, needs = np.unique(receivers, return_counts=True)
    order, shuffled = rng.permutation(len(queries)), rng.permutation(references)
    queries, needs = queries[order], needs[order]
    edges = [(i, j) for i, query in enumerate(queries) for j, reference in enumerate(shuffled) if reference not in excluded[query]]
    source, sink = len(queries) + len(shuffled), len(queries) + len(shuffled) + 1
    tails = [source] * len(queries) + [i for i, _ in edges] + [len(queries) + j for j in range(len(shuffled))]
    heads = list(range(len(queries))) + [len(queries) + j for _, j in edges] + [sink] * len(shuffled)
    limits = [*needs.tolist(), *([1] * len(edges)), *np.minimum(left[shuffled], len(receivers)).tolist()]
    network = sparse.csr_array((np.array(limits, dtype=np.int32), (tails, heads)), shape=(sink + 1, sink + 1))
    flow = maximum_flow(network, source, sink).flow
    return [(int(queries[i]), int(shuffled[j])) for i, j in edges if flow[i, len(queries) + j] > 0]
