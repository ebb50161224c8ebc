"""The fast way through a Qwen vision tower: the numbers and gradients of transformers' own, in fewer calls, and it can be turned off."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.doctor import vision
from empirical.vlm.doctor.model_under_test import ModelUnderTest
from empirical.vlm.families import qwen_vision
from empirical.vlm.families.qwen_vision import BatchedWindows, PatchesAtOnce, windows_between
from empirical.vlm.feature_cache.tower import core_of, flatten_features, image_features
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.scoring import to_device
from empirical.vlm.loading import load_vlm
from tests.helpers.examples import example, random_pictures
from tests.helpers.tiny_models import load_tiny, vlm_fixture

QWEN = ("qwen2_5_vl", "qwen2_vl", "qwen3_vl")
PICTURES = random_pictures({"a": (64, 64), "b": (96, 48), "c": (48, 96), "ref": (64, 64), "small": (40, 40)})
vlm = vlm_fixture(QWEN, dtype="float32")


def batch_of(vlm: VisionLanguageModel, queries: str = "abc") -> dict[str, torch.Tensor]:
    examples = [example("small" if query == "s" else query, "ref") for query in queries]
    return to_device(Encoder(vlm.processor, vlm.family, PICTURES.__getitem__).prompts(examples), vlm.model)


def features(vlm: VisionLanguageModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    made = image_features(vlm.model, batch)
    return torch.cat(
        [flatten_features(part).flatten() for part in (made.pooler_output, *(getattr(made, "deepstack_features", None) or []))]
    )


def gradients(vlm: VisionLanguageModel, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of a sum over features, in the tower's weights; every feature counts, with unlike weights."""
    made = features(vlm, batch)
    made.backward(torch.linspace(-1, 1, made.numel(), dtype=made.dtype).to(made.device))
    found = {name: weight.grad for name, weight in core_of(vlm.model).visual.named_parameters() if weight.grad is not None}
    vlm.model.zero_grad(set_to_none=True)
    return found


@contextmanager
def own_projection(vlm: VisionLanguageModel) -> Iterator[None]:
    """Turn the matrix product back into a convolution, which adds up in another order; what is left differs in no rounding."""
    layers = [module for module in core_of(vlm.model).visual.modules() if type(module) is PatchesAtOnce]
    for layer in layers:
        layer.__class__ = torch.nn.Conv3d
    yield
    for layer in layers:
        layer.__class__ = PatchesAtOnce


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_attention_gives_the_same_numbers_to_the_last_bit(vlm: VisionLanguageModel, dtype: Literal["float32", "bfloat16"]) -> None:
    held = load_vlm(vlm.config.model_copy(update={"dtype": dtype}))
    batch = batch_of(held)
    with torch.no_grad(), own_projection(held):
        fast = features(held, batch)
        with held.family.own_vision(held.model) as layers:
            assert layers == len(core_of(held.model).visual.blocks)
            own = features(held, batch)
    if held.model.device.type == "cpu":
        assert torch.equal(fast, own)
    assert apart(fast, own) < 8 * torch.finfo(held.model.dtype).eps  # elsewhere a kernel is chosen by the shape of what it is given


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_whole_tower_differs_by_roundings(vlm: VisionLanguageModel, dtype: Literal["float32", "bfloat16"]) -> None:
    """The embedding's sum has another order: one rounding at the start, which layers (three at most) carry on."""
    held = load_vlm(vlm.config.model_copy(update={"dtype": dtype}))
    batch = batch_of(held)
    with torch.no_grad():
        fast = features(held, batch)
        with held.family.own_vision(held.model):
            own = features(held, batch)
    assert apart(fast, own) < 8 * torch.finfo(held.model.dtype).eps


def test_gradients_are_those_of_transformers_own_way(vlm: VisionLanguageModel) -> None:
    batch = batch_of(vlm)
    fast = gradients(vlm, batch)
    with vlm.family.own_vision(vlm.model):
        own = gradients(vlm, batch)
    assert fast.keys() == own.keys() and any("patch_embed" in name for name in fast)
    scale = max(float(value.norm()) for value in own.values())  # a key's bias moves no attention: its gradient is rounding alone
    worst = {name: float((fast[name] - own[name]).norm()) / max(float(own[name].norm()), 1e-3 * scale) for name in own}
    assert max(worst.values()) < 100 * torch.finfo(torch.float32).eps, max(worst, key=worst.__getitem__)


def test_gradient_checkpointing_computes_the_same_gradients(vlm: VisionLanguageModel) -> None:
    batch = batch_of(vlm)
    plain = gradients(vlm, batch)
    vlm.model.gradient_checkpointing_enable({"use_reentrant": False})
    vlm.model.train()
    try:
        with counted() as (calls, _):
            again = gradients(vlm, batch)
    finally:
        vlm.model.eval()
        vlm.model.gradient_checkpointing_disable()
    once = sum(map(len, expected_calls(vlm, batch)))
    assert calls == [2 * once], "the tower was not computed twice: checkpointing is not on"
    assert all(torch.equal(plain[name], again[name]) for name in plain)


