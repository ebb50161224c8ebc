"""When memory runs out: know it when it does, give back what the failed work held, and end in one line."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from see_in_pairs.errors import InputError

SIGNS = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory", "can't allocate memory")
"""What errors say that are no ``torch.OutOfMemoryError``: of libraries that ask the driver themselves, and of torch on a CPU."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    True
    >>> is_out_of_memory(RuntimeError("shapes do not match"))
    False
    """
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def clear_device_cache() -> None:
    """Give back what nothing refers to any more; of use outside an ``except`` block only, whose traceback holds every frame."""
    gc.collect()  # a model and its hooks refer to each other in rings
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def runs_in_memory(work: Callable[[], object]) -> bool:
    """Run something, and tell whether memory sufficed; where it did not, all that the attempt held is given back before this returns."""
    try:
        work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    else:
        return True
    clear_device_cache()  # here and no earlier: within the except block the traceback holds the failed work's tensors
    return False


@contextmanager
def one_line(message: str) -> Iterator[None]:
    """Turn memory that runs out into the user's error."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(f"out of memory {message}") from None


def largest_that_fits(work: Callable[[int], object], largest: int) -> int:
    """Find a number of rows that fits, by halving.

    Returns with how many it fitted; 0 where it did not even with one.

    Examples
    --------
    >>> def work(rows):
    ...     if rows > 3:
    ...         raise MemoryError
    >>> halved(work, 12)
    3
    """
    size = largest
    while size >= 1 and not runs_in_memory(partial(work, size)):
        size //= 2
    return size


def no_smaller() -> str:
    """Say what to lower where one row at a time does not fit.

    Returns the end of an error line.
    """
    return "show fewer pixels (model.image_processor.size), or take a smaller model"


def smaller_batch(batch_size: int) -> str:
    """Say which setting to lower where a forward pass does not fit.

    Returns the end of an error line.

    Examples
    --------
    >>> smaller_batch(16)
    'with batch_size 16; lower it: --set batch_size=8, with another --out'
    """
    if batch_size == 1:
        return f"even with batch_size 1; {no_smaller()}"
    return f"with batch_size {batch_size}; lower it: --set batch_size={batch_size // 2}, with another --out"
