"""Times and memory, taken so that a GPU's delayed work is in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Seconds of several rounds.

    Parameters
    ----------
    median, low, high : float
        Over the rounds: median, fastest and slowest, in seconds.
    peak_memory : float or None
        Largest GPU memory in use, GiB; None on a CPU.
    """

    median: float
    low: float
    high: float
    peak_memory: float | None


def timed(work: Callable[[], object], rounds: int) -> Timing:
    """Time some work.

    Parameters
    ----------
    work : callable
        What to do.
    rounds : int
        How often; the first is not preceded by a warm-up, which is the caller's to make.

    Returns
    -------
    Timing
        Over the rounds.
    """
    import torch

    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(rounds):
        began = now()
        work()
        seconds.append(now() - began)
    memory = torch.cuda.max_memory_allocated() / 2**30 if gpu else None
    return Timing(float(np.median(seconds)), min(seconds), max(seconds), memory)


def now() -> float:
    """Read the clock once a GPU has done what it was asked.

    Returns
    -------
    float
        Seconds.
    """
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
