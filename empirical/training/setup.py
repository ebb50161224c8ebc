"""Put a run together: the encoder, the Trainer, and whether it checkpoints gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.arms.images import image_area, image_source
from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.training.batch_size_search import longest_first
from empirical.training.checkpointing_trial import fits_without_checkpointing, is_open
from empirical.training.config import FinetuneConfig
from empirical.training.distributed import not_sharded, one_device, sharding_wanted
from empirical.training.memory_estimate import checkpointing, device_memory, fixed_memory
from empirical.training.trainable import vision_is_frozen
from see_in_pairs.console import log
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from empirical.training.trainer import AnswerTrainer
    from empirical.vlm.config import VisionLanguageModel
    from empirical.vlm.inference.encoder import Encoder


def make_encoder(config: FinetuneConfig, vlm: VisionLanguageModel, cohort: Cohort) -> tuple[Encoder, AbstractContextManager[None]]:
    """Give the encoder, with features stored where the vision tower is frozen.

    Returns `serving` What must be active while a model reads from it.
    """
    from empirical.vlm.feature_cache.cache import FeatureCache
    from empirical.vlm.feature_cache.encoder import CachedEncoder
    from empirical.vlm.inference.encoder import Encoder

    plain = Encoder(vlm.processor, vlm.family, image_source(cohort))
    if sharding_wanted() or not (config.store_features and vision_is_frozen(config)):
        return plain, nullcontext()
    folder = Path(config.features_folder) if config.features_folder else None
    store = FeatureCache(
        vlm, folder, batch_size=1, protected_batches=config.gradient_accumulation + 3
    )  # one by one: a resumed run sees the same bits
    return CachedEncoder(plain, store), store.patch_model()


def with_or_without_checkpointing(
    config: FinetuneConfig, model: Any, encoder: Encoder, examples: list[Example], cohort: Cohort, run: RunFolder, quiet: bool
) -> FinetuneConfig:
    """Settle whether layers are computed twice: as the config says, else for a large model where a step does not fit without."""
    wanted, room = checkpointing(config, model), device_memory(model)
    by_trial = wanted and is_open(config, run.path, room)
    if by_trial and room is not None:
        without = config.model_copy(update={"gradient_checkpointing": False, "early_stopping": None})
        rows = longest(config, examples, encoder, cohort)
        trainer = _bare_trainer(without, model, encoder, examples, run.path)
        wanted = not fits_without_checkpointing(trainer, rows, room, fixed_memory(model, trainer.args.bf16))
        log(f"gradient checkpointing: {'on, a step does not fit without it' if wanted else 'off, a step fits without it'}", quiet)
    run.manifest |= {"gradient_checkpointing": wanted, "gradient_checkpointing_by_trial": by_trial}
    run.save()
    return config.model_copy(update={"gradient_checkpointing": wanted})


def longest(config: FinetuneConfig, examples: list[Example], encoder: Encoder, cohort: Cohort) -> list[Example]:
    """Choose as many rows as a batch has, those that take most memory."""
    return longest_first(examples, getattr(encoder, "plain", encoder), config.batch_size, partial(image_area, cohort))


def make_trainer(
    config: FinetuneConfig, model: Any, encoder: Any, examples: list[Example], validation: list[Example] | None, out: Path, quiet: bool
) -> AnswerTrainer:
    """Make the Trainer of a run.

    Returns with all that looks on.
    """
    from transformers import EarlyStoppingCallback

    from empirical.training.callbacks import trackers
    from empirical.training.trainer import Bar, MarkComplete, StopOnNonFinite

    stop = config.early_stopping
    early = [EarlyStoppingCallback(stop.patience, stop.least)] if stop else []
    told = [MarkComplete(), StopOnNonFinite(), *early, *trackers(config, out, quiet), *([] if quiet else [Bar(config.steps)])]
    trainer = _bare_trainer(config, model, encoder, examples, out, quiet, eval_dataset=validation, callbacks=told)
    if note := not_sharded(trainer):
        log(note, quiet)
    return trainer


def _bare_trainer(
    config: FinetuneConfig, model: Any, encoder: Any, examples: list[Example], out: Path, quiet: bool = True, **more: Any
) -> AnswerTrainer:
    """Make a Trainer that, left as it is, tells nobody what it does."""
    from empirical.training.arguments import training_arguments
    from empirical.training.trainer import AnswerTrainer, collate

    arguments = training_arguments(config, out, gpu=next(model.parameters()).device.type == "cuda")
    if note := one_device(arguments):
        log(note, quiet)
    return AnswerTrainer(model=model, args=arguments, train_dataset=examples, data_collator=collate(encoder), **more)
