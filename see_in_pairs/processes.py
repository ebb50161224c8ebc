"""Independent jobs in processes of their own, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_in_processes(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Result]]:
    """Call a module-level function once for each job, and yield job and result as they finish.

    The first failure is raised, and jobs that have not begun are dropped.
    """
    # Spawned, not forked: a fork copies the locks of torch's and BLAS's threads in whatever state they are, and may hang on them.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        running: dict[Any, Job] = {pool.submit(function, job): job for job in jobs}
        for future in as_completed(running):
            yield running[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)
