"""When memory runs out: the batch size that would have fitted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from empirical.arms import Example
from empirical.training.config import FinetuneConfig
from see_in_pairs.errors import InputError


def out_of_memory(config: FinetuneConfig, step: Callable[[Sequence[Example]], Any] | None, examples: Sequence[Example]) -> InputError:
    """Find out what would have fitted, and put it into an error.

    Parameters
    ----------
    config : FinetuneConfig
        The run that did not fit.
    step : callable or None
        One forward and backward pass over the examples it is given; raises ``torch.OutOfMemoryError`` where they are too many. Without
        it, half the rows are proposed, and said to be untried.
    examples : sequence of Example
        At least `batch_size` of them.

    Returns
    -------
    InputError
        One line: the batch size, and the accumulation that keeps the optimiser's steps as they were.
    """
    half = config.batch_size // 2
    fits = half if step is None else largest_fitting(step, examples, half)
    if fits == 0:
        more = "" if config.gradient_checkpointing else "gradient_checkpointing: true, "
        return InputError(f"out of memory even with batch_size 1; set {more}fewer pixels (model.image_processor.size) or a smaller model")
    rows = config.batch_size * config.gradient_accumulation
    accumulation = math.ceil(rows / fits)
    return InputError(
        f"out of memory with batch_size {config.batch_size}; {fits} {'would fit' if step else 'may fit'}: "
        f"set batch_size: {fits} and gradient_accumulation: {accumulation} for steps of {accumulation * fits} rows (now {rows})"
    )


def largest_fitting(step: Callable[[Sequence[Example]], Any], examples: Sequence[Example], largest: int) -> int:
    """Halve until it fits.

    Parameters
    ----------
    step : callable
        One forward and backward pass.
    examples : sequence of Example
        The longest first, if they differ.
    largest : int
        Where to begin.

    Returns
    -------
    int
        A number of rows that fits; 0 where none does.
    """
    import torch

    size = largest
    while size >= 1:
        try:
            step(examples[:size])
            return size
        except torch.OutOfMemoryError:
            size //= 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    return 0
