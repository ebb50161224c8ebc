"""When memory runs out in training: the batch size that would have fitted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from empirical.prompts.example import Example
from empirical.training.config import FinetuneConfig
from empirical.training.memory_estimate import FixedMemory, fewer_weights
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.out_of_memory import largest_that_fits
from see_in_pairs.errors import InputError

CANDIDATES = 32
"""Prompts that are encoded, one by one, to find the longest; they are those with the largest pictures."""


def out_of_memory(
    config: FinetuneConfig, step: Callable[[Sequence[Example]], Any] | None, examples: Sequence[Example], held: FixedMemory | None = None
) -> InputError:
    """Find out what would have fitted, and put it into an error.

    Call this outside the ``except`` block that caught the failure: what its traceback holds would be missing in every attempt.

    Returns one line: the batch size, and the accumulation that keeps the optimiser's steps as they were.
    """
    half = config.batch_size // 2
    rows = half if step is None else largest_that_fits(lambda size: step(examples[:size]), half)
    if rows == 0:
        holds = f" (weights, gradients and Adam's moments hold {held})" if held and config.method == "full" else ""
        return InputError(f"out of memory even with batch_size 1{holds}; {_instead(config)}")
    wanted = config.batch_size * config.gradient_accumulation
    accumulation = math.ceil(wanted / rows)
    return InputError(
        f"out of memory with batch_size {config.batch_size}; {rows} {'would fit, tried with the longest prompts' if step else 'may fit'}: "
        f"set batch_size: {rows} and gradient_accumulation: {accumulation} for steps of {accumulation * rows} rows (now {wanted})"
    )


def longest_first(examples: Sequence[Example], encoder: Encoder, most: int, area: Callable[[str], int]) -> list[Example]:
    """Choose the rows that take most memory: those with the most tokens.

    Returns the longest first; where fewer are different, they are given more than once.
    """
    different = list({(example.images, example.parts): example for example in examples}.values())
    areas = {name: area(name) for example in different for name in example.images}

    def look(example: Example) -> tuple[int, int]:
        return sum(areas[name] for name in example.images), sum(len(part.text) for part in example.parts)

    chosen = sorted(different, key=look, reverse=True)[: max(most, CANDIDATES)]
    tokens = {id(example): encoder.prompts([example])["input_ids"].shape[1] for example in chosen}
    ranked = sorted(chosen, key=lambda example: tokens[id(example)], reverse=True)
    return (ranked * math.ceil(most / len(ranked)))[:most]


def _instead(config: FinetuneConfig) -> str:
    """Say what takes less memory than the run."""
    ways = [] if config.gradient_checkpointing else ["gradient_checkpointing: true"]
    ways.append("fewer pixels (model.image_processor.size)")
    return f"set {', '.join(ways)}, or {fewer_weights(config)}"
