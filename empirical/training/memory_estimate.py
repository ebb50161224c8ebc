"""What training holds in memory whatever the batch size is, and whether that can fit at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from empirical.training.config import FinetuneConfig
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import torch

GIB = 2**30
LARGE = 10**9
"""Weights from which on a model is trained with gradient checkpointing, unless the config says otherwise or a trial shows no need of it."""


@dataclass(frozen=True)
class FixedMemory:
    """Memory that training holds whatever the batch size is."""

    trained: int  # weights that are trained
    state: int  # bytes of these weights, their gradients and Adam's two moments
    copies: int  # bytes of the bfloat16 copies of them that mixed precision keeps from the forward to the backward pass
    frozen: int  # bytes of the other weights

    def __str__(self) -> str:
        frozen = f", and {self.frozen / GIB:.1f} GiB of frozen weights" if self.frozen else ""
        copies = f", {self.copies / GIB:.1f} GiB of bfloat16 copies" if self.copies else ""
        each = self.state / max(1, self.trained)
        return f"{self.state / GIB:.1f} GiB ({each:.0f} bytes for each of {self.trained:,} weights){copies}{frozen}"


def fixed_memory(model: torch.nn.Module, mixed: bool) -> FixedMemory:
    """Count the memory that training holds whatever the batch size is.

    Returns in bytes, as AdamW needs it.

    Examples
    --------
    >>> import torch
    >>> print(standing(torch.nn.Linear(2**14, 2**14, bias=False), mixed=True))
    4.0 GiB (16 bytes for each of 268,435,456 weights), 0.5 GiB of bfloat16 copies
    """
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    number, size = sum(weight.numel() for weight in trained), sum(weight.nbytes for weight in trained)
    frozen = sum(weight.nbytes for weight in model.parameters() if not weight.requires_grad)
    return FixedMemory(number, 4 * size, 2 * number if mixed else 0, frozen)


def checkpointing(config: FinetuneConfig, model: torch.nn.Module) -> bool:
    """Decide whether to trade time for memory, which changes no weights."""
    if config.gradient_checkpointing is not None:
        return config.gradient_checkpointing
    return sum(weight.numel() for weight in model.parameters()) > LARGE


def device_memory(model: torch.nn.Module) -> int | None:
    """Tell how much memory a model's device has.

    Returns bytes; None on a CPU, where there is no limit to go by.
    """
    import torch

    device = next(model.parameters()).device
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None


def check_fixed_memory(config: FinetuneConfig, model: torch.nn.Module, room: int | None, shared: bool) -> None:
    """Stop before the first step where what training holds is more than the device has, whatever the batch size is."""
    needed = fixed_memory(model, mixed=False)
    if room is not None and not shared and needed.state + needed.frozen > room:
        raise InputError(
            f"method '{config.method}' needs {needed} before any activation, the device has {room / GIB:.1f} GiB; {fewer_weights(config)}"
        )


def fewer_weights(config: FinetuneConfig) -> str:
    """Say how to hold fewer weights on a device.

    Returns the end of an error line.
    """
    smaller = "take a smaller model"
    return (
        f"use method: lora, share it among GPUs (accelerate launch --use_fsdp --fsdp_version 2), or {smaller}"
        if config.method == "full"
        else smaller
    )
