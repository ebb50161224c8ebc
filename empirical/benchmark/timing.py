"""Times and memory, taken so that a GPU's delayed work is in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from empirical.vlm.out_of_memory import runs_in_memory

MEASURED, OUT_OF_MEMORY = "measured", "out of memory"


@dataclass(frozen=True)
class Timing:
    """Seconds of several rounds.

    Parameters
    ----------
    seconds : tuple of float
        Of each round.
    peak_gib : float or None
        Largest GPU memory in use, GiB; None on a CPU.
    """

    seconds: tuple[float, ...]
    peak_gib: float | None


def timed(work: Callable[[], object], rounds: int, most: float = float("inf")) -> Timing:
    """Time some work.

    Parameters
    ----------
    work : callable
        What to do.
    rounds : int
        How often; the first is not preceded by a warm-up, which is the caller's to make.
    most : float, default infinite
        Begin no further round that would, at the pace of the slowest so far, end later than so many seconds after the start.

    Returns
    -------
    Timing
        At least one round.
    """
    forget_peak()
    seconds: list[float] = []
    while not seconds or (len(seconds) < rounds and sum(seconds) + max(seconds) <= most):
        began = now()
        work()
        seconds.append(now() - began)
    return Timing(tuple(seconds), peak_memory())


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


def forget_peak() -> None:
    """Begin to look for the largest memory in use anew."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> float | None:
    """Tell the largest GPU memory in use since `forget_peak`.

    Returns
    -------
    float or None
        GiB; None without a GPU.
    """
    import torch

    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None


def attempt(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Measure a row; where memory runs out, that is what the row says.

    Parameters
    ----------
    work : callable
        Gives what was measured.

    Returns
    -------
    dict
        That, with a ``status``: ``measured`` unless `work` gave another, or ``out of memory`` alone.
    """
    made: dict[str, Any] = {"status": MEASURED}
    return made if runs_in_memory(lambda: made.update(work())) else {"status": OUT_OF_MEMORY}
