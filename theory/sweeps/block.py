"""One block of replicates: data generated, every method run on the same data, what raises caught with its stream."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.checks import Floats
from theory.sweeps.design import Limits
from theory.sweeps.limits import TimeLimit, limited
from theory.sweeps.pieces import Piece
from theory.sweeps.plan import Method
from theory.sweeps.streams import Key, block_key, method_key, stream

Rows = tuple[int, NDArray[np.int64], dict[str, Floats]]
"""A method's number in the study, the replicates it completed, and its results by name."""

WHOLE = -1
"""The replicate of a failure that befell a whole block."""

TAKEN = frozenset({"cell", "block", "replicate", "method"})
"""Columns of the results that no method may return."""

LONGEST_MESSAGE, LONGEST_TRACEBACK = 500, 4000


@dataclass(frozen=True)
class Work:
    """What a worker needs to run any block of a cell.

    Parameters
    ----------
    cell : str
        The cell's hash.
    entropy : int
        The study's.
    factors : mapping
        The cell's.
    generate : Piece
        The generator.
    methods : tuple of Method
        The methods.
    size : int
        Replicates in a whole block.
    limits : Limits
        What a block may use.
    max_failures : int
        A block with more failed replicates is not carried on: the cell stops there.
    """

    cell: str
    entropy: int
    factors: Mapping[str, Any]
    generate: Piece
    methods: tuple[Method, ...]
    size: int
    limits: Limits = field(default_factory=Limits)
    max_failures: int = 50


@dataclass(frozen=True)
class Failure:
    """Something that raised.

    Parameters
    ----------
    replicate : int
        Number within the cell; -1 for a whole block.
    method : str
        The method's name; '' for the generator or the block's limits.
    replicates : int
        How many replicates it cost.
    error : str
        Kind of the exception.
    message : str
        What it said.
    trace : str
        The traceback.
    key : tuple of int
        Spawn key of the stream: ``SeedSequence(entropy, spawn_key=key)``.
    """

    replicate: int
    method: str
    replicates: int
    error: str
    message: str
    trace: str
    key: Key


@dataclass
class Outcome:
    """What became of a block.

    Parameters
    ----------
    block : int
        Its number.
    attempted : int
        Replicates run; fewer than asked where failures ended it.
    failed : int
        Replicates in which something failed.
    seconds : float
        How long it took.
    rows : list
        Per method: its number in the study, the replicates that it completed, and its results by name.
    failures : list of Failure
        What raised.
    limited : bool
        Whether it ran into a limit (another machine, or a higher limit, may fare better).
    """

    block: int
    attempted: int = 0
    failed: int = 0
    seconds: float = 0.0
    rows: list[Rows] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    limited: bool = False


class NothingGenerated(Exception):
    """A generator returned None: a mistake in the piece, not a failed replicate."""


def run_block(work: Work, block: int, replicates: int) -> Outcome:
    """Run a block.

    Parameters
    ----------
    work : Work
        The cell.
    block : int
        Number of the block.
    replicates : int
        How many of its replicates are wanted: the first so many of a whole block, which come out the same whatever is asked.

    Returns
    -------
    Outcome
        Results and failures.

    Raises
    ------
    NothingGenerated
        When the generator returns None.
    """
    began = time.perf_counter()
    outcome = Outcome(block)
    try:
        with limited(work.limits):
            run = _run_together if work.generate.vectorised else _run_singly
            run(work, outcome, replicates)
    except TimeLimit as error:
        outcome = _out_of_time(work, block, replicates, error)
    outcome.seconds = time.perf_counter() - began
    return outcome


def _out_of_time(work: Work, block: int, replicates: int, error: TimeLimit) -> Outcome:
    """Fail the block as a whole: to keep the replicates that were quick would be to select them."""
    failure = _failure(error, WHOLE, "", replicates, block_key(work.cell, block))
    return Outcome(block, replicates, replicates, failures=[failure], limited=True)


def _run_singly(work: Work, outcome: Outcome, replicates: int) -> None:
    done: list[list[tuple[int, dict[str, float]]]] = [[] for _ in work.methods]
    given = [method.arguments(work.factors) for method in work.methods]
    factors = work.generate.arguments(work.factors)
    first = outcome.block * work.size
    for index in range(replicates):
        key = block_key(work.cell, outcome.block, index)
        outcome.attempted += 1
        try:
            data = _frozen(_some(work.generate.function(rng=stream(work.entropy, key), **factors), work))
        except NothingGenerated:
            raise
        except Exception as error:  # a replicate that raises is a result
            outcome.failures.append(_failure(error, first + index, "", 1, key))
            outcome.failed += 1
        else:
            outcome.failed += _analyse(work, given, data, first + index, key, done, outcome.failures)
        if outcome.failed > work.max_failures:
            break
    outcome.rows = [_columns(number, results) for number, results in enumerate(done) if results]
    outcome.limited = _any_memory(work, outcome)


def _analyse(
    work: Work,
    given: Sequence[dict[str, Any]],
    data: Any,
    replicate: int,
    key: Key,
    done: list[list[tuple[int, dict[str, float]]]],
    failures: list[Failure],
) -> bool:
    """Run the methods that take one replicate at a time; tell whether one failed."""
    failed = False
    for method, arguments, results in zip(work.methods, given, done, strict=True):
        if method.piece.vectorised:
            continue
        own = method_key(key, method.label)
        try:
            results.append((replicate, _numbers(_call(work, method, data, arguments, own))))
        except Exception as error:  # a replicate that raises is a result
            failures.append(_failure(error, replicate, method.label, 1, own if method.piece.wants_rng else key))
            failed = True
    return failed


