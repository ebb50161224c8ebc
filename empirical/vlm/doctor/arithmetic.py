"""Float32 arithmetic on weights kept in a half format: a model's result without rounding errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.overrides import TorchFunctionMode


@contextmanager
def float32_arithmetic() -> Iterator[None]:
    """Compute products, sums and attention in float32 inside the block, without TensorFloat32, for weights of any format.

    Each weight is cast to float32 only for the operation that needs it, so the extra memory is that of the largest matrix, not of a copy
    of the model.

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
        flags = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
        with cudnn.flags(**flags, allow_tf32=False), _mode_class()():
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


@cache
def _mode_class() -> type[TorchFunctionMode]:
    """Make the class on first use: torch takes long to import."""
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    operations, casts = _operations(), _casts()

    class Float32(TorchFunctionMode):
        def __torch_function__(self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
            kwargs = kwargs or {}
            if func is functional.embedding:  # cast the rows that are looked up, not the whole table
                return _to_float32(func(*args, **kwargs))
            if func in operations:
                args, kwargs = tuple(map(_to_float32, args)), {name: _to_float32(value) for name, value in kwargs.items()}
            result = func(*args, **kwargs)
            if func in casts and _is_half(result) and not _is_half(args[0]):  # a model that casts a float32 result back to its own format
                return args[0].to(result.device, torch.float32)
            return result

    return Float32


def _operations() -> frozenset[Callable[..., Any]]:
    """Return the operations that round, or that need all inputs in one format."""
    import torch
    from torch.nn import functional

    names = ("matmul", "mm", "bmm", "baddbmm", "addmm", "einsum", "masked_scatter", "conv1d", "conv2d", "conv3d", "layer_norm", "rms_norm")
    functions = [getattr(torch, name) for name in names]
    methods = [getattr(torch.Tensor, name) for name in (*names[:5], "masked_scatter", "__matmul__", "__rmatmul__")]
    norms = [functional.layer_norm, functional.rms_norm, functional.group_norm]
    attention = [functional.scaled_dot_product_attention, functional.multi_head_attention_forward]
    return frozenset([*functions, *methods, *norms, *attention, functional.linear])


def _casts() -> frozenset[Callable[..., Any]]:
    import torch

    return frozenset(getattr(torch.Tensor, name) for name in ("to", "type", "type_as", "bfloat16", "half"))


def _is_half(value: Any) -> bool:
    import torch

    return torch.is_tensor(value) and value.dtype in (torch.bfloat16, torch.float16)


def _to_float32(value: Any) -> Any:
    import torch

    if _is_half(value):
        return value.float()
    return type(value)(map(_to_float32, value)) if isinstance(value, (list, tuple)) and any(map(torch.is_tensor, value)) else value
