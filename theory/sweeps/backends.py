"""Where blocks run: here, in processes of this machine (loky), or on a cluster through joblib (Dask, Ray)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from see_in_pairs.errors import InputError
from theory.sweeps.chunk import Chunk, Task, pickled, run_remotely, run_task, work_of
from theory.sweeps.plan import Plan

BACKENDS = ("loky", "dask", "ray")


def execute(plan: Plan, tasks: Iterable[Task], workers: int, backend: str) -> Generator[Chunk | str, None, None]:
    """Run tasks, giving each result as soon as it is there.

    Parameters
    ----------
    plan : Plan
        The study.
    tasks : iterable of Task
        Taken one by one, as workers become free.
    workers : int
        Processes; with 1 and loky, everything runs in this process.
    backend : {'loky', 'dask', 'ray'}
        Where.

    Yields
    ------
    Chunk or str
        In the order in which they finish.

    Raises
    ------
    InputError
        When a backend is not installed, or a piece cannot be sent to a worker.
    """
    if workers == 1 and backend == "loky":
        common = work_of(plan)
        yield from (run_task(common, task) for task in tasks)
        return
    import joblib

    sent = pickled(plan)
    with _configured(backend, workers):
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")
        yield from parallel(joblib.delayed(run_remotely)(sent, task) for task in tasks)


def check_backend(backend: str, workers: int) -> int:
    """Check a backend and the number of workers.

    Parameters
    ----------
    backend : str
        Its name.
    workers : int
        Processes; -1 for one per usable core.

    Returns
    -------
    int
        Processes.

    Raises
    ------
    InputError
        When either is impossible.
    """
    if backend not in BACKENDS:
        raise InputError(f"--backend {backend}: choose one of {', '.join(BACKENDS)}")
    if workers == 0 or workers < -1:
        raise InputError(f"--workers {workers}: give 1 or more, or -1 for one per usable core")
    return usable_cores() if workers == -1 else workers


def usable_cores() -> int:
    """Count the cores this process may use.

    Returns
    -------
    int
        At least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _configured(backend: str, workers: int) -> Iterator[Any]:
    import joblib

    with joblib.parallel_config(backend=backend, n_jobs=workers, inner_max_num_threads=1):
        yield