def _call(work: Work, method: Method, data: Any, arguments: dict[str, Any], key: Key) -> Any:
    if method.piece.wants_rng:
        return method.piece.function(data, rng=stream(work.entropy, key), **arguments)
    return method.piece.function(data, **arguments)


def _run_together(work: Work, outcome: Outcome, replicates: int) -> None:
    """Run vectorised pieces on a whole block, of which the first replicates are kept."""
    key, first = block_key(work.cell, outcome.block), outcome.block * work.size
    outcome.attempted = replicates
    try:
        rng, factors = stream(work.entropy, key), work.generate.arguments(work.factors)
        data = _frozen(_some(work.generate.function(rng=rng, replicates=work.size, **factors), work))
    except NothingGenerated:
        raise
    except Exception as error:  # a block that raises is a result
        outcome.failures.append(_failure(error, WHOLE, "", replicates, key))
        outcome.failed, outcome.limited = replicates, isinstance(error, MemoryError) and work.limits.megabytes is not None
        return
    for number, method in enumerate(work.methods):
        if method.piece.vectorised:
            _analyse_together(work, number, data, outcome, key)
    if outcome.failures:
        outcome.failed = replicates
    _slices(work, data, outcome, first)
    outcome.limited = _any_memory(work, outcome)


def _analyse_together(work: Work, number: int, data: Any, outcome: Outcome, key: Key) -> None:
    method, own = work.methods[number], method_key(key, work.methods[number].label)
    try:
        results = _call(work, method, data, method.arguments(work.factors), own)
        columns = {name: _column(name, values, work.size)[: outcome.attempted] for name, values in _mapping(results).items()}
    except Exception as error:  # a block that raises is a result
        outcome.failures.append(_failure(error, WHOLE, method.label, outcome.attempted, own if method.piece.wants_rng else key))
    else:
        numbers = np.arange(outcome.attempted, dtype=np.int64) + outcome.block * work.size
        outcome.rows.append((number, numbers, columns))


def _slices(work: Work, data: Any, outcome: Outcome, first: int) -> None:
    """Run the methods that take one replicate at a time on the slices of a block."""
    if all(method.piece.vectorised for method in work.methods):
        return
    done: list[list[tuple[int, dict[str, float]]]] = [[] for _ in work.methods]
    given = [method.arguments(work.factors) for method in work.methods]
    failed = 0
    for index in range(outcome.attempted):
        key = block_key(work.cell, outcome.block, index)
        failed += _analyse(work, given, slice_of(data, index), first + index, key, done, outcome.failures)
        if failed > work.max_failures:
            outcome.attempted = index + 1
            outcome.rows = [(n, numbers[: index + 1], {k: v[: index + 1] for k, v in c.items()}) for n, numbers, c in outcome.rows]
            break
    outcome.failed = min(max(outcome.failed, failed), outcome.attempted)
    outcome.rows += [_columns(number, results) for number, results in enumerate(done) if results]


def slice_of(data: Any, index: int) -> Any:
    """Take one replicate out of a block's data.

    Parameters
    ----------
    data : object
        An array whose first axis are the replicates, or a tuple, list or mapping of such.
    index : int
        Which.

    Returns
    -------
    object
        The same without the first axis.
    """
    if isinstance(data, Mapping):
        return {name: part[index] for name, part in data.items()}
    if isinstance(data, (tuple, list)):
        return _rebuilt(data, [part[index] for part in data])
    return data[index]


def _rebuilt(like: Any, parts: list[Any]) -> Any:
    make = getattr(type(like), "_make", type(like))  # a named tuple is made from its fields
    return make(parts)


def _some(data: Any, work: Work) -> Any:
    if data is None:
        raise NothingGenerated(f"generator '{work.generate.name}' returned nothing (None)")
    return data


def _frozen(data: Any) -> Any:
    """Lock arrays, so that no method changes what the next one sees."""
    if isinstance(data, np.ndarray):
        locked = data.view()
        locked.flags.writeable = False
        return locked
    if isinstance(data, (tuple, list)):
        return _rebuilt(data, [_frozen(part) for part in data])
    return {name: _frozen(part) for name, part in data.items()} if type(data) is dict else data


def _mapping(results: Any) -> Mapping[str, Any]:
    if not isinstance(results, Mapping) or not results:
        raise TypeError(f"returned {results!r:.60}, not a mapping of names to numbers")
    taken = TAKEN.intersection(results)
    if taken:
        raise TypeError(f"returned '{min(taken)}', which is a column of every result; choose another name")
    return results


def _numbers(results: Any) -> dict[str, float]:
    return {str(name): float(value) for name, value in _mapping(results).items()}


def _column(name: str, values: Any, size: int) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (size,):
        raise TypeError(f"returned '{name}' of shape {column.shape}; a block of {size} replicates has shape ({size},)")
    return column


def _columns(number: int, results: Sequence[tuple[int, dict[str, float]]]) -> Rows:
    names = dict.fromkeys(name for _, found in results for name in found)
    columns = {name: np.array([found.get(name, np.nan) for _, found in results]) for name in names}
    return number, np.array([replicate for replicate, _ in results], dtype=np.int64), columns


def _failure(error: BaseException, replicate: int, method: str, replicates: int, key: Key) -> Failure:
    trace = "".join(traceback.format_exception(type(error), error, _own_frames(error)))
    return Failure(replicate, method, replicates, type(error).__name__, str(error)[:LONGEST_MESSAGE], trace[-LONGEST_TRACEBACK:], key)


def _own_frames(error: BaseException) -> Any:
    """Leave the engine's frames out of a traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def _any_memory(work: Work, outcome: Outcome) -> bool:
    return work.limits.megabytes is not None and any(failure.error.endswith("MemoryError") for failure in outcome.failures)
