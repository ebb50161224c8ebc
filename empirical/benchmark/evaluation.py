"""Speed of the evaluation: the plain transformers loop (one item at a time, ``generate``) and our paths, with each switch."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np

from empirical.benchmark.items import Items
from empirical.benchmark.timing import Timing, timed
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.inference.batch_scorer import PLAIN, BatchScorer, SpeedConfig
from empirical.vlm.inference.encoder import Encoder

PATHS = {
    "plain batches": PLAIN,
    "stored features": SpeedConfig(prefix_cache=False, by_length=False),
    "like lengths": SpeedConfig(prefix_cache=False, by_length=True),
    "shared prefix": SpeedConfig(by_length=False),
    "everything": SpeedConfig(),
}
LOOPS = {"plain loop": False, "plain loop, own vision": True}  # whether with transformers' own vision tower
NEW_TOKENS = 4  # one word, the full stop, the end of turn


def plain_loop(vlm: VisionLanguageModel, items: Items) -> list[str]:
    """Evaluate as most scripts do: item by item, through processor and ``generate``."""
    import torch

    encoder, replies = Encoder(vlm.processor, vlm.family, items.picture), []
    for example in items.examples():
        pictures = [items.picture(name) for name in example.images]
        batch = vlm.processor(text=[encoder.text(example.parts)], images=[pictures], return_tensors="pt", **vlm.family.processor_options)
        with torch.inference_mode():
            batch = {name: value.to(vlm.model.device) for name, value in batch.items()}
            tokens = vlm.model.generate(**batch, do_sample=False, max_new_tokens=NEW_TOKENS)
        replies.append(vlm.processor.tokenizer.decode(tokens[0, batch["input_ids"].shape[1] :], skip_special_tokens=True))
    return replies


def scores(vlm: VisionLanguageModel, items: Items, batch_size: int, speed: SpeedConfig) -> np.ndarray:
    """Score all items on one path, with nothing cached before: log-probabilities, (items, answers)."""
    encoder = Encoder(vlm.processor, vlm.family, items.picture)
    return BatchScorer(vlm, encoder, items.prompts.answers, batch_size, speed).scores(items.examples())[0]


def loop_row(vlm: VisionLanguageModel, items: Items, rounds: int, most: float, *, own_vision: bool) -> dict[str, Any]:
    """Time the plain loop: ``items``, ``seconds`` of each round, ``peak_gib``."""
    with vlm.family.own_vision(vlm.model) if own_vision else nullcontext():
        plain_loop(vlm, Items(1, 1, items.side))
        return _row(items, timed(lambda: plain_loop(vlm, items), rounds, most))


def path_row(vlm: VisionLanguageModel, items: Items, path: str, batch_size: int, rounds: int, most: float) -> dict[str, Any]:
    """Time one of our paths: ``items``, ``seconds`` of each round, ``peak_gib``, ``scores``."""
    speed = PATHS[path]
    # Warm up on other pictures: kernels are chosen and memory is allocated, but no feature of the timed items is cached.
    scores(vlm, Items(min(items.queries, 2 * batch_size), items.references, items.side, items.seed + 1, items.prompts), batch_size, speed)
    results: list[np.ndarray] = []
    timing = timed(lambda: results.append(scores(vlm, items, batch_size, speed)), rounds, most)
    return _row(items, timing) | {"scores": results[0].tolist()}


def _row(items: Items, timing: Timing) -> dict[str, Any]:
    return {"items": items.queries, "seconds": list(timing.seconds), "peak_gib": timing.peak_gib}
