"""Which references may be used for which query and how often, what a selector may see of both, and fair draws."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts import Cohort
from empirical.references.config import HIDDEN_COLUMNS, ReferenceConfig
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Positions = NDArray[np.int64]
"""Row numbers in the table of possible references (the pool)."""
Query = Mapping[str, Any]
"""A query's row, without label and mask."""


@dataclass(frozen=True)
class ReferenceRequest:
    """The whole input of a selector: no table in it has a label or a mask."""

    queries: pd.DataFrame
    pool: pd.DataFrame  # possible references
    config: ReferenceConfig
    seed: int
    embed: Callable[[Sequence[str]], NDArray[np.float32]]  # from item ids to their images' embeddings, shape (items, dimensions)
    own_images: Callable[[], pd.DataFrame]  # reads the healthy images of the queries' own patients

    def rows(self) -> list[Query]:
        """List the queries in the order in which they are matched.

        Where references can run out, the order is random and depends only on the seed and the item ids, so that the place in the table
        gives no query an advantage.
        """
        rows = rows_of(self.queries)
        return rows if self.config.reuse is None else sorted(rows, key=lambda row: _digest(self.seed, row["item_id"]))


def healthy_pool(cohort: Cohort, split: str, within_family: bool = False) -> pd.DataFrame:
    """List the items that may serve as references for the queries of a split, never a validation or test item.

    These are the items of split ``'reference'`` that serve `split` (for a selector within families also those that serve a family), if any
    exist, else the healthy items of the training split.
    """
    table = cohort.table
    serving = table[(table["split"] == "reference") & table["serves"].isin([split, "", "family"] if within_family else [split, ""])]
    pool = serving if len(serving) else table[(table["split"] == "train") & (table["label"] == cohort.info.healthy)]
    if pool.empty:
        raise InputError(f"{cohort.folder}: no healthy reference for split '{split}' (none serves it, and no training item is healthy)")
    return blind(pool)


def diseased_pool(cohort: Cohort) -> pd.DataFrame:
    """List the diseased items of the training split, from which the control arm ``diseased`` takes its references."""
    table = cohort.table
    pool = table[(table["split"] == "train") & table["label"].isin(cohort.info.positive)]
    if pool.empty:
        raise InputError(f"{cohort.folder}: no diseased reference (no training item is diseased)")
    return blind(pool)


def own_healthy_images(cohort: Cohort, split: str) -> pd.DataFrame:
    """List the healthy images of the queries' own patients, for strategy ``prior``."""
    table = cohort.table
    serving = (table["split"] == "reference") & table["serves"].isin([split, "", "prior"])
    return blind(table[((table["split"] == split) | serving) & (table["label"] == cohort.info.healthy)])


def asked_queries(cohort: Cohort, split: str) -> pd.DataFrame:
    """List the queries of a split; where a cohort asks questions, only the items that some are about."""
    queries = cohort.queries(split)
    return queries if cohort.questions is None else queries[queries["item_id"].isin(cohort.questions["item_id"])].reset_index(drop=True)


def blind_queries(cohort: Cohort, split: str) -> pd.DataFrame:
    """List the queries of a split as a selector may see them."""
    return blind(asked_queries(cohort, split))


def blind(items: pd.DataFrame) -> pd.DataFrame:
    """Drop label and mask, and renumber the rows."""
    return items.drop(columns=list(HIDDEN_COLUMNS)).reset_index(drop=True)


def rows_of(table: pd.DataFrame) -> list[Query]:
    """Turn a table into mappings, one per row."""
    return [{str(column): value for column, value in row.items()} for row in table.to_dict("records")]


class RelatedItems:
    """Which items of a pool belong to a query's own patient or family."""

    def __init__(self, pool: pd.DataFrame, columns: Iterable[str]) -> None:
        self._members = {column: pool.groupby(column).indices for column in columns}

    def positions(self, query: Query) -> Positions:
        """Find the positions that a query must not be given, sorted; an empty family means no family."""
        found = [members.get(query[column], ()) for column, members in self._members.items() if query[column] != ""]
        return np.unique(np.concatenate([np.asarray(positions, dtype=np.int64) for positions in found])) if found else np.empty(0, np.int64)


def query_rng(seed: int, item_id: str) -> np.random.Generator:
    """Make the random stream of one query.

    With one stream for all queries, adding or removing a query would change the draws of all later ones. With a stream that depends only on
    seed and item id, a query has the same references in a subset of the cohort as in the whole.
    """
    return np.random.default_rng([seed, *hashlib.sha256(item_id.encode()).digest()[:8]])


def _digest(seed: int, item_id: str) -> bytes:
    return hashlib.sha256(f"{seed} {item_id}".encode()).digest()


def draw_others(rng: np.random.Generator, size: int, m: int, excluded: Positions) -> Positions:
    """Draw m different positions out of `size`, none of them excluded; fewer when there are not enough.

    It draws m plus the number of excluded positions, and keeps the first m allowed ones. So every set of m allowed positions is equally
    likely, without making a (possibly long) list of allowed positions for each query.
    """
    drawn = rng.choice(size, size=min(size, m + len(excluded)), replace=False)
    return drawn[~np.isin(drawn, excluded)][:m] if len(excluded) else drawn


class ReuseCapacity:
    """How often each reference may still be used."""

    def __init__(self, size: int, reuse: int | None) -> None:
        self.left = np.full(size, np.iinfo(np.int64).max if reuse is None else reuse)
        self._limited = reuse is not None

    def available(self, eligible: Positions) -> Positions:
        """Keep the references that may still be used, in their order."""
        return eligible[self.left[eligible] > 0] if self._limited else eligible

    def take(self, positions: Positions) -> None:
        """Use references once each."""
        if self._limited:
            self.left[positions] -= 1

    def draw(self, rng: np.random.Generator, eligible: Positions, m: int, excluded: Positions) -> Positions:
        """Draw m different references and use them; if there are fewer, return them without using any."""
        eligible = self.available(eligible)
        places = np.flatnonzero(np.isin(eligible, excluded)) if len(excluded) else excluded
        drawn = eligible[draw_others(rng, len(eligible), m, places)] if len(eligible) else eligible
        if len(drawn) == m:
            self.take(drawn)
        return drawn
