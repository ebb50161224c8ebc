"""Finetuning steps as ``finetune`` runs them: its Trainer, its arguments, its adapters; and TRL's SFTTrainer on the same rows.

A step's time runs between the ends of two steps, data included. Waiting for data is the time in which the Trainer asks its data loader
for the next batch; later copies to the GPU, inside the step, count as work.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer, TrainerCallback

from empirical.benchmark.config import Variant
from empirical.benchmark.flops import finetuning_step
from empirical.benchmark.items import Items
from empirical.benchmark.shapes import Shape
from empirical.benchmark.timing import forget_peak, now, peak_memory
from empirical.prompts.example import Example
from empirical.training.config import FinetuneConfig
from empirical.training.setup import make_trainer, training_arguments
from empirical.training.trainable import make_trainable
from empirical.training.trainer import AnswerTrainer
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.feature_cache.cache import FeatureCache
from empirical.vlm.feature_cache.encoder import CachedEncoder
from empirical.vlm.inference.encoder import Encoder

if TYPE_CHECKING:
    from PIL.Image import Image

WARM = 2  # steps that are not timed: from the second on the optimiser's state exists, and the data loader is one batch ahead


class StepClock(TrainerCallback):
    """Seconds between the ends of steps, and the seconds among them in which a Trainer waits for data."""

    def __init__(self, trainer: Trainer) -> None:
        self.ends: list[float] = []
        self.waited: list[float] = []
        self._fetch = trainer.get_batch_samples
        trainer.get_batch_samples = self._timed_fetch  # type: ignore[method-assign]
        trainer.add_callback(self)

    def _timed_fetch(self, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        fetched = self._fetch(*args, **kwargs)
        self.waited.append(time.perf_counter() - began)
        return fetched

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Read the clock."""
        self.ends.append(now())

    def steps(self) -> tuple[list[float], list[float]]:
        """Seconds of each step after the warm-up, and the seconds of waiting within each."""
        ends = self.ends[WARM - 1 :]
        return [end - before for before, end in pairwise(ends)], self.waited[WARM : len(self.ends)]


def step_row(vlm: VisionLanguageModel, shape: Shape, items: Items, variant: Variant, batch_size: int, steps: int) -> dict[str, Any]:
    """Time finetuning steps with adapters on the language model.

    Returns ``seconds`` and ``waited`` of each step, ``items`` in one, ``tokens`` of a row, ``flop``, ``losses`` of all steps, ``peak_gib``.
    """
    config = settings(vlm, variant.checkpointing, batch_size, WARM + steps, items.seed)
    pictures = {name: items.picture(name) for row in items.examples() for name in row.images}  # in memory for both
    few = items.examples()[:batch_size]
    batch, labels = _encoder(vlm, pictures).with_answers(few, [row.answer for row in few], end=True)
    with tempfile.TemporaryDirectory() as folder:
        trainer, serving = _trainer(vlm, config, variant, items, pictures, Path(folder))
        clock = StepClock(trainer)
        forget_peak()
        with serving, vlm.family.own_vision(vlm.model) if variant.own_vision else nullcontext():
            trainer.train()
    seconds, waited = clock.steps()
    tokens, images = batch["input_ids"].shape[1], 2
    cost = finetuning_step(shape, batch_size, tokens, images, labels.shape[1], config.lora.rank, variant.stored)
    return {
        "items": batch_size,
        "seconds": seconds,
        "waited": waited,
        "tokens": tokens,
        "flop": cost.total,
        "losses": [row["loss"] for row in trainer.state.log_history if "loss" in row],
        "peak_gib": peak_memory(),
    }


def settings(vlm: VisionLanguageModel, checkpointing: bool, batch_size: int, steps: int, seed: int) -> FinetuneConfig:
    """Settings of a run of ``finetune``, with its defaults wherever they exist."""
    content = {"cohort": "", "arm": {"arm": "pair", "references": {"strategy": "random"}}, "model": vlm.config.model_dump()}
    given = {"gradient_checkpointing": checkpointing, "batch_size": batch_size, "steps": steps, "seed": seed}
    return FinetuneConfig.model_validate(content | given)


def our_trainer(
    vlm: VisionLanguageModel, config: FinetuneConfig, examples: list[Example], pictures: dict[str, Image], stored: bool, out: Path
) -> tuple[AnswerTrainer, AbstractContextManager[None]]:
    """Make the Trainer that ``finetune`` makes, without checkpoints on disk, and the context that it must train in."""
    torch.manual_seed(config.seed)  # of the adapters
    model, encoder = make_trainable(vlm, config.method, config.lora), _encoder(vlm, pictures)
    serving: AbstractContextManager[None] = nullcontext()
    if stored:
        store = FeatureCache(vlm, batch_size=1, protected_batches=config.gradient_accumulation + 3)
        store.add(pictures, encoder)
        encoder, serving = CachedEncoder(encoder, store), store.patch_model()
    arguments = training_arguments(config, out, gpu=vlm.model.device.type == "cuda")
    arguments.save_strategy = "no"  # type: ignore[assignment]
    return make_trainer(model, encoder, examples, arguments), serving


def _trainer(
    vlm: VisionLanguageModel, config: FinetuneConfig, variant: Variant, items: Items, pictures: dict[str, Image], out: Path
) -> tuple[Trainer, AbstractContextManager[None]]:
    rows = (config.steps + 2) * config.batch_size  # more than are used: otherwise there would be nothing to fetch during the last step
    examples = (items.examples() * (rows // items.queries + 1))[:rows]
    if variant.trl:
        from empirical.benchmark.trl_baseline import sft_trainer

        return sft_trainer(vlm, config, examples, pictures, out), nullcontext()
    return our_trainer(vlm, config, examples, pictures, variant.stored, out)


def _encoder(vlm: VisionLanguageModel, pictures: dict[str, Image]) -> Encoder:
    return Encoder(vlm.processor, vlm.family, pictures.__getitem__)
