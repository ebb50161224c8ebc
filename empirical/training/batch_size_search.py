"""When memory runs out in training: find a batch size that would have fitted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from empirical.prompts.example import Example
from empirical.training.config import FinetuneConfig, Method
from empirical.training.memory_estimate import FixedMemory, fewer_weights
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.out_of_memory import largest_that_fits
from see_in_pairs.errors import InputError

CANDIDATES = 32
"""Number of prompts that are encoded, one by one, to find the longest: those with the largest pictures."""


@dataclass(frozen=True)
class StepSettings:
    """What decides the memory of a step, apart from the model and its images."""

    batch_size: int
    gradient_accumulation: int
    method: Method
    checkpointing: bool

    @classmethod
    def of(cls, config: FinetuneConfig) -> Self:
        """Take them from the settings of a run."""
        return cls(config.batch_size, config.gradient_accumulation, config.method, bool(config.gradient_checkpointing))


def out_of_memory(
    settings: StepSettings, step: Callable[[Sequence[Example]], Any] | None, examples: Sequence[Example], fixed: FixedMemory | None = None
) -> InputError:
    """Find the batch size that would have fitted, and the accumulation that keeps the optimiser's steps as they were; one line."""
    # Call this outside the ``except`` block that caught the failure: the failed step's tensors live as long as its traceback, and their
    # memory would be missing in every attempt. Halving, not a finer search: an attempt costs a step, accumulation splits in powers of 2.
    half = settings.batch_size // 2
    fits = half if step is None else largest_that_fits(lambda size: step(examples[:size]), half)
    if fits == 0:
        holds = f" (weights, gradients and Adam's moments take {fixed})" if fixed and settings.method == "full" else ""
        return InputError(f"out of memory even with batch_size 1{holds}; {_instead(settings)}")
    wanted = settings.batch_size * settings.gradient_accumulation
    accumulation = math.ceil(wanted / fits)
    found = "would fit, tried with the longest prompts" if step else "may fit"
    return InputError(
        f"out of memory with batch_size {settings.batch_size}; {fits} {found}: "
        f"set batch_size: {fits} and gradient_accumulation: {accumulation} for steps of {accumulation * fits} rows (now {wanted})"
    )


def longest_first(examples: Sequence[Example], encoder: Encoder, most: int, area: Callable[[str], int]) -> list[Example]:
    """Choose the `most` rows that take the most memory, longest first; if fewer rows differ, they are repeated."""
    different = list({(example.images, example.parts): example for example in examples}.values())
    areas = {name: area(name) for example in different for name in example.images}

    def size(example: Example) -> tuple[int, int]:
        return sum(areas[name] for name in example.images), sum(len(part.text) for part in example.parts)

    # Tokens cost an encoding each: only the prompts with the largest pictures and longest texts are counted.
    chosen = sorted(different, key=size, reverse=True)[: max(most, CANDIDATES)]
    tokens = {id(example): encoder.prompts([example])["input_ids"].shape[1] for example in chosen}
    ranked = sorted(chosen, key=lambda example: tokens[id(example)], reverse=True)
    return (ranked * math.ceil(most / len(ranked)))[:most]


def _instead(settings: StepSettings) -> str:
    """Say how the run can take less memory."""
    ways = [] if settings.checkpointing else ["gradient_checkpointing: true"]
    ways.append("fewer pixels (model.image_processor.size)")
    return f"set {', '.join(ways)}, or {fewer_weights(settings.method)}"
