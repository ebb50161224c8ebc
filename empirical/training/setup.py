"""The parts of a run: the encoder, the Trainer's arguments, the Trainer, and the decision on gradient checkpointing."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from empirical.arms.images import image_area, image_source
from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.training.batch_size_search import longest_first
from empirical.training.checkpointing_trial import fits_without_checkpointing, trial_decides
from empirical.training.config import EarlyStopping, FinetuneConfig, Method, ScheduleConfig
from empirical.training.distributed import not_sharded, one_device, sharding_wanted
from empirical.training.memory_estimate import checkpointing, device_memory, fixed_memory
from empirical.training.pixel_cache import PixelCache
from empirical.training.trainable import vision_is_frozen
from empirical.vlm.config import ModelConfig
from empirical.vlm.loading import dtype_of
from see_in_pairs.console import log
from see_in_pairs.errors import InputError
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from transformers import TrainerCallback, TrainingArguments

    from empirical.training.trainer import AnswerTrainer
    from empirical.vlm.config import VisionLanguageModel
    from empirical.vlm.inference.encoder import Encoder

TRACKERS = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""Packages by tracker; one of them must be installed."""


def require_trackers(report_to: Sequence[str]) -> None:
    """Stop before any work if a requested tracker is not installed."""
    for name in report_to:
        specs = [importlib.util.find_spec(package) for package in TRACKERS[name]]
        # A folder of that name (W&B leaves one behind) has a spec but no origin.
        if not any(spec is not None and spec.origin is not None for spec in specs):
            raise InputError(f"report_to: {name} is not installed; 'pip install {name}', or leave it out")


@dataclass(frozen=True)
class FeatureStorage:
    """Where image features are stored, so that each image goes through a frozen vision tower once."""

    folder: Path | None  # folder that keeps them between runs; None: in memory only
    batches: int  # batches whose features stay in memory

    @classmethod
    def of(cls, config: FinetuneConfig) -> Self | None:
        """Take it from the settings of a run; None if features are not stored, or change in training."""
        wanted = config.store_features and config.augmentation is None  # augmented pictures are shown once each
        if sharding_wanted() or not (wanted and vision_is_frozen(config.method, config.lora)):
            return None
        # Besides the batches of a step: one that the data loader has prepared, and those of a validation in between.
        return cls(Path(config.features_folder) if config.features_folder else None, config.gradient_accumulation + 3)


def make_encoder(
    vlm: VisionLanguageModel, cohort: Cohort, storage: FeatureStorage | None, *, new_pictures: bool = False
) -> tuple[Encoder, AbstractContextManager[None]]:
    """Make the encoder of prompts, and the context in which a model that reads stored features must run.

    With `new_pictures` in every row nothing is kept.
    """
    from empirical.vlm.feature_cache.cache import FeatureCache
    from empirical.vlm.feature_cache.encoder import CachedEncoder
    from empirical.vlm.feature_cache.processor_proxy import replaced_attribute
    from empirical.vlm.inference.encoder import Encoder

    plain = Encoder(vlm.processor, vlm.family, image_source(cohort))
    if new_pictures:
        return plain, nullcontext()
    if storage is None:
        return plain, replaced_attribute(vlm.processor, "image_processor", PixelCache(vlm.processor.image_processor))
    # One image at a time: a resumed run would group images differently, and get different bits.
    cache = FeatureCache(vlm, storage.folder, batch_size=1, protected_batches=storage.batches)
    return CachedEncoder(plain, cache), cache.patch_model()


def training_arguments(config: FinetuneConfig, out: Path, gpu: bool) -> TrainingArguments:
    """Translate the settings of a run for the Trainer."""
    import torch
    from transformers import TrainingArguments

    return TrainingArguments(
        **schedule(config, out, gpu),
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        **_checkpointing(bool(config.gradient_checkpointing)),
        **_validation(config.early_stopping, config.save_every),
        bf16=gpu and torch.cuda.is_bf16_supported() and by_autocast(config.model, config.method),
        # Adapters on the language layers are all used in every step, so DDP need not search for those that were not.
        ddp_find_unused_parameters=False if vision_is_frozen(config.method, config.lora) else None,
        report_to=[],  # by our own callbacks: see `empirical.training.callbacks.trackers`
    )


