"""The settings of the suite, and which rows it has.

Ways to run the same finetuning steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from see_in_pairs.configs import StrictConfig

CHOICES = ("shapes", "parts")
"""Settings that say what is run now; the others decide what a row means, and are the same for all rows of a folder."""


class BenchmarkConfig(StrictConfig):
    """What is run.

    Parameters
    ----------
    shapes : tuple of str
        ``tiny``, ``3b``, ``7b``.
    parts : tuple of str
        ``evaluation``, ``equality``, ``finetuning``.
    queries, references : int
        Of the evaluation.
    loop_queries : int
        The plain loop is timed on the first so many of the queries: what an item costs it does not depend on how many there are.
    rounds : int
        How often each path of the evaluation is timed.
    row_seconds : float
        No further round is begun that would end later than this after the first began, so that a slow machine gets fewer of them.
    eval_batch, train_batch, steps : int
        Rows per batch, and timed finetuning steps.
    dtype, device, attention : str
        As for a model.
    peak_tflops : float, optional
        The device's dense peak in the number format used; by default from our table of GPUs.
    seed : int
        Of weights and pictures.
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
    seed: int = Field(default=0, ge=0)

    def identity(self) -> dict[str, Any]:
        """Give the settings that all rows of a folder share.

        Returns
        -------
        dict
            All but what is run now.
        """
        return self.model_dump(exclude=set(CHOICES))


@dataclass(frozen=True)
class Variant:
    """A way to run the same steps."""

    stored: bool = False  # look image features up
    checkpointing: bool = False
    trl: bool = False
    # with transformers' own vision tower; elsewhere, TRL included, with the faster one that this package puts into a model (Qwen)
    own_vision: bool = False


VARIANTS = {
    "stored features": Variant(stored=True),
    "images every step": Variant(),
    "TRL": Variant(trl=True),
    "TRL, own vision": Variant(trl=True, own_vision=True),
    "stored features, checkpointing": Variant(stored=True, checkpointing=True),
    "TRL, checkpointing": Variant(trl=True, checkpointing=True),
}
