"""Limits of time and memory for foreign code: pieces of a sweep, a user's pattern, the template of a model folder."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType


class TimeLimit(BaseException):
    """The time limit is reached. Not an `Exception`, so that code that catches every `Exception` does not swallow it."""


@contextlib.contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Raise `TimeLimit` in the block when it takes longer; `what` names the block.

    In the main thread a signal does this, even within a regular expression. In other threads, and on Windows, the exception comes at the
    next step of Python.
    """
    in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    with _alarm(seconds, what) if in_main else _timer(seconds):
        yield


@contextlib.contextmanager
def _alarm(seconds: float, what: str) -> Iterator[None]:
    def over(number: int, frame: FrameType | None) -> None:
        raise TimeLimit(f"{what} took more than {seconds:g} s")

    before, left = signal.signal(signal.SIGALRM, over), signal.getitimer(signal.ITIMER_REAL)[0]
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)  # time left of the limit around this one


@contextlib.contextmanager
def _timer(seconds: float) -> Iterator[None]:
    """Limit a thread other than the main one (of a Dask worker, or one that prepares prompts): only the main thread gets signals."""
    lock, running = threading.Lock(), [True]
    thread = threading.get_ident()

    def over() -> None:
        with lock:
            if running[0]:
                _raise_in(thread)

    timer = threading.Timer(seconds, over)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            running[0] = False
        timer.cancel()


def _raise_in(thread: int) -> None:
    # the only way into another thread; Python raises there before its next step
    set_exception: Callable[..., int] = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_exception(ctypes.c_ulong(thread), ctypes.py_object(TimeLimit))


@contextlib.contextmanager
def memory_limit(megabytes: float) -> Iterator[None]:
    """Raise `MemoryError` when this process allocates more than a limit within the block, beyond its memory before it (Linux only)."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    # Linux does not enforce a limit of resident memory, so the address space beyond the present one is limited instead
    wanted = _address_space() + int(megabytes * 2**20)
    limit = wanted if before[0] == resource.RLIM_INFINITY else min(wanted, before[0])
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _address_space() -> int:
    """Address space of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
