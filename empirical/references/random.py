"""Strategy ``random``: any healthy reference of another patient and another family."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from empirical.references.assignment import Assignment, Choice
from empirical.references.config import ReferenceConfig
from empirical.references.pool import Kinship, draw_others, rows_of, stream_of
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def choose_random(queries: pd.DataFrame, pool: pd.DataFrame, config: ReferenceConfig, seed: int) -> Assignment:
    """Choose references at random.

    Parameters
    ----------
    queries : pandas.DataFrame
        Queries without labels.
    pool : pandas.DataFrame
        Possible references.
    config : ReferenceConfig
        Uses `m` alone.
    seed : int
        Seed of the choice.

    Returns
    -------
    Assignment
        With m different references for each query, uniform among those of other patients and families.

    Raises
    ------
    InputError
        When the pool holds fewer than m for some query.
    """
    return Assignment.of(_choices(queries, pool, config.m, seed), [], "random")


def _choices(queries: pd.DataFrame, pool: pd.DataFrame, m: int, seed: int) -> Iterator[Choice]:
    kinship, names = Kinship(pool, ("patient_id", "family")), pool["item_id"].to_numpy()
    for query in rows_of(queries[["item_id", "patient_id", "family"]]):
        drawn = draw_others(stream_of(seed, query["item_id"]), len(pool), m, kinship.positions(query))
        if len(drawn) < m:
            raise InputError(f"random references: {query['item_id']} needs {m}, the pool holds {len(drawn)} of other patients and families")
        yield query["item_id"], list(names[drawn]), "random"
