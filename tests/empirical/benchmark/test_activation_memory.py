"""What a training step keeps for its backward pass: the closed form against autograd's own books."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from empirical.benchmark.activation_memory import saved_by_layer, saved_by_step
from empirical.benchmark.shapes import SHAPES, Shape, build
from empirical.training.config import LoraConfig
from empirical.training.trainable import make_trainable
from empirical.vlm.config import ModelConfig

TINY = replace(SHAPES["tiny"], vision_layers=1, whole=(0,))


@pytest.mark.parametrize(
    "change", [{}, {"width": 128}, {"feed_forward": 256}, {"kv_heads": 4}, {"width": 128, "heads": 8, "kv_heads": 4, "feed_forward": 512}]
)
@pytest.mark.parametrize("rank", [4, 16])
def test_bytes_of_a_layer_and_token_are_those_that_autograd_saves(change: dict[str, int], rank: int) -> None:
    """Between two layers and one all that is not a layer's own cancels, between two lengths what does not grow with the prompt."""
    shape = replace(TINY, **change)
    one, two = (grown(replace(shape, layers=layers), rank) for layers in (1, 2))
    assert two - one == 32 * saved_by_layer(shape, rank)


def grown(shape: Shape, rank: int) -> int:
    vlm = build(shape, ModelConfig(name="tiny", device="cpu", dtype="bfloat16"))
    model = make_trainable(vlm, "lora", LoraConfig(rank=rank))
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):  # as on a GPU: a CPU's own keeps its mask in the number format
            module.forward = partial(dropout, module.p)  # type: ignore[method-assign]
    return kept(model, shape.width, 64) - kept(model, shape.width, 32)


def dropout(share: float, x: torch.Tensor) -> torch.Tensor:
    return torch.native_dropout(x, share, True)[0]


def kept(model: Any, width: int, tokens: int) -> int:
    """Count the bytes of a forward pass, each storage once, weights left out."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    storages: dict[int, Any] = {}

    def pack(saved: torch.Tensor) -> torch.Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage  # held, so that its address is not given out again
        return saved

    begin = torch.zeros(1, tokens, width, dtype=torch.bfloat16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        model.get_decoder()(inputs_embeds=begin, use_cache=False)
    return sum(storage.nbytes() for storage in storages.values())


def test_checkpointing_keeps_what_enters_the_layers_and_one_of_them() -> None:
    seven, tokens = SHAPES["7b"], 1000
    thrifty, plain = (saved_by_step(seven, tokens, checkpointing) for checkpointing in (True, False))
    assert plain * 2**30 == tokens * 28 * saved_by_layer(seven)
    assert thrifty * 2**30 == tokens * (28 * 2 * 3584 + saved_by_layer(seven))