def schedule(config: ScheduleConfig, out: Path, gpu: bool) -> dict[str, Any]:
    """Arguments of every run: its steps, AdamW with a cosine schedule, and logs and checkpoints for an exact resume."""
    return {
        "output_dir": str(out / "checkpoints"),
        "max_steps": config.steps,
        "per_device_train_batch_size": config.batch_size,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(config.warmup * config.steps),
        "weight_decay": config.weight_decay,
        "adam_beta2": config.adam_beta2,
        "max_grad_norm": config.max_grad_norm,
        "use_cpu": not gpu,
        "save_total_limit": 2,
        "logging_steps": 1,  # the Trainer loses a running mean when it resumes; single steps are the same
        "logging_nan_inf_filter": False,
        "seed": config.seed,
        "data_seed": config.seed,
        "remove_unused_columns": False,
        "disable_tqdm": True,
    }


def _validation(early_stopping: EarlyStopping | None, save_every: int) -> dict[str, Any]:
    """Compute the validation loss, and write a checkpoint each time, so that the best weights are available at the end."""
    if early_stopping is None:
        return {"save_steps": save_every}
    every = early_stopping.every
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False}
    return {"eval_strategy": "steps", "eval_steps": every, "save_steps": every, "prediction_loss_only": True, **best}


def _checkpointing(wanted: bool) -> dict[str, Any]:
    """Ask for gradient checkpointing by the argument's name in the installed transformers (renamed within version 5)."""
    from transformers import TrainingArguments

    new = "activation_checkpointing" in TrainingArguments.__dataclass_fields__
    name = "activation_checkpointing" if new else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}} if wanted else {}


def by_autocast(model: ModelConfig, method: Method) -> bool:
    """Whether a GPU rounds to bfloat16 by autocast, operation by operation, instead of a model kept in bfloat16."""
    import torch

    stored = dtype_of(model)
    return stored != torch.float32 and (method == "full" or stored == torch.float16 or sharding_wanted())


def make_trainer(
    model: Any,
    encoder: Encoder,
    examples: Any,
    arguments: TrainingArguments,
    *,
    validation: list[Example] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    quiet: bool = True,
) -> AnswerTrainer:
    """Make a Trainer that shows examples (a list, or a map-style dataset) in their order."""
    from empirical.training.trainer import AnswerTrainer, collate

    if note := one_device(arguments):
        log(note, quiet)
    trainer = AnswerTrainer(
        model=model,
        args=arguments,
        train_dataset=examples,
        eval_dataset=validation,
        data_collator=collate(encoder),
        callbacks=list(callbacks),
    )
    if note := not_sharded(trainer):
        log(note, quiet)
    return trainer


def longest_rows(examples: list[Example], encoder: Encoder, batch_size: int, cohort: Cohort) -> list[Example]:
    """Choose the rows of one batch that take the most memory."""
    plain = getattr(encoder, "plain", encoder)  # prompts are only measured: pictures need not go through the tower for that
    return longest_first(examples, plain, batch_size, partial(image_area, cohort))


def decide_checkpointing(
    asked: bool | None, model: Any, trial: Callable[[], tuple[AnswerTrainer, list[Example]]], run: RunFolder, quiet: bool
) -> bool:
    """Decide on gradient checkpointing: as configured, else for a large model if a `trial` step does not fit without it."""
    wanted, capacity = checkpointing(asked, model), device_memory(model)
    by_trial = wanted and trial_decides(asked, run.path, capacity)
    if by_trial and capacity is not None:
        trainer, rows = trial()
        wanted = not fits_without_checkpointing(trainer, rows, capacity, fixed_memory(model, trainer.args.bf16))
        log(f"gradient checkpointing: {'on, a step does not fit without it' if wanted else 'off, a step fits without it'}", quiet)
    run.manifest |= {"gradient_checkpointing": wanted, "gradient_checkpointing_by_trial": by_trial}
    run.save()
    return wanted
