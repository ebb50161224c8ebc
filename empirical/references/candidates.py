"""Who may be a reference for whom, what a selector may see of both, and fair draws."""

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
Query = Mapping[str, Any]
"""A query's row, without label and mask."""


@dataclass(frozen=True)
class ReferenceRequest:
    """All that a selector is given."""

    queries: pd.DataFrame  # queries, without label and mask
    pool: pd.DataFrame  # possible references, without label and mask
    config: ReferenceConfig  # what is asked for
    seed: int
    # from item ids to their images' embeddings, shape (items, dimensions); for strategy ``embedding``
    vectors: Callable[[Sequence[str]], NDArray[np.float32]] | None = None

    def rows(self) -> list[Query]:
        """List the queries in the order in which they are served.

        Returns as `rows_of`; where references may be used up, in an order drawn by the seed from the item ids, so that no query is served
        first because of where it stands in the table.
        """
        rows = rows_of(self.queries)
        return rows if self.config.reuse is None else sorted(rows, key=lambda row: _digest(self.seed, row["item_id"]))


def healthy_pool(cohort: Cohort, split: str) -> pd.DataFrame:
    """List the items that may serve as references for the queries of a split.

    Returns items of split ``'reference'`` that serve `split` where there are any, else the healthy items of the training split; never a
    validation or test item.
    """
    table = cohort.table
    serving = table[(table["split"] == "reference") & table["serves"].isin([split, ""])]
    pool = serving if len(serving) else table[(table["split"] == "train") & (table["label"] == cohort.info.healthy)]
    if pool.empty:
        raise InputError(f"{cohort.folder}: no healthy reference for split '{split}' (none serves it, and no training item is healthy)")
    return pool.drop(columns=list(HIDDEN_COLUMNS)).reset_index(drop=True)


def diseased_pool(cohort: Cohort) -> pd.DataFrame:
    """List the items that may serve as diseased references, for the control arm of that name.

    Returns the diseased items of the training split.
    """
    table = cohort.table
    pool = table[(table["split"] == "train") & table["label"].isin(cohort.info.positive)]
    if pool.empty:
        raise InputError(f"{cohort.folder}: no diseased reference (no training item is diseased)")
    return pool.drop(columns=list(HIDDEN_COLUMNS)).reset_index(drop=True)


def earlier_images(cohort: Cohort, split: str) -> pd.DataFrame:
    """List the healthy images of the queries' own patients, for strategy ``prior``."""
    table = cohort.table
    serving = (table["split"] == "reference") & table["serves"].isin([split, "", "prior"])
    own = table[((table["split"] == split) | serving) & (table["label"] == cohort.info.healthy)]
    return own.drop(columns=list(HIDDEN_COLUMNS)).reset_index(drop=True)


def rows_of(table: pd.DataFrame) -> list[Query]:
    """Turn a table into mappings, one a row."""
    return [{str(column): value for column, value in row.items()} for row in table.to_dict("records")]


def blind_queries(cohort: Cohort, split: str) -> pd.DataFrame:
    """List the queries of a split as a selector may see them.

    Returns the queries without label and mask.
    """
    return cohort.queries(split).drop(columns=list(HIDDEN_COLUMNS))


class RelatedItems:
    """Which items of a pool belong to a query's own patient or family."""

    def __init__(self, pool: pd.DataFrame, columns: Iterable[str]) -> None:
        self._members = {column: pool.groupby(column).indices for column in columns}

    def positions(self, query: Query) -> Positions:
        """Tell the pool's positions that a query must not be given.

        Returns positions, sorted, each once; an empty family is no family.
        """
        found = [members.get(query[column], ()) for column, members in self._members.items() if query[column] != ""]
        return np.unique(np.concatenate([np.asarray(positions, dtype=np.int64) for positions in found])) if found else np.empty(0, np.int64)


def stream_of(seed: int, item_id: str) -> np.random.Generator:
    """Make a query's own random stream, so that its references do not depend on which other queries there are."""
    return np.random.default_rng([seed, *hashlib.sha256(item_id.encode()).digest()[:8]])


def _digest(seed: int, item_id: str) -> bytes:
    return hashlib.sha256(f"{seed} {item_id}".encode()).digest()


def draw_others(stream: np.random.Generator, size: int, m: int, forbidden: Positions) -> Positions:
    """Draw m different positions out of `size`, none of them forbidden, each set with the same probability.

    Returns (m,): Positions in random order; fewer than m when there are not enough.
    """
    drawn = stream.choice(size, size=min(size, m + len(forbidden)), replace=False)
    return drawn[~np.isin(drawn, forbidden)][:m] if len(forbidden) else drawn
