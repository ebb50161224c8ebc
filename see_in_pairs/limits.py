"""Limits of time and memory for code of others: pieces of a sweep, a pattern that a user gives, the template of a model folder."""

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
    """The time is over. Not an `Exception`: code that catches everything must not swallow it."""


@contextlib.contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Raise `TimeLimit` in what runs inside when it takes longer; `what` names it.

    In the main thread a signal does it, also within a regular expression. In other threads, and on Windows, the exception comes at Python's
    next step.
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
        signal.setitimer(signal.ITIMER_REAL, left)  # of the limit around this one, which is not shortened by what ran here


@contextlib.contextmanager
def _timer(seconds: float) -> Iterator[None]:
    """Limit a thread that is not the main one (a Dask worker's, one that prepares prompts): only the main thread gets signals."""
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
    """Let what this process allocates inside, beyond what it holds, raise `MemoryError` above a limit (Linux only)."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    # Linux does not enforce a limit of resident memory: the address space is limited instead, beyond what is mapped already
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
