"""The vision tower of the Qwen families with fewer, larger kernels: the same numbers, without waiting for the device in every layer.

Qwen2.5-VL lets patches attend to a window of their image, Qwen2-VL and Qwen3-VL to the whole image. Without flash attention, transformers
calls attention once for every window (or image) of every layer, after reading the window lengths back from the device in each layer. Here
windows of equal length go through one call, and their lengths are read once per pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from sys import modules
from typing import Any

import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from empirical.vlm.feature_cache.tower import core_of

ATTRIBUTE = "see_in_pairs_windows"  # attribute of the tensor of bounds: all layers of one pass get the same tensor


@dataclass(frozen=True)
class Windows:
    """Windows of a sequence of patches, grouped by length."""

    groups: tuple[tuple[int, int], ...]  # (windows, patches in each), one for each length that occurs
    order: torch.Tensor | None  # indices of the patches, window after window, in the order of the groups; None if that is their order
    inverse: torch.Tensor | None  # the inverse permutation of `order`


def windows_between(bounds: Sequence[int], device: torch.device | str = "cpu") -> Windows:
    """Group windows by length, in the order in which lengths first occur; empty windows are left out.

    Examples
    --------
    >>> windows_between([0, 4, 8, 8, 12]).groups
    ((3, 4),)
    >>> mixed = windows_between([0, 4, 6, 10])
    >>> mixed.groups, mixed.order.tolist()
    (((2, 4), (1, 2)), [0, 1, 2, 3, 6, 7, 8, 9, 4, 5])
    """
    starts: dict[int, list[int]] = {}
    for start, stop in pairwise(bounds):
        if stop > start:
            starts.setdefault(stop - start, []).append(start)
    groups = tuple((len(first), length) for length, first in starts.items())
    order = torch.cat([(torch.tensor(first)[:, None] + torch.arange(length)).flatten() for length, first in starts.items()])
    if bool((order == torch.arange(len(order))).all()):
        return Windows(groups, None, None)
    return Windows(groups, order.to(device), order.argsort().to(device))


def windows_of(bounds: torch.Tensor) -> Windows:
    """Group the windows of a pass, `bounds` (windows + 1,); they are read from the device once.

    They are stored on the tensor, for later layers and the second forward pass of gradient checkpointing.
    """
    windows = getattr(bounds, ATTRIBUTE, None)
    if windows is None:
        windows = windows_between(bounds.tolist(), bounds.device)
        setattr(bounds, ATTRIBUTE, windows)
    return windows


class BatchedWindows(nn.Module):
    """The forward pass that `fast_vision` gives an attention layer of transformers; the weights stay the same."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        cu_seqlens: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        **options: Any,
    ) -> torch.Tensor:
        """Attend within windows: `hidden_states` (patches, width), `cu_seqlens` (windows + 1,), result (patches, width)."""
        layer: Any = self
        if layer.config._attn_implementation != "sdpa" or position_embeddings is None:  # other implementations batch windows themselves
            return super().forward(hidden_states, cu_seqlens=cu_seqlens, position_embeddings=position_embeddings, **options)
        options.pop("max_seqlen", None)
        patches, windows = len(hidden_states), windows_of(cu_seqlens)
        query, key, value = layer.qkv(hidden_states).reshape(patches, 3, layer.num_heads, -1).unbind(1)  # (patches, heads, width of a head)
        query, key = _rotary_function(type(self))(query, key, *position_embeddings)
        mixed = _attend(layer, (query, key, value), windows, options)
        return layer.proj(mixed.reshape(patches, -1))


def _attend(layer: Any, parts: tuple[torch.Tensor, ...], windows: Windows, options: dict[str, Any]) -> torch.Tensor:
    """Attend within windows, all of one length together; input and output (patches, heads, width of a head)."""
    if windows.order is not None:
        parts = tuple(part.index_select(0, windows.order) for part in parts)
    inputs = zip(*(part.split([count * length for count, length in windows.groups]) for part in parts), strict=True)
    attention = ALL_ATTENTION_FUNCTIONS["sdpa"]
    outputs = []
    for (count, length), group in zip(windows.groups, inputs, strict=True):
        by_window = (part.unflatten(0, (count, length)).transpose(1, 2) for part in group)  # (windows, heads, patches, width of a head)
        output, _ = attention(layer, *by_window, attention_mask=None, scaling=layer.scaling, dropout=0.0, is_causal=False, **options)
        outputs.append(output.flatten(0, 1))
    joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return joined if windows.inverse is None else joined.index_select(0, windows.inverse)


class PatchesAtOnce(nn.Conv3d):
    """A convolution over inputs of one kernel each, as one matrix product; not every version of cuDNN uses one in bfloat16."""

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Embed `patches` (patches, channels, times, height, width) as (patches, width, 1, 1, 1)."""
        if patches.shape[1:] != self.weight.shape[1:]:
            return super().forward(patches)
        return nn.functional.linear(patches.flatten(1), self.weight.flatten(1), self.bias)[..., None, None, None]


def fast_vision(model: Any, on: bool) -> int:
    """Switch a model's vision tower to the fast layers, or back to transformers' own; returns how many layers changed."""
    changed = 0
    for module in core_of(model).visual.modules():
        wanted = _fast_class(type(module)) if on else _own_class(type(module))
        if wanted is not type(module):
            module.__class__ = wanted
            changed += 1
    return changed


def _fast_class(kind: type[Any]) -> type[Any]:
    if kind is nn.Conv3d:
        return PatchesAtOnce
    if kind.__name__.endswith("VisionAttention") and not issubclass(kind, BatchedWindows):
        return _batched(kind)  # type: ignore[arg-type]
    return kind


def _own_class(kind: type[Any]) -> type[Any]:
    if kind is PatchesAtOnce:
        return nn.Conv3d
    return kind.__mro__[2] if issubclass(kind, BatchedWindows) else kind


@cache
def _batched(kind: type[Any]) -> type[Any]:
    return type(kind.__name__, (BatchedWindows, kind), {"__doc__": BatchedWindows.__doc__})


def _rotary_function(kind: type[Any]) -> Any:
    """Return the family's own rotary embedding, from the module that defines its attention."""
    return modules[_own_class(kind).__module__].apply_rotary_pos_emb_vision  # type: ignore[attr-defined]
