"""Independent jobs (for example trainings) in separate processes, several at a time; none is left behind by a kill."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any, TypeVar

from see_in_pairs.console import log
from see_in_pairs.errors import InputError

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_in_processes(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Result]]:
    """Call a module-level function (or a ``functools.partial`` of one) for each job, and yield job and result as they finish.

    The first failure is raised, and jobs that have not begun are dropped. An interrupt also ends running jobs. To resume, leave out
    finished jobs, or let `function` skip them. Jobs finish in any order, so make tables of them in the order of `jobs` when all are done.
    """
    others = set(active_children())
    # Spawned, not forked: a fork copies the locks of torch's and BLAS's threads in their present state, and may hang on them.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=exit_with_parent, initargs=(os.getpid(),))
    try:
        with interrupts_deferred():
            running: dict[Any, Job] = {pool.submit(function, job): job for job in jobs}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool:
        advice = "finished jobs are kept: run the same command again, with fewer --workers if memory was short"
        raise InputError(f"a worker process died (killed, or out of memory); {advice}") from None
    except (KeyboardInterrupt, GeneratorExit):
        for worker in set(active_children()) - others:
            worker.kill()  # a half-finished job is resumed from its last checkpoint
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Start worker processes in this block, so that Ctrl-C, which a terminal sends to all, reaches only this process, after the block.

    Workers inherit the blocked signal. Otherwise each would print its own traceback, even during its imports.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # now: Python 3.11 lifts the block when it starts it
    arrived: list[int] = []
    before = {number: signal.signal(number, lambda number, _: arrived.append(number)) for number in (signal.SIGINT, signal.SIGTERM)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
    if arrived:
        signal.raise_signal(arrived[0])


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def bounded_workers(workers: int, quiet: bool = False) -> int:
    """Limit the number of processes: many more than cores bring no gain, and thousands can bring the machine down."""
    most = max(4 * usable_cores(), 8)
    if workers > most:
        log(f"--workers {workers}: this machine has {usable_cores()} usable core(s), so only {most} processes are started", quiet)
    return min(workers, most)


@functools.cache
def exit_with_parent(parent: int) -> None:
    """End this process when its parent (unless it is the same) has ended: a killed run must not leave workers behind."""
    if parent != os.getpid():
        threading.Thread(target=_watch, args=(parent,), name="watch-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)  # no process is left that could receive an exception
