"""The writer of finished blocks: a thread that writes them to disk twice a second.

A file appears whole or not at all, and carries its own index, so that results and index cannot disagree. Small files are merged, 64 at a
time, so that a long run does not leave thousands. Of two entries for a block the one in the later file counts (a short last block that was
extended; a merge that was killed before it deleted what it had merged).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from see_in_pairs.errors import InputError
from see_in_pairs.files import files_in
from theory.sweeps.execution.tasks import BlockEntry, Chunk
from theory.sweeps.storage.parquet import (
    MOST_ROWS,
    BlockLocation,
    Part,
    conform,
    read_block_index,
    read_blocks,
    write_blocks,
    write_failures,
)

FILES = "[0-9]*.parquet"
FLUSH_SECONDS = 0.4
MERGE = 64
TRIES = 20

BlockIndex = dict[str, dict[int, BlockLocation]]
"""Where each finished block is: cell to number of the block to location."""


def read_all(folder: Path) -> tuple[BlockIndex, list[str], dict[str, int]]:
    """Block index of a folder, names of all results in order of appearance, and how often the content of each file was merged."""
    for _ in range(TRIES):
        try:
            return _read_all(folder)
        except FileNotFoundError:  # a running sweep has merged it since the folder was listed: list again
            continue
    raise InputError(f"{folder}: files come and go; try again when the sweep there has ended")


def _read_all(folder: Path) -> tuple[BlockIndex, list[str], dict[str, int]]:
    block_index: BlockIndex = {}
    columns: dict[str, None] = {}
    levels: dict[str, int] = {}
    for path in files_in(folder, FILES):
        locations, names, levels[path.name] = read_block_index(path)
        columns.update(dict.fromkeys(names))
        _enter(block_index, locations)
    return block_index, list(columns), levels


def _number(name: str) -> int:
    """The number that a file is named by; 0 for a file that is not ours."""
    text = name.removesuffix(".parquet")
    return int(text) if text.isascii() and text.isdigit() else 0


def _enter(block_index: BlockIndex, locations: Iterable[BlockLocation]) -> None:
    for location in locations:
        block_index.setdefault(location.entry.cell, {})[location.entry.block] = location


def split_by_methods(block_index: BlockIndex, additions: int) -> tuple[BlockIndex, BlockIndex]:
    """Tell the blocks in which all methods ran from those that are older than the last of so many additions of methods."""
    parts: tuple[BlockIndex, BlockIndex] = {}, {}
    for cell, locations in block_index.items():
        for block, location in locations.items():
            parts[location.entry.added != additions].setdefault(cell, {})[block] = location
    return parts


def _under_limits(locations: dict[int, BlockLocation], limits: str) -> dict[int, BlockLocation]:
    # a block that reached other limits than the present ones runs again
    return {block: location for block, location in locations.items() if location.entry.limited in ("", limits)}


class BlockWriter:
    """Writes finished blocks in a separate thread, so that workers do not wait for the disk."""

    def __init__(self, folder: Path, limits: str = "", additions: int = 0, methods: int = 1) -> None:
        self.blocks, self.failures = folder / "blocks", folder / "failures"
        for part in (self.blocks, self.failures):
            part.mkdir(parents=True, exist_ok=True)
        self.block_index, self._columns, self._levels = read_all(self.blocks)
        failed = [path.name for path in files_in(self.failures, FILES)]
        self._next = 1 + max((_number(name) for name in [*self._levels, *failed]), default=0)
        self._delete_superseded()
        self.block_index = {cell: _under_limits(locations, limits) for cell, locations in self.block_index.items()}
        self._additions, self._methods = additions, methods
        self.block_index, self.lacking = split_by_methods(self.block_index, additions)
        self._pending: list[Chunk] = []
        self._rows = 0  # pending, or being written
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._closing = self._flush_now = False
        self._thread = threading.Thread(target=self._write_loop, name="sweep-store", daemon=True)
        self._thread.start()

    def add(self, chunk: Chunk) -> None:
        """Hand over finished blocks, which are on disk within half a second; waits while the disk is far behind."""
        with self._changed:
            self._changed.wait_for(lambda: self._rows < 2 * MOST_ROWS or self._error is not None)
            self._raise()
            self._pending.append(chunk)
            self._rows += chunk.table.num_rows
            if self._rows >= MOST_ROWS:
                self._flush_now = True
                self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if kind is None:
            self._raise()

    def flush(self) -> None:
        """Wait until all received blocks are on disk."""
        with self._changed:
            self._flush_now = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._flush_now or self._error is not None)
            self._raise()

    def _raise(self) -> None:
        if isinstance(self._error, OSError):
            reason = self._error.strerror or str(self._error)
            raise InputError(f"{self.blocks}: {reason}; what was finished before is kept: make room and run the same command again")
        if self._error is not None:
            raise self._error

    def _write_loop(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._flush_now, FLUSH_SECONDS)
                closing, chunks, self._pending = self._closing, self._pending, []
            if self._error is None:
                self._write_or_keep_error(chunks)
            with self._changed:
                self._rows = sum(chunk.table.num_rows for chunk in self._pending)
                self._flush_now = bool(self._pending) and self._flush_now
                self._changed.notify_all()

    def _write_or_keep_error(self, chunks: Sequence[Chunk]) -> None:
        try:
            if chunks:
                self._write(chunks)
                self._merge_small()
        except MemoryError as error:  # the block that runs in this process may be at its limit: try again later
            with self._changed:
                self._error = error if self._closing else None
                self._pending = [*chunks, *self._pending]
        except BaseException as error:  # raised again in the thread that runs the study
            self._error = error

    def _write(self, chunks: Sequence[Chunk]) -> None:
        name, chunks = self._new_name(), [self._complete(chunk) for chunk in chunks]
        failures = [found for chunk in chunks for found in chunk.failures_with_entries()]
        if failures:  # first, since a block counts as finished once it is in the index
            write_failures(self.failures / name, failures)
        for chunk in chunks:
            self._columns = list(dict.fromkeys([*self._columns, *chunk.results]))
        self._write_file(name, ((chunk.table, chunk.entries) for chunk in chunks), level=0)

    def _write_file(self, name: str, parts: Iterable[Part], level: int) -> None:
        locations = write_blocks(self.blocks / name, parts, self._columns, level)
        self._levels[name] = level
        for location in locations:
            complete = location.entry.added == self._additions
            _enter(self.block_index if complete else self.lacking, [location])
            if complete:
                self.lacking.get(location.entry.cell, {}).pop(location.entry.block, None)

    def _complete(self, chunk: Chunk) -> Chunk:
        """Put what added methods gave behind what the others had given in the same replicates."""
        entries = [entry._replace(added=self._additions) for entry in chunk.entries]
        if not chunk.extends:
            return replace(chunk, entries=entries)
        import numpy as np
        import pyarrow as pa

        locations = self.lacking[entries[0].cell]
        before = [read_blocks(self.blocks / (at := locations[entry.block]).file, at.group, [at.entry]) for entry in entries]
        names = list(dict.fromkeys([*self._columns, *chunk.results]))
        table = pa.concat_tables([conform(part, names) for part in (*before, chunk.table)]).unify_dictionaries()
        table = table.take(np.argsort(table["block"].to_numpy(), kind="stable"))
        block, replicate = table["block"].to_numpy(), table["replicate"].to_numpy()
        for number, entry in enumerate(entries):
            old, rows = locations[entry.block].entry, replicate[block == entry.block]
            whole = int((np.unique(rows, return_counts=True)[1] == self._methods).sum())  # replicates in which every method completed
            limited = entry.limited or old.limited
            seconds, warned = round(old.seconds + entry.seconds, 6), old.warned + entry.warned
            entries[number] = entry._replace(failed=entry.attempted - whole, limited=limited, seconds=seconds, warned=warned)
        return Chunk(entries, table, chunk.failures)

    def _new_name(self) -> str:
        name = f"{self._next:08d}.parquet"
        self._next += 1
        return name

    def _merge_small(self) -> None:
        for level in range(max(self._levels.values(), default=0) + 1):
            files = sorted(name for name, of in self._levels.items() if of == level)
            if len(files) >= MERGE:
                self._write_file(self._new_name(), self._current_parts(files), level + 1)
                self._delete(files)

    def _current_parts(self, files: Sequence[str]) -> Iterator[Part]:
        """The blocks of some files that no later file replaces."""
        wanted: dict[tuple[str, int], list[BlockEntry]] = {}
        for blocks in (*self.block_index.values(), *self.lacking.values()):
            for location in blocks.values():
                if location.file in files:
                    wanted.setdefault((location.file, location.group), []).append(location.entry)
        for (name, group), entries in sorted(wanted.items()):
            yield read_blocks(self.blocks / name, group, entries), entries

    def _delete_superseded(self) -> None:
        used = {location.file for blocks in self.block_index.values() for location in blocks.values()}
        self._delete([name for name in self._levels if name not in used])

    def _delete(self, files: Sequence[str]) -> None:
        for name in files:
            (self.blocks / name).unlink(missing_ok=True)
            del self._levels[name]
