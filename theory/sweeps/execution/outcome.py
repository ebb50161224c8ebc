"""Outcome of a block: results by method, and failures."""

from __future__ import annotations

import contextlib
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.numerics.validation import Floats
from theory.sweeps.execution.rng import Key

Rows = tuple[int, NDArray[np.int64], dict[str, Floats]]
"""A method's number in the study, the replicates it completed, and its results by name."""

WHOLE = -1
"""The replicate number that stands for a whole block in a failure."""

LONGEST_MESSAGE, LONGEST_TRACE = 500, 4000
ENGINE_FOLDER = str(Path(__file__).parents[1])


@dataclass(frozen=True)
class Failure:
    """An exception in a replicate or block."""

    replicate: int  # number within the cell; -1 for a whole block
    method: str  # the method's name; '' for the generator or the block's limits
    replicates: int  # number of replicates lost
    error: str  # kind of the exception
    message: str
    trace: str
    key: Key  # spawn key of the stream: ``SeedSequence(entropy, spawn_key=key)``


@dataclass
class BlockOutcome:
    """Results and failures of a block."""

    block: int
    attempted: int = 0  # replicates run; fewer than wanted if failures ended the block
    failed: int = 0  # replicates in which something failed
    seconds: float = 0.0  # how long it took
    rows: list[Rows] = field(default_factory=list)  # one entry per method that completed a replicate
    failures: list[Failure] = field(default_factory=list)
    warned: int = 0  # warnings that its pieces raised
    limited: bool = False  # whether it reached a limit (it may succeed on another machine or with a higher limit)


class NothingGenerated(Exception):
    """A generator returned None: a mistake in the piece, not a failed replicate."""


@contextlib.contextmanager
def counting_warnings() -> Iterator[list[int]]:
    """Count every warning that is raised inside, in the one entry of the list; each is shown once per line of code, as Python does."""
    count, show = [0], warnings.showwarning

    def counted(message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any, **more: Any) -> None:
        count[0] += 1
        if (category, filename, lineno) not in _SHOWN:
            _SHOWN.add((category, filename, lineno))
            show(message, category, filename, lineno, *rest, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", append=True)  # after the user's own filters
        warnings.showwarning = counted
        try:
            yield count
        finally:
            warnings.showwarning = show


_SHOWN: set[tuple[type[Warning], str, int]] = set()


def failure_of(error: BaseException, replicate: int, method: str, replicates: int, key: Key) -> Failure:
    """Record an exception, with a traceback that begins in the piece."""
    trace = "".join(traceback.format_exception(type(error), error, _from_the_piece(error.__traceback__)))
    message = _as_text(error)[:LONGEST_MESSAGE]
    return Failure(replicate, method, replicates, type(error).__name__, message, _storable(trace[-LONGEST_TRACE:]), key)


def _as_text(error: BaseException) -> str:
    try:
        return _storable(str(error))
    except Exception as another:  # an exception of a user's class whose text raises
        return f"(its text fails: {type(another).__name__})"


def _storable(text: str) -> str:
    """Text with half surrogate pairs (from file names that are not UTF-8) as escapes, since Parquet refuses them."""
    return text.encode("utf-8", "backslashreplace").decode()


def _from_the_piece(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the engine's own frames."""
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename.startswith(ENGINE_FOLDER):
        trace = trace.tb_next
    return trace
