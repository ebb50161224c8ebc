"""Parquet files of finished blocks: results in row groups of bounded size, and in the same file the index of its blocks."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from see_in_pairs.errors import InputError, first_line
from see_in_pairs.files import atomic_path, read_table
from theory.sweeps.execution.outcome import Failure
from theory.sweeps.execution.tasks import KEYS, BlockEntry

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

INDEX_KEY = b"sweep_ledger"  # not renamed, since files of earlier versions have it
NO_ROWS = -1
"""Stands for the row group of a block in which every replicate failed."""

MOST_ROWS = 100_000
"""Rows in a row group, the unit of reading: this limits memory."""

Part = tuple["pa.Table", list[BlockEntry]]
"""Results of some blocks, and their entries in the index."""


@dataclass(frozen=True)
class BlockLocation:
    """Location of a block's results."""

    entry: BlockEntry  # the index entry of the block
    file: str
    group: int  # row group in it; -1 where no replicate was completed


def write_blocks(path: Path, parts: Iterable[Part], columns: Sequence[str], level: int = 0) -> list[BlockLocation]:
    """Write blocks with their index, atomically."""
    import pyarrow.parquet as pq

    groups: list[list[BlockEntry]] = []
    empty: list[BlockEntry] = []
    options: dict[str, Any] = {"use_dictionary": ["cell", "method", "block"], "column_encoding": {"replicate": "DELTA_BINARY_PACKED"}}
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, _schema(columns), **options) as writer:
        for table, entries in _joined(parts, columns):
            if table.num_rows:
                writer.write_table(table, row_group_size=table.num_rows)
                groups.append(entries)
            else:
                empty += entries
        writer.add_key_value_metadata({INDEX_KEY: json.dumps({"level": level, "groups": groups, "empty": empty})})
    return _locations(path.name, groups, empty)


def _locations(file: str, groups: Sequence[Sequence[BlockEntry]], empty: Sequence[BlockEntry]) -> list[BlockLocation]:
    found = [BlockLocation(entry, file, number) for number, entries in enumerate(groups) for entry in entries]
    return found + [BlockLocation(entry, file, NO_ROWS) for entry in empty]


def read_block_index(path: Path) -> tuple[list[BlockLocation], list[str], int]:
    """Which blocks a file holds, the names of its results, and how often its content has been merged; the results are not read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.read_metadata(path)
        content = json.loads(footer.metadata[INDEX_KEY])
        groups = [[_entry(values) for values in group] for group in content["groups"]]
        locations = _locations(path.name, groups, [_entry(values) for values in content["empty"]])
        return locations, footer.schema.names[len(KEYS) :], int(content["level"])
    except FileNotFoundError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError, OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: is not a file of results ({first_line(error)}); move it away and run again") from None


def _entry(values: Sequence[Any]) -> BlockEntry:
    entry = BlockEntry(*values)
    if not (
        isinstance(entry.cell, str)
        and isinstance(entry.limited, str)
        and min(entry.block, entry.attempted, entry.failed, entry.warned) >= 0
    ):
        raise ValueError(f"an entry of its index is {values!r:.60}")
    return entry


def read_blocks(path: Path, group: int, entries: Iterable[BlockEntry]) -> pa.Table:
    """Read some blocks of a row group, rows in the order of the file."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    if group == NO_ROWS:
        return _schema(pq.read_schema(path).names[len(KEYS) :]).empty_table()
    stamp = path.stat()
    try:
        found = _read_group(path, group, (stamp.st_mtime_ns, stamp.st_size))
    except FileNotFoundError:
        raise
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: damaged ({first_line(error)}); move it away and run again") from None
    wanted: dict[str, list[int]] = {}
    for entry in entries:
        wanted.setdefault(entry.cell, []).append(entry.block)
    keep = np.zeros(len(found.block), dtype=bool)
    for cell, blocks in wanted.items():
        keep |= (found.cell == found.codes[cell]) & np.isin(found.block, blocks)
    return found.table.filter(pa.array(keep))


