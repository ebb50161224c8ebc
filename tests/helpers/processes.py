"""Jobs in processes of their own without a second import of torch, which takes longer than most of what is tested there."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

IMPORTED = [
    "torch", "pandas", "pyarrow.parquet", "scipy.stats", "transformers.trainer", "transformers.models.auto.modeling_auto",
    "transformers.models.auto.processing_auto", "transformers.models.idefics3.modeling_idefics3", "peft", "accelerate",
]  # fmt: skip


def in_this_process(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Result]]:
    """Stand in for `see_in_pairs.processes.run_in_processes`; what goes to a process and comes back must be picklable here, too."""
    for job in jobs:
        call, given = pickle.loads(pickle.dumps((function, job)))  # noqa: S301, of our own objects
        yield job, pickle.loads(pickle.dumps(call(given)))  # noqa: S301


@cache
def prepared_context() -> ForkServerContext:
    """Start processes by forking a server that has done nothing but import: it has no threads whose locks a fork could copy."""
    context = get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def _with_environment(environment: dict[str, str], function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)  # the server has that of the test that started it
    function(*arguments)


def start(function: Callable[..., object], *arguments: object, **environment: str) -> BaseProcess:
    """Call an importable function in a process of its own, to be killed or joined."""
    process = prepared_context().Process(target=_with_environment, args=(dict(os.environ) | environment, function, arguments))
    process.start()
    return process
