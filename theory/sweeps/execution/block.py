"""One block of replicates: generate data, run every method on the same data, catch exceptions with their stream."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from see_in_pairs.limits import TimeLimit
from theory.numerics.validation import Floats
from theory.sweeps.execution.limits import limited
from theory.sweeps.execution.outcome import WHOLE, BlockOutcome, Failure, NothingGenerated, Rows, counting_warnings, failure_of
from theory.sweeps.execution.rng import BlockSeed, block_key, generator_of, method_words, seeds, stream
from theory.sweeps.registry import Piece
from theory.sweeps.resolved import Method
from theory.sweeps.study import BlockLimits

RESERVED_COLUMNS = frozenset({"cell", "block", "replicate", "method"})
"""Columns of the results that no method may return."""

NOT_THE_PIECES = (KeyboardInterrupt, TimeLimit, NothingGenerated)
"""Exceptions that end a block or a run. Any other exception of a piece is a failed replicate, even `SystemExit`."""


@dataclass(frozen=True)
class Work:
    """Input of a worker for any block of a cell."""

    cell: str
    entropy: int
    factors: Mapping[str, Any]
    generate: Piece
    methods: tuple[Method, ...]
    size: int  # replicates in a whole block
    limits: BlockLimits = field(default_factory=BlockLimits)  # time and memory of a block
    max_failures: int = 50  # a block with more failed replicates is ended: the cell stops there
    catch: tuple[type[BaseException], ...] = (BaseException,)  # exceptions that count as a failure; none, for a debugger


def run_block(work: Work, block: int, replicates: int) -> BlockOutcome:
    """Run the first replicates of a block under its limits."""
    began = time.perf_counter()
    outcome = BlockOutcome(block)
    with counting_warnings() as warned:
        try:
            with limited(work.limits):
                if work.generate.vectorised:
                    _run_vectorised(work, outcome, replicates)
                else:
                    _run_each(work, outcome, range(replicates))
        except TimeLimit as error:
            outcome = _timed_out(work, block, replicates, error)
    outcome.warned = warned[0]
    outcome.seconds = time.perf_counter() - began
    return outcome


def run_replicate(work: Work, block: int, index: int) -> BlockOutcome:
    """Run one replicate alone, with its stream in the block. Vectorised pieces compute the whole block; only this replicate is kept."""
    outcome = BlockOutcome(block)
    if work.generate.vectorised:
        _run_vectorised(work, outcome, work.size)
        number = block * work.size + index
        outcome.rows = [
            (m, found[found == number], {n: v[found == number] for n, v in columns.items()}) for m, found, columns in outcome.rows
        ]
        outcome.failures = [failure for failure in outcome.failures if failure.replicate in (WHOLE, number)]
    else:
        _run_each(work, outcome, range(index, index + 1))
    return outcome


def _timed_out(work: Work, block: int, replicates: int, error: TimeLimit) -> BlockOutcome:
    """Fail the block as a whole: keeping only the fast replicates would be a selection."""
    failure = failure_of(error, WHOLE, "", replicates, block_key(work.cell, block))
    return BlockOutcome(block, replicates, replicates, failures=[failure], limited=True)


class _MethodRun:
    """A method in a block: its arguments, its own streams, and its results so far."""

    def __init__(self, work: Work, number: int, own_seeds: Sequence[np.random.SeedSequence | BlockSeed] | None) -> None:
        self.method, self.number, self.seeds = work.methods[number], number, own_seeds
        self.function, self.arguments = self.method.piece.function, self.method.arguments(work.factors)
        # replicates and values by the returned names: usually one set of names, so that a block becomes one array
        self.done: dict[tuple[str, ...], tuple[list[int], list[list[float]]]] = {}

    def call(self, data: Any, index: int) -> Any:
        if self.seeds is None:
            return self.function(data, **self.arguments)
        return self.function(data, rng=generator_of(self.seeds[index]), **self.arguments)

    def add(self, replicate: int, results: Any) -> None:
        # the checks cost more than the rest, so a plain dict with the same names as before passes without them
        values = [float(value) for value in results.values()] if isinstance(results, dict) else None
        if values is None or (names := tuple(results)) not in self.done:
            _check_results(results)
            names, values = tuple(results), [float(value) for value in results.values()]
            self.done[names] = self.done.get(names, ([], []))
        replicates, rows = self.done[names]
        replicates.append(replicate)
        rows.append(values)

    def rows(self) -> Rows:
        parts = [_columns(names, *found) for names, found in self.done.items()]
        if len(parts) == 1:
            return self.number, *parts[0]
        replicates = np.concatenate([found for found, _ in parts])
        order = np.argsort(replicates)
        names = dict.fromkeys(name for _, columns in parts for name in columns)
        nothing = [np.full(len(found), np.nan) for found, _ in parts]
        joined = {name: np.concatenate([c.get(name, n) for (_, c), n in zip(parts, nothing, strict=True)])[order] for name in names}
        return self.number, replicates[order], joined


def _columns(names: Sequence[str], replicates: list[int], rows: list[list[float]]) -> tuple[NDArray[np.int64], dict[str, Floats]]:
    table = np.array(rows)
    return np.array(replicates, dtype=np.int64), {name: table[:, number] for number, name in enumerate(names)}


def _per_replicate_methods(work: Work, block: int, indices: range) -> list[_MethodRun]:
    """The methods that take one replicate at a time, with a stream for each replicate if they take one."""
    key = block_key(work.cell, block)
    runs = []
    for number, method in enumerate(work.methods):
        if not method.piece.vectorised:
            own_seeds = seeds(work.entropy, key, indices.stop, method_words(method.label)) if method.piece.wants_rng else None
            runs.append(_MethodRun(work, number, own_seeds))
    return runs


def _run_each(work: Work, outcome: BlockOutcome, indices: range) -> None:
    key, factors, generate = block_key(work.cell, outcome.block), work.generate.arguments(work.factors), work.generate.function
    runs, data_seeds = _per_replicate_methods(work, outcome.block, indices), seeds(work.entropy, key, indices.stop)
    first = outcome.block * work.size
    for index in indices:
        outcome.attempted += 1
        try:
            data = _read_only(_required(generate(rng=generator_of(data_seeds[index]), **factors), work))
        except NOT_THE_PIECES:
            raise
        except work.catch as error:  # a replicate that raises is a result
            outcome.failures.append(failure_of(error, first + index, "", 1, (*key, index)))
            outcome.failed += 1
        else:
            outcome.failed += _analyse(work, runs, data, first + index, outcome.failures)
        if outcome.failed > work.max_failures:
            break
    outcome.rows = [run.rows() for run in runs if run.done]
    outcome.limited = _hit_memory_limit(work, outcome)


def _analyse(work: Work, runs: Sequence[_MethodRun], data: Any, replicate: int, failures: list[Failure]) -> bool:
    """Run the methods that take one replicate at a time. Returns whether any of them failed."""
    failed = False
    for run in runs:
        try:
            run.add(replicate, run.call(data, replicate % work.size))
        except NOT_THE_PIECES:
            raise
        except work.catch as error:  # a replicate that raises is a result
            failures.append(failure_of(error, replicate, run.method.label, 1, block_key(work.cell, *divmod(replicate, work.size))))
            failed = True
    return failed


def _run_vectorised(work: Work, outcome: BlockOutcome, replicates: int) -> None:
    """Run vectorised pieces on a whole block and keep the first replicates, so that a block is the same if fewer are wanted."""
    key = block_key(work.cell, outcome.block)
    outcome.attempted = replicates
    try:
        rng, factors = stream(work.entropy, key), work.generate.arguments(work.factors)
        data = _read_only(_required(work.generate.function(rng=rng, replicates=work.size, **factors), work))
    except NOT_THE_PIECES:
        raise
    except work.catch as error:  # a block that raises is a result
        outcome.failures.append(failure_of(error, WHOLE, "", replicates, key))
        outcome.failed = replicates
    else:
        for number, method in enumerate(work.methods):
            if method.piece.vectorised:
                _analyse_vectorised(work, number, data, outcome)
        _analyse_slices(work, data, outcome)
    outcome.limited = _hit_memory_limit(work, outcome)


def _analyse_vectorised(work: Work, number: int, data: Any, outcome: BlockOutcome) -> None:
    method, key = work.methods[number], block_key(work.cell, outcome.block)
    own_seeds = [np.random.SeedSequence(work.entropy, spawn_key=(*key, *method_words(method.label)))] if method.piece.wants_rng else None
    try:
        results = _check_results(_MethodRun(work, number, own_seeds).call(data, 0))
        columns = {name: _column(name, values, work.size)[: outcome.attempted] for name, values in results.items()}
    except NOT_THE_PIECES:
        raise
    except work.catch as error:  # a block that raises is a result
        outcome.failures.append(failure_of(error, WHOLE, method.label, outcome.attempted, key))
        outcome.failed = outcome.attempted
    else:
        numbers = np.arange(outcome.attempted, dtype=np.int64) + outcome.block * work.size
        outcome.rows.append((number, numbers, columns))


def _analyse_slices(work: Work, data: Any, outcome: BlockOutcome) -> None:
    """Run the methods that take one replicate at a time on the slices of a block."""
    runs, first, failed = _per_replicate_methods(work, outcome.block, range(outcome.attempted)), outcome.block * work.size, 0
    for index in range(outcome.attempted if runs else 0):
        failed += _analyse(work, runs, slice_of(data, index), first + index, outcome.failures)
        if failed > work.max_failures:
            _shorten(outcome, index + 1)
            break
    outcome.failed = min(max(outcome.failed, failed), outcome.attempted)
    outcome.rows += [run.rows() for run in runs if run.done]


def _shorten(outcome: BlockOutcome, attempted: int) -> None:
    """End a block at the replicate where failures stopped it, also for vectorised methods, which have more results."""
    outcome.attempted = attempted
    cut = slice(attempted)
    outcome.rows = [
        (number, found[cut], {name: values[cut] for name, values in columns.items()}) for number, found, columns in outcome.rows
    ]


def slice_of(data: Any, index: int) -> Any:
    """Data of one replicate: the block's without the first axis."""
    if isinstance(data, Mapping):
        return {name: part[index] for name, part in data.items()}
    if isinstance(data, (tuple, list)):
        return _rebuilt(data, [part[index] for part in data])
    return data[index]


