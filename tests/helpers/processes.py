"""Jobs that would run in processes of their own, run in this one: what is tested beside them needs no second start of Python and torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_this_process(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Result]]:
    """Stand in for `see_in_pairs.processes.run_in_processes`."""
    for job in jobs:
        yield job, function(job)
