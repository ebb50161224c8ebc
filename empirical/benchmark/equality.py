"""Whether every path loses as little in the model's own number format as the plain one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from empirical.benchmark.adapted import ADAPTED, GRADIENTS, SCORES, adapted_row
from empirical.benchmark.evaluation import PATHS, scores
from empirical.benchmark.items import Items
from empirical.vlm.loading import VisionLanguageModel
from empirical.vlm.reader import PLAIN

TRUTH = "float32"
CHECKS = (
    dict.fromkeys(PATHS, (TRUTH, "plain batches"))
    | dict.fromkeys([path for path in SCORES if not path.endswith(TRUTH)], ("adapters, float32", "adapters, peft"))
    | dict.fromkeys([path for path in GRADIENTS if not path.endswith(TRUTH)], ("gradients, float32", "gradients, peft"))
)
"""For each path the row that it is held against, and the row that says how far off it may be."""

ALL = (TRUTH, *PATHS, *ADAPTED)
"""Rows, in the order in which they are measured."""


def equality_row(vlm: VisionLanguageModel, items: Items, path: str, batch_size: int) -> dict[str, Any]:
    """Score a few items on one path in the model's own number format, or on the plain path in float32.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The model; it comes back unchanged.
    items : Items
        What is shown.
    path : str
        One of `ALL`.
    batch_size : int
        Rows in a forward pass.

    Returns
    -------
    dict
        ``items``, ``dtype``, ``scores``.
    """
    if path in ADAPTED:
        return adapted_row(vlm, items, path, batch_size)
    if path == TRUTH:
        with in_float32(vlm):
            values = scores(vlm, items, batch_size, PLAIN)
    else:
        values = scores(vlm, items, batch_size, PATHS[path])
    dtype = TRUTH if path == TRUTH else str(vlm.model.dtype).removeprefix("torch.")
    return {"items": items.queries, "dtype": dtype, "scores": values.tolist()}


@contextmanager
def in_float32(vlm: VisionLanguageModel) -> Iterator[None]:
    """Put a model into float32 for a while.

    Parameters
    ----------
    vlm : VisionLanguageModel
        Its weights survive that: every bfloat16 number is a float32 number.

    Yields
    ------
    None
        While it is.
    """
    dtype = vlm.model.dtype
    # Rotary frequencies are float32 whatever the model is: the way back would round them, so they are put back as they were.
    buffers = [(module, name, buffer) for module in vlm.model.modules() for name, buffer in module._buffers.items()]
    vlm.model.float()
    try:
        yield
    finally:
        vlm.model.to(dtype)
        for module, name, buffer in buffers:
            module._buffers[name] = buffer
