"""Kernels that give the same bits every time; by default a GPU adds numbers in the order in which its threads finish."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from see_in_pairs.errors import InputError

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
REPRODUCIBLE = (":4096:8", ":16:8")
"""Sizes of cuBLAS's workspace that make its results reproducible, according to its manual."""


@contextmanager
def deterministic_kernels(wanted: bool) -> Iterator[None]:
    """Let torch use deterministic kernels only, inside the block, if `wanted`."""
    if not wanted:
        yield
        return
    import torch

    # Resumed training must end in the same weights: atomic additions (of embeddings' gradients, say) and split-k products of cuBLAS differ
    # in their last bits from run to run, and Adam turns that into full steps.
    _fix_workspace(started=torch.cuda.is_initialized())
    flags = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False  # it would choose the kernel that is fastest at the moment
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        first = str(error).partition(". ")[0]
        raise InputError(f"deterministic: {first}; set deterministic: false, or try model.attention: eager") from error
    finally:
        torch.use_deterministic_algorithms(flags[0], warn_only=flags[1])
        torch.backends.cudnn.benchmark = benchmark


def _fix_workspace(started: bool) -> None:
    """Set cuBLAS's workspace; refuse if CUDA has already read another one."""
    found = os.environ.get(WORKSPACE)
    if found in REPRODUCIBLE:
        return
    if found is not None or started:
        reason = f"{WORKSPACE} is '{found}'" if found is not None else f"CUDA has started without {WORKSPACE}"
        raise InputError(f"deterministic: {reason}; start again with {WORKSPACE}={REPRODUCIBLE[0]} in the environment")
    os.environ[WORKSPACE] = REPRODUCIBLE[0]
