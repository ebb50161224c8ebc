"""What a block may use: time and memory, as far as a process can keep limits for itself, and one thread of linear algebra."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any

from theory.sweeps.study import BlockLimits


class TimeLimit(BaseException):
    """The block's time is over. Not an `Exception`: a piece that catches everything must not swallow it."""


@contextlib.contextmanager
def limited(limits: BlockLimits) -> Iterator[None]:
    """Hold what runs inside to limits."""
    with contextlib.ExitStack() as stack:
        if limits.megabytes is not None:
            stack.enter_context(_memory(limits.megabytes))
        if limits.seconds is not None:
            in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
            stack.enter_context(_alarm(limits.seconds) if in_main else _timer(limits.seconds))
        yield


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def over(number: int, frame: FrameType | None) -> None:
        raise TimeLimit(f"the block took more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _timer(seconds: float) -> Iterator[None]:
    """Limit a thread that is not the main one (a Dask worker's): only the main thread gets signals."""
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
def _memory(megabytes: float) -> Iterator[None]:
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


def one_thread() -> AbstractContextManager[Any]:
    """Hold linear algebra to one thread: sums over several come out differently, and workers would fight over cores."""
    return _thread_pools(len(sys.modules)).limit(limits=1)


@functools.lru_cache(maxsize=1)
def _thread_pools(modules: int) -> Any:
    """The thread pools of the libraries that are loaded, searched again only when modules have been imported since."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
