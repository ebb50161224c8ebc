r"""Optimal assignment of references to queries where each reference may serve only so many.

As many queries as possible are matched and, among all ways to do so, the sum of distances is smallest, a distance being the sum over
the caliper columns of :math:`|x_q-x_r|` in calipers. (Greedy matching does neither: Rosenbaum PR, *Optimal matching for observational
studies*, JASA 1989;84:1024-1032.)

People of equal values are exchangeable, so that the assignment is first made between *groups* of equal values, a transportation problem
whose size does not grow with the number of people (its linear program has an integral optimal vertex), and then dealt out at random
within groups, a small flow problem. Patients who are among queries and references both stand in groups of their own, so that no one is
given an own image. (Where there are so many of them that the program would grow too large, the references among them are grouped all the
same, and a few of the matches can be lost that a search over all pairs would find.) With several references for each query, matches
are counted by reference: who gets fewer than m is not matched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from empirical.references.candidates import Positions, Query
from empirical.references.matching import Matcher
from empirical.references.reuse_capacity import ReuseCapacity
from see_in_pairs.errors import InputError

MOST_PAIRS = 500_000
"""Pairs of groups that may match, at most: beyond this the linear program takes minutes."""


@dataclass(frozen=True)
class Groups:
    """Queries of one stratum and their possible references, in groups of equal caliper values.

    Shapes: `pairs` (pairs, 2), `distance` (pairs,).
    """

    queries: list[list[int]]  # for each query group its members, as positions in the list of queries
    references: list[Positions]  # for each reference group its members, as positions in the pool
    pairs: NDArray[np.int64]  # A query group and a reference group that match
    distance: NDArray[np.float64]  # how far apart they are, in calipers
    own: list[Positions]  # for each query group the positions in the pool of its own patient


def assign_optimally(
    matcher: Matcher, queries: list[Query], stock: ReuseCapacity, m: int, rng: np.random.Generator
) -> dict[str, Positions]:
    """Assign references to the queries of one stratum.

    Returns item id to positions of its m references; queries without m are absent.
    """
    cell = stock.available(matcher.cells.get(matcher.key(queries[0]), np.empty(0, np.int64)))
    if not len(cell):
        return {}
    groups = _group(matcher, queries, cell, singly=m > 1)
    if not len(groups.pairs):
        return {}
    flows = _transport(groups, stock.left, m)
    given: dict[int, list[int]] = {}
    for group in range(len(groups.references)):
        at = np.flatnonzero((groups.pairs[:, 1] == group) & (flows > 0))
        takers = [(groups.pairs[pair, 0], int(flows[pair])) for pair in at]
        for query, place in _distribute(groups, takers, groups.references[group], stock.left, given, rng):
            given.setdefault(query, []).append(place)
    served = {query: np.array(places) for query, places in given.items() if len(places) == m}
    for places in served.values():
        stock.take(places)
    return {queries[query]["item_id"]: places for query, places in sorted(served.items())}


def _group(matcher: Matcher, queries: list[Query], cell: Positions, singly: bool) -> Groups:
    """Put people of equal values together; patients who are on both sides stand alone, as far as the size of the problem allows."""
    columns = [column for column, _ in matcher.calipers]
    widths = np.array([width for _, width in matcher.calipers])
    number = {query["patient_id"]: k for k, query in enumerate(queries)}
    theirs = np.column_stack([*(matcher.numbers[column][cell] for column in columns), np.zeros(len(cell))])
    whose = np.array([number.get(patient, -1) for patient in matcher.patients[cell]])
    on_both_sides = {patient for patient in matcher.patients[cell] if patient in number}
    members: dict[tuple[object, ...], list[int]] = {}
    for position, query in enumerate(queries):
        apart = query["item_id"] if singly else (query["patient_id"] if query["patient_id"] in on_both_sides else "")
        members.setdefault((*(query[column] for column in columns), apart), []).append(position)
    points = np.array([[*key[:-1], 0.0] for key in members], dtype=float)
    for apart_too in (whose, np.full(len(cell), -1)):
        values, labels = np.unique(np.column_stack([theirs, apart_too]), axis=0, return_inverse=True)
        sizes = _pairs_at_most(points, values, widths)
        if sizes <= MOST_PAIRS:
            break
    else:
        raise InputError(
            f"demographic references: {sizes:,} pairs of different values lie within the caliper, too many for an optimal assignment; "
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
    """For each query group, between which reference groups (ascending in their first column) the first caliper lies."""
    width = widths[0] if len(widths) else 0.0  # without a caliper the first column is constant
    low = np.searchsorted(values[:, 0], points[:, 0] - width)
    high = np.searchsorted(values[:, 0], np.nextafter(points[:, 0] + width, np.inf))
    return low, high - low


def _pairs_at_most(points: np.ndarray, values: np.ndarray, widths: np.ndarray) -> int:
    return int(_windows(points, values, widths)[1].sum())


def _close_pairs(points: np.ndarray, values: np.ndarray, widths: np.ndarray) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the pairs of groups within all calipers, and how far apart they are, in calipers."""
    low, number = _windows(points, values, widths)
    left = np.repeat(np.arange(len(points)), number)
    right = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number) + np.repeat(low, number)
    gaps = np.abs(points[left] - values[right])[:, : len(widths)]
    near = (gaps <= widths).all(axis=1)
    return np.column_stack([left, right])[near], (gaps[near] / np.where(widths > 0, widths, 1.0)).sum(axis=1)