def _rebuilt(like: Any, parts: list[Any]) -> Any:
    make = getattr(type(like), "_make", type(like))  # a named tuple is made from its fields
    return make(parts)


def _required(data: Any, work: Work) -> Any:
    if data is None:
        raise NothingGenerated(f"generator '{work.generate.name}' returned nothing (None)")
    return data


def _read_only(data: Any) -> Any:
    """Read-only views of arrays, so that no method changes the data of the next one."""
    if isinstance(data, np.ndarray):
        locked = data.view()
        locked.flags.writeable = False
        return locked
    if isinstance(data, (tuple, list)):
        return _rebuilt(data, [_read_only(part) for part in data])
    return {name: _read_only(part) for name, part in data.items()} if type(data) is dict else data


def _check_results(results: Any) -> Mapping[str, Any]:
    if not isinstance(results, Mapping) or not results:
        raise TypeError(f"returned {results!r:.60}, not a mapping of names to numbers")
    if not RESERVED_COLUMNS.isdisjoint(results):
        raise TypeError(f"returned '{min(RESERVED_COLUMNS.intersection(results))}', which is a column of every result; choose another name")
    return results


def _column(name: str, values: Any, size: int) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (size,):
        raise TypeError(f"returned '{name}' of shape {column.shape}; a block of {size} replicates has shape ({size},)")
    return column


def _hit_memory_limit(work: Work, outcome: BlockOutcome) -> bool:
    return work.limits.megabytes is not None and any(failure.error.endswith("MemoryError") for failure in outcome.failures)
