"""Evaluation: the plain transformers loop (one item at a time, ``generate``) against ours, with each switch."""

from __future__ import annotations

from typing import Any

import numpy as np

from empirical.benchmark.clock import Timing, timed
from empirical.benchmark.items import Items
from empirical.vlm.encoding import Encoder
from empirical.vlm.loading import VisionLanguageModel
from empirical.vlm.reader import PLAIN, AnswerReader, SpeedConfig

PATHS = {
    "plain batches": PLAIN,
    "stored features": SpeedConfig(prefix_cache=False, by_length=False),
    "like lengths": SpeedConfig(prefix_cache=False, by_length=True),
    "shared prefix": SpeedConfig(by_length=False),
    "everything": SpeedConfig(),
}
NEW_TOKENS = 4  # a reply of one word, the full stop, the end of turn


def plain_loop(vlm: VisionLanguageModel, items: Items) -> list[str]:
    """Evaluate as most scripts do: item by item, through processor and ``generate``.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The model.
    items : Items
        What is shown.

    Returns
    -------
    list of str
        The replies.
    """
    import torch

    encoder, said = Encoder(vlm.processor, vlm.family, items.picture), []
    for example in items.examples():
        pictures = [items.picture(name) for name in example.images]
        batch = vlm.processor(text=[encoder.text(example.parts)], images=[pictures], return_tensors="pt", **vlm.family.processor_options)
        with torch.inference_mode():
            batch = {name: value.to(vlm.model.device) for name, value in batch.items()}
            tokens = vlm.model.generate(**batch, do_sample=False, max_new_tokens=NEW_TOKENS)
        said.append(vlm.processor.tokenizer.decode(tokens[0, batch["input_ids"].shape[1] :], skip_special_tokens=True))
    return said


def scores(vlm: VisionLanguageModel, items: Items, batch_size: int, speed: SpeedConfig) -> np.ndarray:
    """Score all items on one path, with nothing stored beforehand.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The model.
    items : Items
        What is shown.
    batch_size : int
        Rows in a forward pass.
    speed : SpeedConfig
        The path.

    Returns
    -------
    ndarray of shape (items, answers)
        Log-probabilities.
    """
    encoder = Encoder(vlm.processor, vlm.family, items.picture)
    return AnswerReader(vlm, encoder, items.prompts.answers, batch_size, speed).scores(items.examples())[0]


def compare_paths(vlm: VisionLanguageModel, items: Items, batch_size: int, rounds: int) -> list[dict[str, Any]]:
    """Time every path, and hold its scores against the plain batches'.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The model.
    items : Items
        What is shown.
    batch_size : int
        Rows in a forward pass.
    rounds : int
        How often each path is timed.

    Returns
    -------
    list of dict
        One row per path: items per second, ratio to the plain loop, seconds with their range, memory, largest difference of scores.
    """
    warm = Items(min(items.queries, 2 * batch_size), items.references, items.side, items.seed + 1, items.prompts)
    plain_loop(vlm, Items(1, 1, items.side))
    loop = timed(lambda: plain_loop(vlm, items), rounds)
    rows = [_row("plain loop", loop, loop, items, None)]
    reference = None
    for name, speed in PATHS.items():
        scores(vlm, warm, batch_size, speed)
        made: list[np.ndarray] = []
        timing = timed(lambda speed=speed, made=made: made.append(scores(vlm, items, batch_size, speed)), rounds)  # type: ignore[misc]
        reference = made[0] if reference is None else reference
        rows.append(_row(name, timing, loop, items, float(np.abs(made[0] - reference).max())))
    return rows


def _row(name: str, timing: Timing, loop: Timing, items: Items, apart: float | None) -> dict[str, Any]:
    return {
        "part": "evaluation",
        "path": name,
        "per_second": items.queries / timing.median,
        "ratio": loop.median / timing.median,
        "ratio_low": loop.low / timing.high,
        "ratio_high": loop.high / timing.low,
        "seconds": timing.median,
        "seconds_low": timing.low,
        "seconds_high": timing.high,
        "peak_gib": timing.peak_memory,
        "largest_difference": apart,
    }


def half_precision_equality(vlm: VisionLanguageModel, items: Items, batch_size: int) -> list[dict[str, Any]]:
    """Hold every path in the model's own number format against the plain path in float32.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The model; it is put into float32 for a while, which its own weights survive unchanged.
    items : Items
        What is shown.
    batch_size : int
        Rows in a forward pass.

    Returns
    -------
    list of dict
        For each path: its largest error against float32, the plain path's (the bound is twice that: another order of roundings may
        lose as much again, not more), and whether it is within.
    """
    import torch

    dtype = vlm.model.dtype
    own = {name: scores(vlm, items, batch_size, speed) for name, speed in PATHS.items()}
    vlm.model.float()
    truth = scores(vlm, items, batch_size, PLAIN)
    vlm.model.to(dtype)
    errors = {name: float(np.abs(values - truth).max()) for name, values in own.items()}
    bound = 2 * errors["plain batches"] + 1e3 * torch.finfo(torch.float32).eps
    return [
        {
            "part": "equality",
            "path": name,
            "dtype": str(dtype).removeprefix("torch."),
            "error": error,
            "bound": bound,
            "within": error <= bound,
        }
        for name, error in errors.items()
    ]