def _transport(groups: Groups, left: np.ndarray, m: int) -> NDArray[np.int64]:
    """Send as much as can be sent from query groups to reference groups, at the smallest total distance."""
    from scipy import sparse
    from scipy.optimize import linprog

    a, c = groups.pairs.T
    supply = np.array([m * len(group) for group in groups.queries])
    capacity = np.array([left[group].sum() for group in groups.references])
    others = [
        np.setdiff1d(groups.references[k], groups.own[j]) if len(groups.own[j]) else groups.references[k] for j, k in zip(a, c, strict=True)
    ]
    most = np.array([min(left[group].sum(), len(groups.queries[j]) * min(m, len(group))) for j, group in zip(a, others, strict=True)])
    # One more match may lengthen every other one on its augmenting path, by at most the largest distance each: it must still pay.
    reward = (groups.distance.max() + 1) * (min(len(supply), len(capacity)) + 1)
    ends, columns = np.concatenate([a, len(supply) + c]), np.tile(np.arange(len(a)), 2)
    incidence = sparse.csr_array((np.ones(len(ends)), (ends, columns)), shape=(len(supply) + len(capacity), len(a)))
    solution = linprog(  # type: ignore[call-overload]  # the stubs know of no sparse matrix
        groups.distance - reward,
        A_ub=incidence,
        b_ub=np.concatenate([supply, capacity]),
        bounds=np.column_stack([np.zeros(len(a)), most]),
        method="highs-ds",  # the simplex ends in a vertex, and those are integral here
    )
    return np.rint(solution.x).astype(np.int64)


def _distribute(
    groups: Groups,
    takers: list[tuple[int, int]],
    references: Positions,
    left: np.ndarray,
    given: dict[int, list[int]],
    rng: np.random.Generator,
) -> list[tuple[int, int]]:
    """Deal the references of one group to the queries that are to have one of them: (query, reference) pairs."""
    wants: list[int] = []
    for group, number in takers:
        members = groups.queries[group]
        waiting = members if len(members) == 1 else [query for query in members if query not in given]
        chosen = waiting * number if len(members) == 1 else [waiting[k] for k in rng.permutation(len(waiting))[:number]]
        wants += chosen
    slots = np.repeat(references, np.minimum(left[references], len(wants)))
    dealt = list(zip(wants, rng.permutation(slots).tolist(), strict=False))
    barred = {query: set(groups.own[group].tolist()) for group, _ in takers for query in groups.queries[group]}
    clash = len(set(dealt)) < len(dealt) or any(place in barred[query] for query, place in dealt)
    return _distribute_by_flow(wants, references, left, barred, rng) if clash else dealt


def _distribute_by_flow(
    wants: list[int], references: Positions, left: np.ndarray, barred: dict[int, set[int]], rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Deal so that nobody gets an own image, or one twice: a maximum flow from queries to references."""
    from scipy import sparse
    from scipy.sparse.csgraph import maximum_flow

    queries, needs = np.unique(wants, return_counts=True)
    order, deck = rng.permutation(len(queries)), rng.permutation(references)
    queries, needs = queries[order], needs[order]
    edges = [(i, j) for i, query in enumerate(queries) for j, place in enumerate(deck) if place not in barred[query]]
    source, sink = len(queries) + len(deck), len(queries) + len(deck) + 1
    tails = [source] * len(queries) + [i for i, _ in edges] + [len(queries) + j for j in range(len(deck))]
    heads = list(range(len(queries))) + [len(queries) + j for _, j in edges] + [sink] * len(deck)
    limits = [*needs.tolist(), *([1] * len(edges)), *np.minimum(left[deck], len(wants)).tolist()]
    network = sparse.csr_array((np.array(limits, dtype=np.int32), (tails, heads)), shape=(sink + 1, sink + 1))
    flow = maximum_flow(network, source, sink).flow
    return [(int(queries[i]), int(deck[j])) for i, j in edges if flow[i, len(queries) + j] > 0]
