"""The vision tower of the Qwen families with fewer, larger kernels: the same numbers, and nothing that waits for the device in a layer.

Qwen2.5-VL lets patches see a window of their image, Qwen2-VL and Qwen3-VL the whole image. Unless flash attention is installed,
transformers calls attention once for every window, or image, of every layer, after asking the device in each layer how long they are.
Here windows of one length go through one call, and their lengths are asked for once a pass.
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

KEPT = "see_in_pairs_windows"  # under this name a tensor of bounds carries its windows: layers of one pass are handed the same tensor


@dataclass(frozen=True)
class Windows:
    """Windows of a row of patches, by length."""

    groups: tuple[tuple[int, int], ...]  # (windows, patches in each), one for each length that occurs
    order: torch.Tensor | None  # places of the patches, window after window, in the order of the groups; None where they lie so already
    back: torch.Tensor | None  # the inverse of `order`


def windows_between(bounds: Sequence[int], device: torch.device | str = "cpu") -> Windows:
    """Put windows of one length together.

    Returns lengths in the order in which they first occur; empty windows are left out.

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
    groups = tuple((len(places), length) for length, places in starts.items())
    order = torch.cat([(torch.tensor(places)[:, None] + torch.arange(length)).flatten() for length, places in starts.items()])
    if bool((order == torch.arange(len(order))).all()):
        return Windows(groups, None, None)
    return Windows(groups, order.to(device), order.argsort().to(device))


def windows_of(bounds: torch.Tensor) -> Windows:
    """Find the windows of a pass, asking the device once.

    Shapes: `bounds` (windows + 1,). Returns kept with the tensor, for the layers to come and for the second forward pass of gradient
    checkpointing.
    """
    kept = getattr(bounds, KEPT, None)
    if kept is None:
        kept = windows_between(bounds.tolist(), bounds.device)
        setattr(bounds, KEPT, kept)
    return kept


class BatchedWindows(nn.Module):
    """What an attention layer of transformers becomes (see `fast_vision`); weights and all else are its own."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        cu_seqlens: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        **options: Any,
    ) -> torch.Tensor:
        """Attend within windows.

        Shapes: `hidden_states` (patches, width), `cu_seqlens` (windows + 1,). Returns (patches, width): As transformers' own layer gives
        it.
        """
        layer: Any = self
        if layer.config._attn_implementation != "sdpa" or position_embeddings is None:  # the others take windows in their own ways
            return super().forward(hidden_states, cu_seqlens=cu_seqlens, position_embeddings=position_embeddings, **options)
        options.pop("max_seqlen", None)
        patches, windows = len(hidden_states), windows_of(cu_seqlens)
        query, key, value = layer.qkv(hidden_states).reshape(patches, 3, layer.num_heads, -1).unbind(1)
        query, key = _rotation_of(type(self))(query, key, *position_embeddings)
        mixed = _attend(layer, (query, key, value), windows, options)
        return layer.proj(mixed.reshape(patches, -1))


def _attend(layer: Any, parts: tuple[torch.Tensor, ...], windows: Windows, options: dict[str, Any]) -> torch.Tensor:
    """Attend within windows, all of one length at once; in and out: (patches, heads, width of a head)."""
    if windows.order is not None:
        parts = tuple(part.index_select(0, windows.order) for part in parts)
    pieces = zip(*(part.split([count * length for count, length in windows.groups]) for part in parts), strict=True)
    attention = ALL_ATTENTION_FUNCTIONS["sdpa"]
    made = []
    for (count, length), piece in zip(windows.groups, pieces, strict=True):
        by_window = (part.unflatten(0, (count, length)).transpose(1, 2) for part in piece)  # (windows, heads, patches, width of a head)
        done, _ = attention(layer, *by_window, attention_mask=None, scaling=layer.scaling, dropout=0.0, is_causal=False, **options)
        made.append(done.flatten(0, 1))
    joined = made[0] if len(made) == 1 else torch.cat(made)
    return joined if windows.back is None else joined.index_select(0, windows.back)


class PatchesAtOnce(nn.Conv3d):
    """A convolution whose input is one kernel wide: a product of two matrices, which cuDNN does not find in every version (bfloat16)."""

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Embed patches.

        Shapes: `patches` (patches, channels, times, height, width). Returns (patches, width, 1, 1, 1): As the convolution gives it.
        """
        if patches.shape[1:] != self.weight.shape[1:]:
            return super().forward(patches)
        return nn.functional.linear(patches.flatten(1), self.weight.flatten(1), self.bias)[..., None, None, None]


def fast_vision(model: Any, on: bool) -> int:
    """Let a model's vision tower go the fast way, or transformers' own.

    Returns how many layers that changed.
    """
    changed = 0
    for module in core_of(model).visual.modules():
        wanted = _fast(type(module)) if on else _own(type(module))
        if wanted is not type(module):
            module.__class__ = wanted
            changed += 1
    return changed


def _fast(kind: type[Any]) -> type[Any]:
    if kind is nn.Conv3d:
        return PatchesAtOnce
    if kind.__name__.endswith("VisionAttention") and not issubclass(kind, BatchedWindows):
        return _batched(kind)  # type: ignore[arg-type]
    return kind


def _own(kind: type[Any]) -> type[Any]:
    if kind is PatchesAtOnce:
        return nn.Conv3d
    return kind.__mro__[2] if issubclass(kind, BatchedWindows) else kind


@cache
def _batched(kind: type[Any]) -> type[Any]:
    return type(kind.__name__, (BatchedWindows, kind), {"__doc__": BatchedWindows.__doc__})


def _rotation_of(kind: type[Any]) -> Any:
    """Take the family's own function for positions, from the module where its attention stands."""
    return modules[_own(kind).__module__].apply_rotary_pos_emb_vision  # type: ignore[attr-defined]
