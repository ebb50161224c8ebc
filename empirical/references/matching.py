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
    """The pool, sorted into cells of equal exact columns, each cell sorted by the first caliper column.

    Parameters
    ----------
    names : ndarray of str
        Item ids of the pool.
    patients : ndarray of str
        Their patients.
    numbers : dict of str to ndarray
        The pool's values of the caliper columns.
    exact : tuple of str
        Columns that must agree.
    calipers : tuple of (str, float)
        Columns that may differ, and by how much.
    cells : dict
        Positions of the pool by the values of `exact`.
    sorted_by : dict
        Values of the first caliper column in each cell, ascending.
    kinship : RelatedItems
        Whose items are whose.
    """

    names: np.ndarray
    patients: np.ndarray
    numbers: dict[str, np.ndarray]
    exact: tuple[str, ...]
    calipers: tuple[tuple[str, float], ...]
    cells: dict[Any, Positions]
    sorted_by: dict[Any, np.ndarray]
    kinship: RelatedItems

    @classmethod
    def build(cls, pool: pd.DataFrame, exact: list[str], config: ReferenceConfig, given_up: tuple[str, ...]) -> Matcher:
        """Sort a pool.

        Parameters
        ----------
        pool : pandas.DataFrame
            Possible references.
        exact : list of str
            Columns that must agree.
        config : ReferenceConfig
            Its calipers.
        given_up : tuple of str
            Columns that no longer count.

        Returns
        -------
        Matcher
            The pool in cells; a reference whose caliper value is missing is in none.
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

        Parameters
        ----------
        query : mapping
            A row of the queries.

        Returns
        -------
        tuple of str
            Its values of the exact columns.
        """
        return tuple(query[column] for column in self.exact)

    def missing(self, query: Query) -> list[str]:
        """Tell which matching columns a query lacks.

        Parameters
        ----------
        query : mapping
            A row of the queries.

        Returns
        -------
        list of str
            Names of columns.
        """
        empty = [column for column in self.exact if query[column] == ""]
        return empty + [column for column, _ in self.calipers if not np.isfinite(query[column])]

    def own(self, query: Query) -> Positions:
        """Tell which items of the pool are of the query's own patient.

        Parameters
        ----------
        query : mapping
            A row of the queries.

        Returns
        -------
        ndarray of int
            Positions.
        """
        return self.kinship.positions(query)

    def eligible(self, query: Query) -> Positions:
        """Tell who matches a query, items of its own patient included.

        Parameters
        ----------
        query : mapping
            A row of the queries.

        Returns
        -------
        ndarray of int
            Positions; none when the query lacks a value.
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
        """Say why a query was not given references.

        Parameters
        ----------
        query : mapping
            A row of the queries.
        config : ReferenceConfig
            How many are needed, and how often each may serve.

        Returns
        -------
        str
            A few words.
        """
        if missing := self.missing(query):
            return f"{missing[0]} missing"
        eligible = self.eligible(query)
        matching = len(eligible) - int(np.isin(eligible, self.own(query)).sum())
        if matching >= config.m:
            return f"those who match serve others ({config.reuse} each)"
        return f"{matching} of {config.m} references match"

    def describe(self, query: Query, place: int) -> str:
        """Say how a reference matches.

        Parameters
        ----------
        query : mapping
            A row of the queries.
        place : int
            The reference's position.

        Returns
        -------
        str
            The columns that agree, and how far apart the others are (reference less query).
        """
        same = [f"same {', '.join(self.exact)}"] if self.exact else []
        return ", ".join([*same, *(f"{column} {self.numbers[column][place] - query[column]:+g}" for column, _ in self.calipers)])
