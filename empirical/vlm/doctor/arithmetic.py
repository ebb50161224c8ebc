"""Float32 arithmetic on weights kept in a half format: what a model computes, apart from how its format rounds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.overrides import TorchFunctionMode


@contextmanager
def float32_arithmetic() -> Iterator[None]:
    """Compute products, sums and attention in float32 for a while, whatever format the weights are kept in.

    Each weight is brought to float32 for the one operation that needs it, so that no copy of the model is ever made: of a model of seven
    billion weights in bfloat16 it takes room for the largest of its matrices.

    Returns while it does. TensorFloat32, which keeps ten bits, is off.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(4, 1, dtype=torch.bfloat16)
    >>> with float32_arithmetic():
    ...     layer(torch.ones(4, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    import torch

    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        cudnn = torch.backends.cudnn
        kept = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
        with cudnn.flags(**kept, allow_tf32=False), _mode()():
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


@cache
def _mode() -> type[TorchFunctionMode]:
    """Make the class when it is first asked for: torch takes long to import."""
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    operations, casts = _operations(), _casts()

    class Float32(TorchFunctionMode):
        def __torch_function__(self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
            kwargs = kwargs or {}
            if func is functional.embedding:  # the rows that are looked up, not the whole table
                return _wide(func(*args, **kwargs))
            if func in operations:
                args, kwargs = tuple(map(_wide, args)), {name: _wide(value) for name, value in kwargs.items()}
            made = func(*args, **kwargs)
            if func in casts and _half(made) and not _half(args[0]):  # a model that brings what it computed to its own format
                return args[0].to(made.device, torch.float32)
            return made

    return Float32


def _operations() -> frozenset[Callable[..., Any]]:
    """List what demands one format of all it is given, or rounds in it."""
    import torch
    from torch.nn import functional

    names = ("matmul", "mm", "bmm", "baddbmm", "addmm", "einsum", "masked_scatter", "conv1d", "conv2d", "conv3d", "layer_norm", "rms_norm")
    free = [getattr(torch, name) for name in names]
    methods = [getattr(torch.Tensor, name) for name in (*names[:5], "masked_scatter", "__matmul__", "__rmatmul__")]
    norms = [functional.layer_norm, functional.rms_norm, functional.group_norm]
    attention = [functional.scaled_dot_product_attention, functional.multi_head_attention_forward]
    return frozenset([*free, *methods, *norms, *attention, functional.linear])


def _casts() -> frozenset[Callable[..., Any]]:
    import torch

    return frozenset(getattr(torch.Tensor, name) for name in ("to", "type", "type_as", "bfloat16", "half"))


def _half(value: Any) -> bool:
    import torch

    return torch.is_tensor(value) and value.dtype in (torch.bfloat16, torch.float16)


def _wide(value: Any) -> Any:
    import torch

    if _half(value):
        return value.float()
    return type(value)(map(_wide, value)) if isinstance(value, (list, tuple)) and any(map(torch.is_tensor, value)) else value
