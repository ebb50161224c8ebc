"""Times and peak memory, including a GPU's asynchronous work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from empirical.vlm.out_of_memory import runs_in_memory

MEASURED, OUT_OF_MEMORY = "measured", "out of memory"


@dataclass(frozen=True)
class Timing:
    """Seconds of several rounds."""

    seconds: tuple[float, ...]
    peak_gib: float | None  # largest GPU memory in use, GiB; None on a CPU


def timed(work: Callable[[], object], rounds: int, most: float = float("inf")) -> Timing:
    """Time rounds of some work: the first always, further ones only if they would end within `most` seconds."""
    forget_peak()
    seconds: list[float] = []
    while not seconds or (len(seconds) < rounds and sum(seconds) + max(seconds) <= most):
        began = now()
        work()
        seconds.append(now() - began)
    return Timing(tuple(seconds), peak_memory())


def now() -> float:
    """Read the clock, once a GPU has finished its queued work."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def forget_peak() -> None:
    """Reset the peak of GPU memory in use."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> float | None:
    """Largest GPU memory in use since `forget_peak`, in GiB; None without a GPU."""
    import torch

    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None


def attempt(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Measure a row, with a ``status``: ``measured`` unless `work` gives another, or ``out of memory`` alone."""
    row: dict[str, Any] = {"status": MEASURED}
    return row if runs_in_memory(lambda: row.update(work())) else {"status": OUT_OF_MEMORY}
