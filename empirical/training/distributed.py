"""Several processes under ``accelerate launch``: each with the whole model (DDP), or sharing it (FSDP)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import Trainer, TrainingArguments


def world_size() -> int:
    """Number of processes that train together; 1 without a launcher."""
    return _number("WORLD_SIZE", 1, least=1)


def is_first() -> bool:
    """Whether this process is the one that logs and writes."""
    return _number("RANK", 0) == 0


def check_launch() -> None:
    """Refuse values that no launcher sets, before libraries read them: they would stop with a traceback, or wait forever for processes."""
    if os.environ.get("LOCAL_RANK") != "-1":  # the libraries' value for 'none'
        _number("LOCAL_RANK", 0)
    if (rank := _number("RANK", 0)) >= world_size():
        raise InputError(f"RANK={rank}, WORLD_SIZE={world_size()}: no process can have this number; unset both, or use a launcher")


def _number(name: str, default: int, least: int = 0) -> int:
    """Read a number that a launcher sets."""
    text = os.environ.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and least <= int(text[:9])):
        raise InputError(f"{name}={text[:40]}: launchers set it to a number of processes or to a process's own number; unset it")
    return int(text[:9])


def sharding_wanted() -> bool:
    """Whether the processes were launched to share the model (FSDP), so that no process has all of it outside a forward pass."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


def refuse_mixed_formats(model: torch.nn.Module) -> None:
    """Refuse FSDP version 1 for weights of several number formats: it concatenates the weights of a layer into one tensor."""
    formats = sorted({str(weight.dtype).removeprefix("torch.") for weight in model.parameters()})
    if sharding_wanted() and os.environ.get("FSDP_VERSION", "1") == "1" and len(formats) > 1:
        raise InputError(f"FSDP version 1 cannot share weights of several formats ({', '.join(formats)}); launch with --fsdp_version 2")


def launched() -> dict[str, Any]:
    """How a run was launched, part of its identity since plan and checkpoints depend on it; empty for one process."""
    return {"processes": world_size(), "sharded": sharding_wanted()} if world_size() > 1 else {}


def not_sharded(trainer: Trainer) -> str:
    """One line for the user if sharding was asked for and is not possible; else empty."""
    if not sharding_wanted() or trainer.is_fsdp_enabled:
        return ""
    return "FSDP was asked for, but accelerate shards on accelerators only: each process has the whole model (DDP)"


def one_device(arguments: TrainingArguments) -> str:
    """Let a process that sees several GPUs train on one; returns one line for the user, empty if it sees at most one."""
    # The Trainer would split each batch over threads, one to a GPU (DataParallel). But the plan counts the rows of a step by processes, and
    # threads cannot share stored features.
    if (seen := arguments.n_gpu) <= 1:
        return ""
    arguments._n_gpu = 1
    return f"{seen} GPUs are visible, one is used; 'accelerate launch --num_processes {seen} -m see_in_pairs finetune ...' uses all"


def save_weights(trainer: Trainer, folder: Path) -> None:
    """Write the whole model; every process must call this, since each has only a part if they share the weights."""
    if trainer.is_world_process_zero():
        shutil.rmtree(folder, ignore_errors=True)
    if trainer.is_fsdp_enabled:  # with shards, which suit checkpoints, the Trainer would write no model at all
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(str(folder))
