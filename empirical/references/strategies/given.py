"""Strategy ``given``: the reference that comes with the set, an earlier image of the same patient that may show disease.

It is for sets of pairs such as MS-CXR-T. The column ``given_reference`` of the cohort names the item; nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Iterator

from empirical.references.assignment import Assignment, Choice, resolve_unmatched
from empirical.references.candidates import ReferenceRequest
from see_in_pairs.errors import InputError


def choose(request: ReferenceRequest) -> Assignment:
    """Look up the reference of each query."""
    if "given_reference" not in request.queries:
        raise InputError("given references: the cohort has no column 'given_reference'; choose another strategy, or import a set of pairs")
    if request.config.m != 1:
        raise InputError("given references: a set gives one for each query; leave m and references_per_query at 1")
    advice = "set unmatched: leave_out (the query leaves every arm)"
    return Assignment.of(resolve_unmatched(_choices(request), request.config, advice), "given")


def _choices(request: ReferenceRequest) -> Iterator[Choice]:
    there = set(request.pool["item_id"])
    for query in request.rows():
        named = str(query["given_reference"])
        if named in there:
            yield Choice(query["item_id"], [named], ["given by the set"])
        else:
            yield Choice(query["item_id"], [], [], f"its given reference {named} is not in the cohort" if named else "no given reference")
