"""What transformers' Trainer is told."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.training.config import FinetuneConfig, ScheduleConfig
from empirical.training.distributed import sharding_wanted
from empirical.training.trainable import vision_is_frozen
from empirical.vlm.loading import dtype_of
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from transformers import TrainingArguments


WRITERS = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""Packages of which one must be there, by the name of the tracker."""


def require_trackers(config: FinetuneConfig) -> None:
    """Stop before anything is done where a tracker is asked for that is not installed."""
    for name in config.report_to:
        if not any(_installed(package) for package in WRITERS[name]):
            raise InputError(f"report_to: {name} is not installed; 'pip install {name}', or leave it out")


def _installed(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None  # a folder of that name, as W&B leaves one behind, has a spec but no origin


def training_arguments(config: FinetuneConfig, out: Path, gpu: bool) -> TrainingArguments:
    """Spell out a run for the Trainer."""
    import torch
    from transformers import TrainingArguments

    return TrainingArguments(
        **schedule(config, out, gpu),
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        **_checkpointing(bool(config.gradient_checkpointing)),
        **_validation(config),
        bf16=gpu and torch.cuda.is_bf16_supported() and by_autocast(config),
        ddp_find_unused_parameters=False if vision_is_frozen(config) else None,  # adapters on the language layers are all used
        report_to=[],  # they are told by our own callbacks: see `trackers`
    )


def by_autocast(config: FinetuneConfig) -> bool:
    """Tell whether a GPU is to round to bfloat16 by autocast, operation by operation."""
    import torch

    kept = dtype_of(config.model)
    return kept != torch.float32 and (config.method == "full" or kept == torch.float16 or sharding_wanted())


def schedule(config: ScheduleConfig, out: Path, gpu: bool) -> dict[str, Any]:
    """Spell out what every run has: its steps, AdamW under a cosine schedule, and a log and checkpoints that an exact resume can use."""
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
        "logging_steps": 1,  # the Trainer forgets a running mean when it resumes; single steps come out the same
        "logging_nan_inf_filter": False,
        "seed": config.seed,
        "data_seed": config.seed,
        "remove_unused_columns": False,
        "disable_tqdm": True,
    }


def _validation(config: FinetuneConfig) -> dict[str, Any]:
    """Look at the validation loss, and write a checkpoint at every look, so that the best weights are there to go back to."""
    if config.early_stopping is None:
        return {"save_steps": config.save_every}
    every = config.early_stopping.every
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False}
    return {"eval_strategy": "steps", "eval_steps": every, "save_steps": every, "prediction_loss_only": True, **best}


def _checkpointing(wanted: bool) -> dict[str, Any]:
    """Ask for gradient checkpointing by the name that the installed transformers knows it by (renamed within version 5)."""
    from transformers import TrainingArguments

    new = "activation_checkpointing" in TrainingArguments.__dataclass_fields__
    name = "activation_checkpointing" if new else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}} if wanted else {}
