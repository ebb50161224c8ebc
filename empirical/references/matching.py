"""Caliper matching: references that equal the query in some columns and are within calipers in others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.references.candidates import Positions, Query, RelatedItems
from empirical.references.config import ReferenceConfig

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Matcher:
    """The pool in cells of equal exact columns, each sorted by the first caliper column so that a caliper is a slice."""

    names: np.ndarray  # item ids of the pool
    patients: np.ndarray
    numbers: dict[str, np.ndarray]  # the pool's values of the caliper columns
    exact: tuple[str, ...]  # columns that must agree
    calipers: tuple[tuple[str, float], ...]  # columns that may differ, and by how much
    cells: dict[tuple[str, ...], Positions]  # by the values of `exact`
    first_caliper: dict[tuple[str, ...], np.ndarray]  # values of the first caliper column in each cell, ascending
    related: RelatedItems

    @classmethod
    def build(cls, pool: pd.DataFrame, exact: list[str], config: ReferenceConfig, relaxed: tuple[str, ...]) -> Matcher:
        """Sort a pool by what is still required; a reference whose caliper value is missing is in no cell."""
        required = tuple(column for column in exact if column not in relaxed)
        calipers = tuple((column, width) for column, width in config.caliper.items() if column not in relaxed)
        numbers = {column: pool[column].to_numpy(float) for column, _ in calipers}
        order = np.argsort(numbers[calipers[0][0]], kind="stable") if calipers else np.arange(len(pool))
        for values in numbers.values():
            order = order[np.isfinite(values[order])]
        groups = pool.iloc[order].groupby(list(required)).indices if required else {(): np.arange(len(order))}
        # pandas gives the value as key for one column, a tuple for several
        cells = {key if isinstance(key, tuple) else (key,): order[positions] for key, positions in groups.items()}
        first_caliper = {key: numbers[calipers[0][0]][cell] for key, cell in cells.items()} if calipers else {}
        names, patients = pool["item_id"].to_numpy(), pool["patient_id"].to_numpy()
        return cls(names, patients, numbers, required, calipers, cells, first_caliper, RelatedItems(pool, ("patient_id",)))

    def key(self, query: Query) -> tuple[str, ...]:
        """Name the cell of a query: its values of the exact columns."""
        return tuple(query[column] for column in self.exact)

    def missing(self, query: Query) -> list[str]:
        """List the matching columns that a query lacks."""
        empty = [column for column in self.exact if query[column] == ""]
        return empty + [column for column, _ in self.calipers if not np.isfinite(query[column])]

    def own(self, query: Query) -> Positions:
        """Find the items of the query's own patient."""
        return self.related.positions(query)

    def eligible(self, query: Query) -> Positions:
        """Find the references that match a query, including items of its own patient; none when the query lacks a value."""
        key = self.key(query)
        cell = self.cells.get(key)
        if cell is None or self.missing(query):
            return np.empty(0, np.int64)
        for number, (column, width) in enumerate(self.calipers):
            if number == 0:
                edges = [query[column] - width, np.nextafter(query[column] + width, np.inf)]  # a difference equal to the caliper matches
                low, high = np.searchsorted(self.first_caliper[key], edges)
                cell = cell[low:high]
            else:
                cell = cell[np.abs(self.numbers[column][cell] - query[column]) <= width]
        return cell

    def reason(self, query: Query, config: ReferenceConfig) -> str:
        """Explain why a query has no references."""
        if missing := self.missing(query):
            return f"{missing[0]} missing"
        eligible = self.eligible(query)
        matching = len(eligible) - int(np.isin(eligible, self.own(query)).sum())
        if matching >= config.m:
            return f"those who match serve others ({config.reuse} each)"
        return f"{matching} of {config.m} references match"

    def describe(self, query: Query, place: int) -> str:
        """Describe a match: the columns that agree, and the differences in the others (reference minus query)."""
        same = [f"same {', '.join(self.exact)}"] if self.exact else []
        return ", ".join([*same, *(f"{column} {self.numbers[column][place] - query[column]:+g}" for column, _ in self.calipers)])
