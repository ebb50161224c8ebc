"""A few blocks of a cell at a time: the input of a worker, and the table that it returns."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from see_in_pairs.processes import exit_with_parent
from theory.sweeps.execution.block import Work, run_block
from theory.sweeps.execution.limits import one_thread
from theory.sweeps.execution.outcome import WHOLE, BlockOutcome, Failure, NothingGenerated
from theory.sweeps.execution.pickling import SharedPayload
from theory.sweeps.execution.rng import block_key
from theory.sweeps.resolved import ResolvedStudy
from theory.sweeps.scenarios import Cell, named
from theory.sweeps.study import BlockLimits

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("cell", "block", "replicate", "method")
"""The columns before the results."""


class BlockEntry(NamedTuple):
    """The index entry of a finished block."""

    cell: str
    block: int
    attempted: int
    failed: int  # replicates in which something failed
    seconds: float  # how long it took
    limited: str = ""  # the limits that it reached; '' if none
    warned: int = 0  # warnings that were raised in it
    added: int = 0  # number of additions of methods to the folder before it ran


@dataclass(frozen=True)
class ChunkTask:
    """Some blocks of one cell, for one worker."""

    cell: Cell
    blocks: tuple[tuple[int, int], ...]  # number and replicates of each block
    methods: frozenset[str] | None = None  # the methods to run, on blocks that have the others; by default all


@dataclass
class Chunk:
    """Finished blocks of one cell."""

    entries: list[BlockEntry]
    table: pa.Table
    failures: list[tuple[int, Failure]] = field(default_factory=list)  # number of the block, and the failure
    extends: bool = False  # whether it has only the added methods, for blocks that have the others

    @property
    def results(self) -> list[str]:
        """Names of the results."""
        return self.table.column_names[len(KEYS) :]

    def failures_with_entries(self) -> list[tuple[BlockEntry, Failure]]:
        """Failures, each with the entry of its block."""
        entries = {entry.block: entry for entry in self.entries}
        return [(entries[block], failure) for block, failure in self.failures]


def limits_text(limits: BlockLimits) -> str:
    """Limits as one line, so that a later run can see whether they have changed."""
    return named(limits.model_dump(exclude_none=True))


def work_of(resolved: ResolvedStudy, cell: Cell | None = None) -> Work:
    """Input for the blocks of a cell; without a cell, the shared data of all cells."""
    study = resolved.study
    return Work(
        cell=cell.hash if cell else "",
        entropy=study.entropy,
        factors=cell.factors if cell else {},
        generate=resolved.generate,
        methods=resolved.methods,
        size=study.block,
        limits=study.limits,
        max_failures=study.max_failures,
    )


@functools.lru_cache(maxsize=8)
def _unpickled(digest: str, content: bytes) -> Work:
    return pickle.loads(content)  # noqa: S301 - written by this run, never read from a file


def run_remotely(common: SharedPayload, task: ChunkTask) -> Chunk | str:
    """Run some blocks in a worker. Returns a message instead of results where a piece itself is wrong."""
    if common.parent is not None:
        exit_with_parent(common.parent)
    return run_task(_unpickled(common.digest, common.content), task)


def run_task(common: Work, task: ChunkTask) -> Chunk | str:
    """Run some blocks in this process. Returns a message instead of results where a piece itself is wrong."""
    work = _work_of_task(common, task)
    try:
        with one_thread():
            outcomes = [run_block(work, block, replicates) for block, replicates in task.blocks]
    except NothingGenerated as error:
        return f"{error} in {task.cell}; it must return the data"
    return replace(chunk_of(work, outcomes), extends=task.methods is not None)


def _work_of_task(common: Work, task: ChunkTask) -> Work:
    work = replace(common, cell=task.cell.hash, factors=task.cell.factors)
    if task.methods is None:
        return work
    # the other methods have run all replicates of the block, so the added ones do so too, however many fail
    methods = tuple(method for method in work.methods if method.label in task.methods)
    return replace(work, methods=methods, max_failures=work.size)


def chunk_of_dead_worker(work: Work, task: ChunkTask) -> Chunk:
    """Blocks whose worker died, as failures; they run again when the sweep is run again."""
    message = "the process that ran the block died: killed, out of memory, or a crash in compiled code"
    outcomes = []
    for block, size in task.blocks:
        failure = Failure(WHOLE, "", size, "WorkerDied", message, message, block_key(work.cell, block))
        outcomes.append(BlockOutcome(block, size, size, failures=[failure], limited=True))
    chunk = chunk_of(work, outcomes)
    chunk.entries = [entry._replace(limited="worker died") for entry in chunk.entries]
    return replace(chunk, extends=task.methods is not None)


def chunk_of(work: Work, outcomes: Sequence[BlockOutcome]) -> Chunk:
    """Outcomes of blocks as tables."""
    limits = limits_text(work.limits)
    entries = [
        BlockEntry(work.cell, o.block, o.attempted, o.failed, round(o.seconds, 6), limits if o.limited else "", o.warned) for o in outcomes
    ]
    failures = [(outcome.block, failure) for outcome in outcomes for failure in outcome.failures]
    return Chunk(entries, _table(work, outcomes), failures)


def _table(work: Work, outcomes: Sequence[BlockOutcome]) -> pa.Table:
    import pyarrow as pa

    parts = [(outcome.block, *rows) for outcome in outcomes for rows in outcome.rows]
    lengths = [len(replicates) for _, _, replicates, _ in parts]
    labels = [method.label for method in work.methods]
    columns: dict[str, Any] = {
        "cell": _dictionary(np.zeros(sum(lengths), np.int32), [work.cell]),
        "block": pa.array(np.repeat(np.array([block for block, *_ in parts], np.int32), lengths)),
        "replicate": pa.array(_concatenated([replicates for _, _, replicates, _ in parts], np.int64)),
        "method": _dictionary(np.repeat(np.array([number for _, number, *_ in parts], np.int32), lengths), labels),
    }
    for name in dict.fromkeys(name for *_, found in parts for name in found):
        columns[name] = _result_column(name, [found for *_, found in parts], lengths)
    return pa.table(columns)


def _result_column(name: str, found: Sequence[dict[str, Any]], lengths: Sequence[int]) -> pa.Array:
    """Join one result of all methods; null for methods without it."""
    import pyarrow as pa

    present = [name in columns for columns in found]
    values = [columns.get(name, np.zeros(length)) for columns, length in zip(found, lengths, strict=True)]
    mask = None if all(present) else ~np.repeat(np.array(present), lengths)
    return pa.array(_concatenated(values, np.float64), mask=mask, type=pa.float64())


def _concatenated(parts: Iterable[Any], dtype: Any) -> Any:
    parts = list(parts)
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)


def _dictionary(codes: Any, values: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(list(values), pa.string()))
