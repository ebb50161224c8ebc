"""Work done ahead of the model: pictures are decoded and batches prepared in a few threads while it works on the batch before.

Pillow and NumPy let go of Python's lock while they decode, resize and scale. Every batch is made by one call, as it would be without
threads, and they come in their order: results are the same to the last bit.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    pass

Job = TypeVar("Job")
Made = TypeVar("Made")
MOST = 4
"""Threads at most: more would wait for Python's lock, which tokenizers and processors hold for a good part of their time."""


def thread_count() -> int:
    """Tell how many threads prepare batches.

    Returns one for each processor that this process may use, `MOST` at most.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST, allowed)


@contextmanager
def thread_pool() -> Iterator[ThreadPoolExecutor]:
    """Keep a few threads for a while.

    Returns its threads are gone afterwards, also after an error; what had not begun is not done.
    """
    pool = ThreadPoolExecutor(thread_count(), thread_name_prefix="prepare")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def prefetch_map(pool: ThreadPoolExecutor, work: Callable[[Job], Made], jobs: Iterable[Job], ahead: int) -> Iterator[Made]:
    """Do jobs in threads, some of them ahead of time.

    Returns what was made of each job, in their order; the first job that raises does so here, when its turn comes.
    """
    coming, waiting = iter(jobs), deque[Future[Made]]()
    waiting.extend(pool.submit(work, job) for job in islice(coming, ahead))
    while waiting:
        made = waiting.popleft().result()
        waiting.extend(pool.submit(work, job) for job in islice(coming, 1))
        yield made
