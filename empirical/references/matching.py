"""Who matches whom: equal in some columns, within calipers in others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.references.candidates import Positions, Query, RelatedItems
from empirical.references.config import ReferenceConfig

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Matcher:
    """The pool, sorted into cells of equal exact columns, each cell sorted by the first caliper column."""

    names: np.ndarray  # item ids of the pool
    patients: np.ndarray
    numbers: dict[str, np.ndarray]  # the pool's values of the caliper columns
    exact: tuple[str, ...]  # columns that must agree
    calipers: tuple[tuple[str, float], ...]  # columns that may differ, and by how much
    cells: dict[Any, Positions]  # positions of the pool by the values of `exact`
    sorted_by: dict[Any, np.ndarray]  # values of the first caliper column in each cell, ascending
    kinship: RelatedItems  # whose items are whose

    @classmethod
    def build(cls, pool: pd.DataFrame, exact: list[str], config: ReferenceConfig, given_up: tuple[str, ...]) -> Matcher:
        """Sort a pool.

        Returns the pool in cells; a reference whose caliper value is missing is in none.
        """
        kept = tuple(column for column in exact if column not in given_up)
        calipers = tuple((column, width) for column, width in config.caliper.items() if column not in given_up)
        numbers = {column: pool[column].to_numpy(float) for column, _ in calipers}
        order = np.argsort(numbers[calipers[0][0]], kind="stable") if calipers else np.arange(len(pool))
        for values in numbers.values():
            order = order[np.isfinite(values[order])]
        groups = pool.iloc[order].groupby(list(kept)).indices if kept else {(): np.arange(len(order))}
        cells = {key if isinstance(key, tuple) else (key,): order[positions] for key, positions in groups.items()}
        sorted_by = {key: numbers[calipers[0][0]][cell] for key, cell in cells.items()} if calipers else {}
        names, patients = pool["item_id"].to_numpy(), pool["patient_id"].to_numpy()
        return cls(names, patients, numbers, kept, calipers, cells, sorted_by, RelatedItems(pool, ("patient_id",)))

    def key(self, query: Query) -> tuple[str, ...]:
        """Name the cell of a query.

        Returns its values of the exact columns.
        """
        return tuple(query[column] for column in self.exact)

    def missing(self, query: Query) -> list[str]:
        """Tell which matching columns a query lacks."""
        empty = [column for column in self.exact if query[column] == ""]
        return empty + [column for column, _ in self.calipers if not np.isfinite(query[column])]

    def own(self, query: Query) -> Positions:
        """Tell which items of the pool are of the query's own patient."""
        return self.kinship.positions(query)

    def eligible(self, query: Query) -> Positions:
        """Tell who matches a query, items of its own patient included.

        Returns positions; none when the query lacks a value.
        """
        key = self.key(query)
        cell = self.cells.get(key)
        if cell is None or self.missing(query):
            return np.empty(0, np.int64)
        for number, (column, width) in enumerate(self.calipers):
            if number == 0:
                edges = [query[column] - width, np.nextafter(query[column] + width, np.inf)]
                low, high = np.searchsorted(self.sorted_by[key], edges)
                cell = cell[low:high]
            else:
                cell = cell[np.abs(self.numbers[column][cell] - query[column]) <= width]
        return cell

    def reason(self, query: Query, config: ReferenceConfig) -> str:
        """Say why a query was not given references."""
        if missing := self.missing(query):
            return f"{missing[0]} missing"
        eligible = self.eligible(query)
        matching = len(eligible) - int(np.isin(eligible, self.own(query)).sum())
        if matching >= config.m:
            return f"those who match serve others ({config.reuse} each)"
        return f"{matching} of {config.m} references match"

    def describe(self, query: Query, place: int) -> str:
        """Say how a reference matches.

        Returns the columns that agree, and how far apart the others are (reference less query).
        """
        same = [f"same {', '.join(self.exact)}"] if self.exact else []
        return ", ".join([*same, *(f"{column} {self.numbers[column][place] - query[column]:+g}" for column, _ in self.calipers)])