class _Group(NamedTuple):
    """A row group in memory: its rows, and of each the cell as a code and the block."""

    table: pa.Table
    cell: NDArray[np.int32]
    block: NDArray[np.int32]
    codes: dict[str, int]


@functools.lru_cache(maxsize=4)
def _read_group(path: Path, group: int, stamp: tuple[int, int]) -> _Group:
    """Read a row group. The last few stay in memory, since one holds many cells where cells are small; `stamp` tells a replaced file."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read_row_group(group).unify_dictionaries().combine_chunks()
    cell = table["cell"].chunk(0)
    codes = {name: code for code, name in enumerate(cell.dictionary.to_pylist())}
    return _Group(table, cell.indices.to_numpy(), table["block"].to_numpy(), codes)


def conform(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """A table with the columns of the study, null where it had no such column."""
    import pyarrow as pa

    missing, have = pa.nulls(table.num_rows, pa.float64()), set(table.column_names)
    arrays = [table[field.name] if field.name in have else missing for field in _schema(columns)]
    return pa.table(arrays, schema=_schema(columns))


def _schema(columns: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    keys = [("cell", text), ("block", pa.int32()), ("replicate", pa.int64()), ("method", text)]
    return pa.schema([*keys, *((name, pa.float64()) for name in columns)])


def _joined(parts: Iterable[Part], columns: Sequence[str]) -> Iterator[Part]:
    """Join parts until a row group is full; parts without rows come alone."""
    import pyarrow as pa

    tables: list[pa.Table] = []
    entries: list[BlockEntry] = []
    for table, found in parts:
        part = conform(table, columns)
        if part.num_rows == 0:
            yield part, found
            continue
        if tables and sum(full.num_rows for full in tables) + part.num_rows > MOST_ROWS:
            yield pa.concat_tables(tables).unify_dictionaries(), entries
            tables, entries = [], []
        tables.append(part)
        entries = [*entries, *found]
    if tables:
        yield pa.concat_tables(tables).unify_dictionaries(), entries


def write_failures(path: Path, failures: Sequence[tuple[BlockEntry, Failure]]) -> None:
    """Write failures, atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "cell": entry.cell,
            "block": entry.block,
            "replicate": failure.replicate,
            "method": failure.method,
            "replicates": failure.replicates,
            "error": failure.error,
            "message": failure.message,
            "trace": failure.trace,
            "key": list(failure.key),
            "attempted": entry.attempted,
            "limited": entry.limited,
        }
        for entry, failure in failures
    ]
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows), temporary)


def read_failures(paths: Iterable[Path]) -> pd.DataFrame:
    """Read failures, one row each."""
    import pandas as pd

    frames = [_read_whole(path, FAILURE_COLUMNS, "move it away: no result is in it") for path in paths]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(FAILURE_COLUMNS))


def read_cells(path: Path) -> pd.DataFrame:
    """Read the cells of a sweep with their true values."""
    return _read_whole(path, ("cell", "factors", "truth"), "run the sweep again, which rewrites it")


def _read_whole(path: Path, columns: Sequence[str], advice: str) -> pd.DataFrame:
    try:
        table = read_table(path)
    except InputError as error:
        raise InputError(f"{error}; {advice}") from None
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(f"{path}: has no column '{missing[0]}', so it is damaged; {advice}")
    if not all(isinstance(cell, str) for cell in table["cell"]):
        raise InputError(f"{path}: the column 'cell' holds no text, so it is damaged; {advice}")
    return table


FAILURE_COLUMNS = ("cell", "block", "replicate", "method", "replicates", "error", "message", "trace", "key", "attempted", "limited")


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Results as a frame with cell and method as text."""
    import pyarrow as pa

    plain: list[Any] = [column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in table.columns]
    return pa.table(plain, names=table.column_names).to_pandas()
