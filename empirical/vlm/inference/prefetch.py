"""Work done ahead of the model: pictures are decoded and batches prepared in a few threads while it works on the batch before.

Pillow and NumPy let go of Python's lock while they decode, resize and scale. Every batch is made by one call, as it would be without
threads, and they come in their order: results are the same to the last bit.
"""

from __future__ import annotations

import copy
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from empirical.vlm.inference.encoder import Encoder

if TYPE_CHECKING:
    from empirical.arms import Example
    from empirical.vlm.inference.encoder import Batch

Job = TypeVar("Job")
Made = TypeVar("Made")
MOST = 4
"""Threads at most: more would wait for Python's lock, which tokenizers and processors hold for a good part of their time."""


def thread_count() -> int:
    """Tell how many threads prepare batches.

    Returns
    -------
    int
        One for each processor that this process may use, `MOST` at most.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST, allowed)


@contextmanager
def crew() -> Iterator[ThreadPoolExecutor]:
    """Keep a few threads for a while.

    Yields
    ------
    concurrent.futures.ThreadPoolExecutor
        Its threads are gone afterwards, also after an error; what had not begun is not done.
    """
    pool = ThreadPoolExecutor(thread_count(), thread_name_prefix="prepare")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_order(pool: ThreadPoolExecutor, work: Callable[[Job], Made], jobs: Iterable[Job], ahead: int) -> Iterator[Made]:
    """Do jobs in threads, some of them ahead of time.

    Parameters
    ----------
    pool : concurrent.futures.ThreadPoolExecutor
        The threads, of a `crew`.
    work : callable
        From a job to what is made of it.
    jobs : iterable
        Asked for the next one in the thread of the caller.
    ahead : int
        How many are done or being done while what was made of an earlier one is in use.

    Yields
    ------
    object
        What was made of each job, in their order; the first job that raises does so here, when its turn comes.
    """
    coming, waiting = iter(jobs), deque[Future[Made]]()
    waiting.extend(pool.submit(work, job) for job in islice(coming, ahead))
    while waiting:
        made = waiting.popleft().result()
        waiting.extend(pool.submit(work, job) for job in islice(coming, 1))
        yield made


class Hands:
    """Encoders for threads, each with a processor of its own: tokenizers refuse to be used from two threads at once.

    Parameters
    ----------
    encoder : Encoder
        What they are copies of.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._free = SimpleQueue[Encoder]()
        for _ in range(thread_count()):
            self._free.put(Encoder(copy.deepcopy(encoder.processor), encoder.family, encoder.image_of))

    @contextmanager
    def one(self) -> Iterator[Encoder]:
        """Take an encoder that nobody uses.

        Yields
        ------
        Encoder
            To be used by one thread.
        """
        encoder = self._free.get()
        try:
            yield encoder
        finally:
            self._free.put(encoder)


class AheadEncoder(Encoder):
    """An encoder that knows what it will be asked for, and has it ready.

    Parameters
    ----------
    encoder : Encoder
        The plain encoder.
    pool : concurrent.futures.ThreadPoolExecutor
        The threads, of a `crew`.
    batches : sequence of sequence of Example
        What will be asked for, in order; anything else is encoded when it is asked for.
    """

    def __init__(self, encoder: Encoder, pool: ThreadPoolExecutor, batches: Sequence[Sequence[Example]]) -> None:
        super().__init__(encoder.processor, encoder.family, encoder.image_of)
        self._plain, self._expected = encoder, deque(list(batch) for batch in batches)
        self._ready = in_order(pool, self._encode, list(self._expected), thread_count())
        self._last: tuple[list[Example], Batch] = ([], {})

    def prompts(self, examples: Sequence[Example], side: str = "left") -> Batch:
        """Give prompts that were encoded ahead; those given last also once more.

        Parameters
        ----------
        examples : sequence of Example
            The rows.
        side : str, default 'left'
            Where shorter prompts are padded.

        Returns
        -------
        dict of str to torch.Tensor
            As the plain encoder's.
        """
        rows = list(examples)
        if side != "left":
            return super().prompts(examples, side)
        if self._expected and rows == self._expected[0]:
            self._last = self._expected.popleft(), next(self._ready)
        return dict(self._last[1]) if rows and rows == self._last[0] else super().prompts(examples, side)

    def _encode(self, rows: list[Example]) -> Batch:
        with self._plain.hands.one() as encoder:
            return encoder.prompts(rows)
