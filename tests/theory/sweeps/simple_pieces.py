"""Pieces for the tests of the engine: a file, as a user would write one."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np

from theory.sweeps import estimand, generator, method


@generator("simple_normal")
def normal(*, rng: np.random.Generator, mean: float, n: int, pause: float = 0.0) -> np.ndarray:
    time.sleep(pause)
    return rng.normal(mean, 1, n)


@generator("simple_failing")
def failing(*, rng: np.random.Generator, mean: float, n: int, share: float) -> np.ndarray:
    if rng.random() < share:
        raise ValueError(f"drew badly at mean {mean}")
    return rng.normal(mean, 1, n)


@generator("simple_nothing")
def nothing(*, rng: np.random.Generator, n: int) -> None:
    rng.normal(size=n)


@generator("simple_block", vectorised=True)
def block_of_normals(*, rng: np.random.Generator, mean: float, n: int, replicates: int) -> np.ndarray:
    return rng.normal(mean, 1, (replicates, n))


@generator("simple_slow")
def slow(*, rng: np.random.Generator, n: int, seconds: float) -> np.ndarray:
    until = time.monotonic() + seconds
    while time.monotonic() < until:  # a loop of Python, which a limit can end
        pass
    return rng.normal(size=n)


@generator("simple_hungry")
def hungry(*, rng: np.random.Generator, n: int, megabytes: int) -> np.ndarray:
    return np.zeros(megabytes * 2**17) + rng.normal(size=1)


@generator("simple_deadly")
def deadly(*, rng: np.random.Generator, mean: float, n: int, lives: str) -> np.ndarray:
    drawn = rng.normal(mean, 1, n)
    if drawn[0] > 1.0 and not os.path.exists(lives):  # of 60 replicates at least one, but for 3 designs in 100,000: the path is a factor
        os.kill(os.getpid(), signal.SIGKILL)
    return drawn


@method("simple_mean")
def mean_of(data: np.ndarray) -> dict[str, float]:
    spread = data.std(ddof=1) / np.sqrt(len(data))
    return {"estimate": data.mean(), "se": spread, "lower": data.mean() - 2 * spread, "upper": data.mean() + 2 * spread}


@method("simple_trimmed")
def trimmed(data: np.ndarray, *, trim: int = 1) -> dict[str, float]:
    return {"estimate": np.sort(data)[trim:-trim].mean()}


@method("simple_jitter")
def jitter(data: np.ndarray, *, rng: np.random.Generator) -> dict[str, float]:
    return {"estimate": data.mean() + rng.normal()}


@method("simple_vandal")
def vandal(data: np.ndarray) -> dict[str, float]:
    data[:] = 0
    return {"estimate": 0.0}


@method("simple_picky")
def picky(data: np.ndarray) -> dict[str, float]:
    if data.mean() < 0:
        raise ArithmeticError("below zero")
    return {"estimate": data.mean()}


@method("simple_block_mean", vectorised=True)
def block_mean(data: np.ndarray) -> dict[str, np.ndarray]:
    return {"estimate": data.mean(axis=1)}


@method("simple_block_wrong", vectorised=True)
def block_wrong(data: np.ndarray) -> dict[str, Any]:
    return {"estimate": data.mean()}


@method("simple_log")
def logged(data: np.ndarray, *, log: str) -> dict[str, float]:
    with open(log, "a") as file:  # one short line each, which the system appends whole
        file.write(f"{time.time()}\n")
    return {"estimate": data.mean()}


@estimand("simple_truth")
def truth(*, mean: float) -> float:
    return mean
