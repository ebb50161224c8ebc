"""Out-of-memory errors: recognise them, free the device, and end in one line of advice."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from see_in_pairs.errors import InputError

SIGNS = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory")
"""Messages of libraries that request memory from the driver themselves; accelerate looks for torch's own messages only."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    True
    >>> is_out_of_memory(RuntimeError("shapes do not match"))
    False
    """
    if not isinstance(error, RuntimeError):
        return isinstance(error, MemoryError)
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    message = str(error)
    # accelerate fails on a RuntimeError whose argument is not text (for example an exception), and knows neither torch's class nor SIGNS
    return (
        isinstance(error, torch.OutOfMemoryError)
        or should_reduce_batch_size(RuntimeError(message))
        or any(sign in message for sign in SIGNS)
    )


def clear_device_cache() -> None:
    """Free unreferenced memory, on the device too; inside an ``except`` block the traceback still holds every frame."""
    if "torch" not in sys.modules:
        gc.collect()
        return
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)  # a model and its hooks refer to each other


def runs_in_memory(work: Callable[[], object]) -> bool:
    """Run something and return whether memory sufficed; if not, the attempt's memory is freed first."""
    try:
        work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    else:
        return True
    clear_device_cache()  # not earlier: within the except block the traceback holds the failed work's tensors
    return False


@contextmanager
def report_out_of_memory(message: str) -> Iterator[None]:
    """Turn an out-of-memory error into an `InputError` with advice."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(f"out of memory {message}") from None


def largest_that_fits(work: Callable[[int], object], largest: int) -> int:
    """Find a batch size that fits in memory, by halving; 0 if not even one row fits.

    accelerate's ``find_executable_batch_size`` shrinks by a tenth and raises at zero; here advice is given in halves.

    Examples
    --------
    >>> def work(batch_size):
    ...     if batch_size > 3:
    ...         raise MemoryError
    >>> largest_that_fits(work, 12)
    3
    """
    size = largest
    while size >= 1 and not runs_in_memory(partial(work, size)):
        size //= 2
    return size


def reduce_memory_advice() -> str:
    """Return the end of an error line: what to lower when one row at a time does not fit."""
    return "show fewer pixels (model.image_processor.size), or use a smaller model"


def batch_size_advice(batch_size: int) -> str:
    """Return the end of an error line: the setting to lower when a forward pass does not fit.

    Examples
    --------
    >>> batch_size_advice(16)
    'with batch_size 16; lower it: --set batch_size=8, with another --out'
    """
    if batch_size == 1:
        return f"even with batch_size 1; {reduce_memory_advice()}"
    return f"with batch_size {batch_size}; lower it: --set batch_size={batch_size // 2}, with another --out"
