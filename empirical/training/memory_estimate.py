"""Memory that training needs for any batch size, and whether the device has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from empirical.training.config import Method
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import torch

GIB = 2**30
LARGE = 10**9
"""A model with more weights is trained with gradient checkpointing, unless the config or a trial decides otherwise."""


@dataclass(frozen=True)
class FixedMemory:
    """Memory that training takes for any batch size."""

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
    """Count the memory that training with AdamW takes for any batch size.

    Examples
    --------
    >>> import torch
    >>> print(fixed_memory(torch.nn.Linear(2**14, 2**14, bias=False, device="meta"), mixed=True))
    4.0 GiB (16 bytes for each of 268,435,456 weights), 0.5 GiB of bfloat16 copies
    """
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    number, size = sum(weight.numel() for weight in trained), sum(weight.nbytes for weight in trained)
    frozen = sum(weight.nbytes for weight in model.parameters() if not weight.requires_grad)
    return FixedMemory(number, 4 * size, 2 * number if mixed else 0, frozen)


def checkpointing(asked: bool | None, model: torch.nn.Module) -> bool:
    """Whether to trade time for memory by gradient checkpointing, which changes no weights: as configured, else for large models."""
    return sum(weight.numel() for weight in model.parameters()) > LARGE if asked is None else asked


def device_memory(model: torch.nn.Module) -> int | None:
    """Memory of a model's device in bytes; None on a CPU, which has no known limit."""
    import torch

    device = next(model.parameters()).device
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None


def check_fixed_memory(method: Method, model: torch.nn.Module, capacity: int | None, shared: bool) -> None:
    """Stop before the first step if training needs more than the device's `capacity`, in bytes, for any batch size."""
    needed = fixed_memory(model, mixed=False)
    if capacity is not None and not shared and needed.state + needed.frozen > capacity:
        raise InputError(
            f"method '{method}' needs {needed} before any activation, the device has {capacity / GIB:.1f} GiB; {fewer_weights(method)}"
        )


def fewer_weights(method: Method) -> str:
    """End of an error line: how to keep fewer weights on a device."""
    smaller = "use a smaller model"
    share = "use method: lora, share it among GPUs (accelerate launch --use_fsdp --fsdp_version 2)"
    return f"{share}, or {smaller}" if method == "full" else smaller