@contextmanager
def counted() -> Iterator[tuple[list[int], list[int]]]:
    """Count calls of attention, and how often windows were looked up."""
    calls, looks, plain, between = [0], [0], torch.nn.functional.scaled_dot_product_attention, qwen_vision.windows_between

    def attention(*arguments: object, **options: object) -> torch.Tensor:
        calls[0] += 1
        return plain(*arguments, **options)  # type: ignore[arg-type]

    def look(*arguments: object) -> qwen_vision.Windows:
        looks[0] += 1
        return between(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", attention)
        patch.setattr(qwen_vision, "windows_between", look)
        yield calls, looks


def expected_calls(vlm: VisionLanguageModel, batch: dict[str, torch.Tensor]) -> list[set[int]]:
    """List for each layer the numbers of patches that its windows have, counted from the images' shapes."""
    tower = core_of(vlm.model).visual
    grids = batch["image_grid_thw"].tolist()
    whole = {height * width for _, height, width in grids}
    side = getattr(tower, "window_size", 0) // tower.config.patch_size

    def parts(length: int) -> list[int]:
        return [min(side, length - start) for start in range(0, length, side)]

    windows = {down * across for _, height, width in grids for down in parts(height) for across in parts(width)} if side else set()
    full = getattr(tower, "fullatt_block_indexes", range(len(tower.blocks)))
    return [whole if number in full else windows for number in range(len(tower.blocks))]


def test_one_call_of_attention_for_each_length_however_many_images(vlm: VisionLanguageModel) -> None:
    for queries in ("a", "abcs", "abcsabcs"):
        batch = batch_of(vlm, queries)
        with torch.no_grad(), counted() as (calls, looks):
            features(vlm, batch)
        expected = expected_calls(vlm, batch)
        assert calls == [sum(map(len, expected))]
        assert looks == [len({frozenset(lengths) for lengths in expected})]  # once a pass for each kind of layer, not once a layer
        with torch.no_grad(), counted() as (calls, looks), vlm.family.own_vision(vlm.model):
            features(vlm, batch)
        assert calls[0] >= len(batch["image_grid_thw"]) * len(expected) and looks == [0]


def test_a_copy_goes_the_fast_way_too(vlm: VisionLanguageModel) -> None:
    attention = core_of(vlm.model).visual.blocks[0].attn
    twin = copy.deepcopy(attention).cpu()
    assert type(twin) is type(attention) and twin.qkv is not attention.qkv


def test_the_switch_turns_it_off_and_on(tmp_path: Path) -> None:
    slow = load_tiny("qwen2_5_vl", tmp_path, fast_vision=False)
    assert slow.family.fast_vision(slow.model, False) == 0
    assert vision.fast_vision(ModelUnderTest(slow, PromptConfig())) == (True, "not used: switched off, or the family has none")
    fast = load_vlm(ModelConfig(name=str(tmp_path)))
    assert fast.model.state_dict().keys() == slow.model.state_dict().keys()
    layers = [type(module) for module in core_of(fast.model).visual.modules() if isinstance(module, BatchedWindows | PatchesAtOnce)]
    assert len(layers) == fast.family.fast_vision(fast.model, False) == 3
    assert [type(module) for module in fast.model.modules()] == [type(module) for module in slow.model.modules()]
    assert fast.family.fast_vision(fast.model, True) == 3 and fast.family.fast_vision(fast.model, True) == 0


def test_other_attention_backends_go_their_own_way(vlm: VisionLanguageModel) -> None:
    batch = batch_of(vlm)
    held = load_vlm(vlm.config.model_copy(update={"attention": "eager"}))
    with torch.no_grad(), counted() as (calls, looks):
        eager = features(held, batch)
    assert calls == looks == [0]
    with torch.no_grad():
        assert apart(eager, features(vlm, batch)) < 100 * torch.finfo(torch.float32).eps


def test_the_doctor_sees_a_fast_way_that_went_astray(vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    passed, detail = vision.fast_vision(ModelUnderTest(vlm, PromptConfig()))
    assert passed and detail.startswith(f"{len(core_of(vlm.model).visual.blocks) + 1} layers")
    between = qwen_vision.windows_between
    monkeypatch.setattr(qwen_vision, "windows_between", lambda bounds, device: between([0, bounds[-1]], device))  # windows: all in one
    passed, _ = vision.fast_vision(ModelUnderTest(vlm, PromptConfig()))
    assert not passed


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8).filter(any))
def test_attention_within_windows_is_attention_under_a_mask(lengths: list[int]) -> None:
    bounds = [0, *np.cumsum(lengths).tolist()]
    patches, heads, width = bounds[-1], 2, 4
    parts = tuple(
        torch.randn(patches, heads, width, dtype=torch.float64, generator=torch.Generator().manual_seed(part)) for part in range(3)
    )
    layer = torch.nn.Module()
    layer.scaling = width**-0.5  # type: ignore[assignment]
    made = qwen_vision._attend(layer, parts, windows_between(bounds), {})
    window = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    query, key, value = (part.transpose(0, 1) for part in parts)
    weights = (query @ key.mT / width**0.5).masked_fill(window[:, None] != window, -torch.inf).softmax(dim=-1)
    assert torch.allclose(made, (weights @ value).transpose(0, 1), atol=1e-12, rtol=0)


@pytest.mark.parametrize("bias", [True, False])
def test_patches_at_once_are_the_convolution(bias: bool) -> None:
    own = torch.nn.Conv3d(3, 8, kernel_size=(2, 4, 4), stride=(2, 4, 4), bias=bias, dtype=torch.float64)
    fast = PatchesAtOnce(3, 8, kernel_size=(2, 4, 4), stride=(2, 4, 4), bias=bias, dtype=torch.float64)
    fast.load_state_dict(own.state_dict())
    for shape in ((5, 3, 2, 4, 4), (2, 3, 4, 8, 8)):  # the second is larger than a kernel: left to the convolution
        pixels = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        assert fast(pixels).shape == own(pixels).shape
        assert torch.allclose(fast(pixels), own(pixels), atol=1e-13, rtol=0)
