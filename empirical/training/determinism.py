"""Kernels that give the same bits every time; by default a GPU adds up in whatever order its threads finish."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from see_in_pairs.errors import InputError

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
REPRODUCIBLE = (":4096:8", ":16:8")
"""Sizes of cuBLAS's workspace with which its results are reproducible, as its manual says."""


@contextmanager
def deterministic_kernels(wanted: bool) -> Iterator[None]:
    """Let torch use deterministic kernels only, for as long as the block lasts, where that is `wanted`."""
    if not wanted:
        yield
        return
    import torch

    # Resumed training must end in the same weights: atomic additions (of embeddings' gradients, say) and split-k products of cuBLAS differ
    # in their last bits from run to run, and Adam makes whole steps of that.
    _fix_workspace(started=torch.cuda.is_initialized())
    flags = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False  # it would choose whichever kernel is fastest at the moment
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
    """Set cuBLAS's workspace; refuse where CUDA has read another one already."""
    found = os.environ.get(WORKSPACE)
    if found in REPRODUCIBLE:
        return
    if found is not None or started:
        reason = f"{WORKSPACE} is '{found}'" if found is not None else f"CUDA has started without {WORKSPACE}"
        raise InputError(f"deterministic: {reason}; begin anew with {WORKSPACE}={REPRODUCIBLE[0]} in the environment")
    os.environ[WORKSPACE] = REPRODUCIBLE[0]
