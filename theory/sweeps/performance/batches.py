"""A batch of replicates cut into blocks and methods, as plain arrays."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from see_in_pairs.errors import InputError
from theory.numerics.validation import Floats

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("cell", "block", "method", "replicate")
RESULTS = ("estimate", "se", "lower", "upper", "p")
MAY_BE_INFINITE = ("lower", "upper")  # an interval may be unbounded on one side or both


@dataclass(frozen=True)
class Slice:
    """The replicates of one method in one block.

    Shapes: `replicate` (replicates,), `columns` (replicates,).
    """

    cell: Any
    replicate: np.ndarray
    columns: Mapping[str, Floats]  # their results, without those that a method does not give

    def __len__(self) -> int:
        return len(self.replicate)

    @property
    def present(self) -> set[str]:
        """Names of the results that at least one replicate has."""
        return {name for name, values in self.columns.items() if not np.isnan(values).all()}

    def usable(self, *names: str) -> dict[str, Floats]:
        """Columns of the replicates that have all of some results; empty where a result is not given at all."""
        if any(name not in self.columns for name in names):
            return {name: np.empty(0) for name in names}
        good = np.logical_and.reduce([_usable(name, self.columns[name]) for name in names])
        return {name: self.columns[name][good] for name in names}

    def complete(self, names: Iterable[str]) -> np.ndarray:
        """Numbers of the replicates that have all of some results."""
        good = np.ones(len(self), dtype=bool)
        for name in names:
            good &= _usable(name, self.columns[name]) if name in self.columns else False
        return self.replicate[good]

    def at(self, replicates: np.ndarray) -> Slice:
        """Some of the replicates."""
        chosen = np.isin(self.replicate, replicates)
        return Slice(self.cell, self.replicate[chosen], {name: values[chosen] for name, values in self.columns.items()})

    def with_rejections(self, null: float, alpha: float) -> Slice:
        """Add the column ``rejects``: 1 or 0 by the p-value where the method gives one, else by the interval; NaN without either."""
        columns = dict(self.columns)
        if "p" in columns:
            columns["rejects"] = np.where(np.isnan(columns["p"]), np.nan, columns["p"] <= alpha)
        elif "lower" in columns and "upper" in columns:
            outside = (null < columns["lower"]) | (null > columns["upper"])
            # each end separately: the sum of the ends of an unbounded interval is NaN, but it contains every value
            columns["rejects"] = np.where(np.isnan(columns["lower"]) | np.isnan(columns["upper"]), np.nan, outside)
        return Slice(self.cell, self.replicate, columns)


def _usable(name: str, values: Floats) -> np.ndarray:
    return ~np.isnan(values) if name in MAY_BE_INFINITE else np.isfinite(values)


def slices(batch: pd.DataFrame, extra: Sequence[str] = ()) -> Iterator[dict[str, Slice]]:
    """Cut a batch into its blocks, each a slice per method in the order in which the block names them."""
    missing = [name for name in KEYS if name not in batch]
    if missing:
        raise InputError(f"replicates: no column '{missing[0]}' (there are {', '.join(map(str, batch.columns))})")
    results = {name: _numbers(batch[name], name) for name in (*RESULTS, *extra) if name in batch}
    cell, block, method = (_codes(batch[name]) for name in ("cell", "block", "method"))
    replicate = batch["replicate"].to_numpy()
    order = np.lexsort((replicate, method[0], block[0], cell[0]))
    current: tuple[int, int] | None = None
    found: dict[str, Slice] = {}
    for rows in _runs(order, cell[0], block[0], method[0]):
        key = (int(cell[0][rows[0]]), int(block[0][rows[0]]))
        if current not in (None, key):
            yield found
            found = {}
        current = key
        columns = {name: values[rows] for name, values in results.items() if not np.isnan(values[rows]).all()}
        found[str(method[1][method[0][rows[0]]])] = Slice(cell[1][key[0]], replicate[rows], columns)
    if found:
        yield found


def shared(block: Mapping[str, Slice], given: Mapping[str, frozenset[str]]) -> dict[str, Slice]:
    """A block with only the replicates that all methods completed: each method has a row with all its results."""
    parts = [block[method].complete(names) for method, names in given.items() if method in block]
    if not parts or len(parts) < len(given):
        return {method: part.at(np.empty(0, part.replicate.dtype)) for method, part in block.items()}
    common = functools.reduce(np.intersect1d, parts)
    return {method: part.at(common) for method, part in block.items()}


def _codes(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    codes, names = pd.factorize(column)
    return codes, np.asarray(names)


def _numbers(column: pd.Series, name: str) -> Floats:
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise InputError(f"replicates: column '{name}' contains something that is not a number") from None


def _runs(order: np.ndarray, *codes: np.ndarray) -> list[np.ndarray]:
    """Split sorted row numbers where any of the codes changes."""
    if not len(order):
        return []
    change = np.zeros(len(order) - 1, dtype=bool)
    for code in codes:
        change |= np.diff(code[order]) != 0
    return np.split(order, np.flatnonzero(change) + 1)


def paired(block: Mapping[str, Slice], versus: str) -> Iterator[tuple[str, Slice]]:
    """Yield every other method of a block with the replicates that it shares with `versus`, whose estimates are the column ``other``."""
    if versus not in block:
        return
    other = block[versus]
    for method, part in block.items():
        if method == versus or "estimate" not in part.columns or "estimate" not in other.columns:
            continue
        common, mine, theirs = np.intersect1d(part.replicate, other.replicate, assume_unique=True, return_indices=True)
        both = {"estimate": part.columns["estimate"][mine], "other": other.columns["estimate"][theirs]}
        yield method, Slice(part.cell, common, both)
