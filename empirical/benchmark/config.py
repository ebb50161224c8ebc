"""What the suite runs: its settings, and the variants of a finetuning step that it times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from see_in_pairs.configs import SeedNumber, StrictConfig

CHOICES = ("shapes", "parts")
"""Settings that say what is run now; the others decide what a row means, and are the same for all rows of a folder."""


class BenchmarkConfig(StrictConfig):
    """What ``benchmark gpu`` runs, and how large.

    Parameters
    ----------
    shapes : tuple of str
        Shapes of Qwen2.5-VL with random weights: ``3b`` and ``7b`` (true sizes, which need a GPU), or ``tiny`` for any machine.
    parts : tuple of str
        ``evaluation`` (speed of scoring), ``equality`` (precision against float32), ``finetuning`` (speed of a step).
    queries, references : int
        Number of queries that are scored, and of references that they share.
    loop_queries : int
        The plain loop is timed on this many queries, the first ones: its cost per item does not depend on their number.
    rounds : int
        How often each path of the evaluation is timed, unless `row_seconds` ends it earlier.
    row_seconds : float
        No round begins that would end later than this after the start of the first, so a slow machine runs fewer rounds.
    eval_batch, train_batch : int
        Rows of a forward pass in the evaluation, and of a finetuning step.
    steps : int
        Finetuning steps that are timed, after two that warm up.
    dtype, device, attention : str
        Number format, device and attention backend of the models, as in `empirical.vlm.config.ModelConfig`.
    peak_tflops : float, optional
        The device's dense peak in the number format used, in TFLOP per second; by default from our table of GPUs.
    seed : int
        Decides weights, adapters and pictures.
    """

    shapes: tuple[Literal["tiny", "3b", "7b"], ...] = ("3b", "7b")
    parts: tuple[Literal["evaluation", "equality", "finetuning"], ...] = ("evaluation", "equality", "finetuning")
    queries: int = Field(default=500, ge=4)
    references: int = Field(default=20, ge=1)
    loop_queries: int = Field(default=60, ge=1)
    rounds: int = Field(default=3, ge=1)
    row_seconds: float = Field(default=65, gt=0)
    eval_batch: int = Field(default=32, ge=1)
    train_batch: int = Field(default=8, ge=1)
    steps: int = Field(default=10, ge=2)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    attention: str | None = None
    peak_tflops: float | None = Field(default=None, gt=0)
    seed: SeedNumber = 0

    def identity(self) -> dict[str, Any]:
        """Settings that all rows of a folder share: everything except the shapes and parts that are run now.

        Returns
        -------
        dict
            Setting to value.
        """
        return self.model_dump(exclude=set(CHOICES))


@dataclass(frozen=True)
class Variant:
    """A way to run the same finetuning steps."""

    stored: bool = False  # image features are looked up in a cache
    checkpointing: bool = False  # of gradients
    trl: bool = False  # by TRL's SFTTrainer instead of ours
    # with transformers' own vision tower; otherwise, TRL included, with the faster one that this package puts into a model (Qwen)
    own_vision: bool = False


VARIANTS = {
    "stored features": Variant(stored=True),
    "images every step": Variant(),
    "TRL": Variant(trl=True),
    "TRL, own vision": Variant(trl=True, own_vision=True),
    "stored features, checkpointing": Variant(stored=True, checkpointing=True),
    "TRL, checkpointing": Variant(trl=True, checkpointing=True),
}
"""Paths of the part ``finetuning``, by name."""
