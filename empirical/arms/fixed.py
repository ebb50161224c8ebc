"""Control ``fixed``: one healthy reference for all queries; on request one for each site.

The sharpest single control: if the model does not know the healthy population, one fixed reference helps about as much as fresh ones
(T11, ii); if it is what reference and query share that helps, a fixed one is worthless (T9). One fixed reference a site tests the site
offset (i) in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from empirical.arms.base import Arm, Task
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.references import Assignment
    from empirical.references.assignment import Choice
    from empirical.references.candidates import Query


def find_fixed(task: Task) -> Assignment:
    """Draw one reference, and show it to everyone.

    Parameters
    ----------
    task : Task
        For whom.

    Returns
    -------
    Assignment
        The reference drawn first, for every query; the one drawn next for queries of the first one's own patient or family (and so
        on). With `per_site` the same within each site.

    Raises
    ------
    InputError
        When a query has no other patient's reference, or none of its site where that is asked for.
    """
    from empirical.references import Assignment
    from empirical.references.candidates import blind_queries, healthy_pool

    pool = healthy_pool(task.cohort, task.split)
    order = np.random.default_rng(np.random.SeedSequence(task.seed, spawn_key=(2,))).permutation(len(pool))
    return Assignment.of(_choices(blind_queries(task.cohort, task.split), pool.iloc[order], task.arm.per_site), "fixed")


def _choices(queries: pd.DataFrame, drawn: pd.DataFrame, per_site: bool) -> Iterator[Choice]:
    from empirical.references.assignment import Choice
    from empirical.references.candidates import rows_of

    sites = set(queries["site"]) if per_site else {""}
    decks = {site: rows_of(drawn[drawn["site"] == site] if per_site else drawn) for site in sites}
    for query in rows_of(queries):
        for place, reference in enumerate(decks[query["site"] if per_site else ""]):
            if not _kin(query, reference):
                where = f" for site '{query['site']}'" if per_site else ""
                note = "fixed: the one" if place == 0 else f"fixed: number {place + 1}, those before are of the query's patient or family"
                yield Choice(query["item_id"], [reference["item_id"]], [note + where])
                break
        else:
            where = f" at site '{query['site']}'" if per_site else ""
            raise InputError(f"arm 'fixed': {query['item_id']} has no reference of another patient{where}")


def _kin(query: Query, reference: Query) -> bool:
    same_family = query["family"] != "" and query["family"] == reference["family"]
    return same_family or query["patient_id"] == reference["patient_id"]


ARM = Arm(
    name="fixed",
    shows="one healthy reference, the same for all queries (or one for each site), and the query",
    isolates="(ii) unknown population mean: then fixed is about as good as fresh; what query and reference share (T1, T9): then it is "
    "worthless; one per site: (i)",
    find=find_fixed,
)
