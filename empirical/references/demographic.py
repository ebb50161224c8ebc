"""Strategy ``demographic``: a healthy reference who is like the query in chosen columns, within calipers in others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.references.assignment import Assignment, Choice
from empirical.references.config import ReferenceConfig
from empirical.references.pool import Kinship, Positions, Query, draw_others, rows_of, stream_of
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd


def choose_demographic(queries: pd.DataFrame, pool: pd.DataFrame, config: ReferenceConfig, seed: int) -> Assignment:
    """Choose references that match.

    Parameters
    ----------
    queries : pandas.DataFrame
        Queries without labels.
    pool : pandas.DataFrame
        Possible references.
    config : ReferenceConfig
        Columns, calipers, and what to do with a query that nobody matches.
    seed : int
        Seed of the choice among those who match.

    Returns
    -------
    Assignment
        With m different references for each query, uniform among those who match; whoever needed relaxing is listed as unmatched, with what
        was given up.

    Raises
    ------
    InputError
        When a column is missing, or queries cannot be matched and `config.unmatched` is ``'error'`` (or giving up all that may be given
        up does not help).
    """
    _require_columns(queries, pool, config)
    choices: dict[str, Choice] = {}
    reasons: dict[str, str] = {}
    open_queries = rows_of(queries)
    for given_up in _steps(config):
        matcher = _Matcher.build(pool, _in_use(queries, pool, config), config, given_up)
        found = {query["item_id"]: matcher.choose(query, config.m, seed) for query in open_queries}
        note = f"demographic, relaxed: {', '.join(given_up)}" if given_up else "demographic"
        choices |= {item: (item, references, note) for item, (references, _) in found.items() if references}
        open_queries = [query for query in open_queries if not found[query["item_id"]][0]]
        reasons = {item: why for item, (_, why) in found.items() if why} if not given_up else reasons
        if not open_queries:
            break
    if open_queries:
        raise InputError(_complaint(open_queries, reasons, len(queries), config))
    ordered = [choices[item] for item in queries["item_id"]]
    return Assignment.of(ordered, [(item, f"{why}; {choices[item][2]}") for item, why in reasons.items()], "demographic")


@dataclass(frozen=True)
class _Matcher:
    """The pool, sorted into cells of equal exact columns, each cell sorted by the first caliper column."""

    names: np.ndarray
    numbers: dict[str, np.ndarray]
    exact: tuple[str, ...]
    calipers: tuple[tuple[str, float], ...]
    cells: dict[Any, Positions]
    sorted_by: dict[Any, np.ndarray]
    kinship: Kinship

    @classmethod
    def build(cls, pool: pd.DataFrame, exact: list[str], config: ReferenceConfig, given_up: tuple[str, ...]) -> _Matcher:
        kept = tuple(column for column in exact if column not in given_up)
        calipers = tuple((column, width) for column, width in config.caliper.items() if column not in given_up)
        order = pool.sort_values(calipers[0][0], kind="stable").index.to_numpy() if calipers else np.arange(len(pool))
        groups = pool.iloc[order].groupby(list(kept)).indices if kept else {(): np.arange(len(pool))}
        cells = {key if isinstance(key, tuple) else (key,): order[positions] for key, positions in groups.items()}
        numbers = {column: pool[column].to_numpy(float) for column, _ in calipers}
        sorted_by = {key: numbers[calipers[0][0]][cell] for key, cell in cells.items()} if calipers else {}
        return cls(pool["item_id"].to_numpy(), numbers, kept, calipers, cells, sorted_by, Kinship(pool, ("patient_id",)))

    def choose(self, query: Query, m: int, seed: int) -> tuple[list[str], str]:
        """Draw m references for a query, or say why not."""
        missing = [column for column in self.exact if query[column] == ""]
        missing += [column for column, _ in self.calipers if not np.isfinite(query[column])]
        if missing:
            return [], f"{missing[0]} missing"
        eligible = self._eligible(query)
        own = np.flatnonzero(np.isin(eligible, self.kinship.positions(query)))
        drawn = draw_others(stream_of(seed, query["item_id"]), len(eligible), m, own) if len(eligible) else eligible
        if len(drawn) < m:
            return [], f"{len(drawn)} of {m} references match"
        return list(self.names[eligible[drawn]]), ""

    def _eligible(self, query: Query) -> Positions:
        key = tuple(query[column] for column in self.exact)
        cell = self.cells.get(key)
        if cell is None or not self.calipers:
            return np.empty(0, np.int64) if cell is None else cell
        column, width = self.calipers[0]
        low, high = np.searchsorted(self.sorted_by[key], [query[column] - width, np.nextafter(query[column] + width, np.inf)])
        cell = cell[low:high]
        for column, width in self.calipers[1:]:
            cell = cell[np.abs(self.numbers[column][cell] - query[column]) <= width]
        return cell


def _steps(config: ReferenceConfig) -> list[tuple[str, ...]]:
    order = config.order_of_relaxing if config.unmatched == "relax" else ()
    return [order[:count] for count in range(len(order) + 1)]


def _in_use(queries: pd.DataFrame, pool: pd.DataFrame, config: ReferenceConfig) -> list[str]:
    """Leave out columns that nobody fills ('same view where there is one')."""
    return [column for column in config.columns if (queries[column] != "").any() or (pool[column] != "").any()]


def _require_columns(queries: pd.DataFrame, pool: pd.DataFrame, config: ReferenceConfig) -> None:
    for column in (*config.columns, *config.caliper):
        if column not in queries or column not in pool:
            raise InputError(f"demographic references: the cohort has no column '{column}' to match on")
    for column in config.caliper:
        if queries[column].dtype.kind not in "fiu":
            raise InputError(f"demographic references: column '{column}' has no numbers, so it takes no caliper; put it under columns")


def _complaint(open_queries: list[Query], reasons: dict[str, str], total: int, config: ReferenceConfig) -> str:
    names = [f"{query['item_id']} ({reasons[query['item_id']]})" for query in open_queries]
    advice = (
        "choose fewer columns, a wider caliper, or unmatched: relax" if config.unmatched == "error" else "relax more columns, or lower m"
    )
    return f"demographic references: {len(names)} of {total} queries cannot be matched: {first_few(names)}; {advice}"
