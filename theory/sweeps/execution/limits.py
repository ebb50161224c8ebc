"""Limits of a block: time and memory, as far as a process can limit itself, and one thread of linear algebra."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from see_in_pairs.limits import memory_limit, time_limit
from theory.sweeps.study import BlockLimits


@contextlib.contextmanager
def limited(limits: BlockLimits) -> Iterator[None]:
    """Apply limits to the block inside."""
    with contextlib.ExitStack() as stack:
        if limits.megabytes is not None:
            stack.enter_context(memory_limit(limits.megabytes))
        if limits.seconds is not None:
            stack.enter_context(time_limit(limits.seconds, "the block"))
        yield


def one_thread() -> AbstractContextManager[Any]:
    """Limit linear algebra to one thread: sums over several threads differ in rounding, and workers would compete for cores."""
    return _thread_pools(len(sys.modules)).limit(limits=1)


@functools.lru_cache(maxsize=1)
def _thread_pools(modules: int) -> Any:
    """The thread pools of the libraries that are loaded, searched again only after new imports."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
