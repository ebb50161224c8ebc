"""Threads that prepare the next batches (decoding, resizing, tokenizing) while the model works on the current one.

Pillow and NumPy release Python's lock while they decode, resize and scale. Every batch is made by one call, as it would be without threads,
and batches come in order: results are the same to the last bit.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
MAX_THREADS = 4
"""More threads would wait for Python's lock, which tokenizers and processors hold for much of their time."""


def thread_count() -> int:
    """Return how many threads prepare batches: one per processor that this process may use, at most `MAX_THREADS`."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_THREADS, allowed)


@contextmanager
def thread_pool() -> Iterator[ThreadPoolExecutor]:
    """Open a pool of threads; at the end, or after an error, jobs that have not begun are cancelled."""
    pool = ThreadPoolExecutor(thread_count(), thread_name_prefix="prepare")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def prefetch_map(pool: ThreadPoolExecutor, work: Callable[[Job], Result], jobs: Iterable[Job], depth: int) -> Iterator[Result]:
    """Run jobs in threads, up to `depth` jobs ahead, and yield results in order; an error is raised at its job's turn.

    ``Executor.map`` would start all jobs together, and keep all their images in memory.
    """
    remaining, pending = iter(jobs), deque[Future[Result]]()
    pending.extend(pool.submit(work, job) for job in islice(remaining, depth))
    while pending:
        result = pending.popleft().result()
        pending.extend(pool.submit(work, job) for job in islice(remaining, 1))
        yield result
