"""Speed of Qwen2.5-VL's vision tower, our way against transformers' own, in turns.

Patches, windows and heads are the true ones (an eighth of the width and of the layers); pictures of 504 pixels have windows of three
sizes, those of 448 of one. On a CPU the calls that are saved cost little beside arithmetic, which is the same: what a GPU gains, for which
they are too short to be worth their launch, is measured by ``see-in-pairs benchmark gpu``. Times are the process's own, not the clock's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from empirical.benchmark.items import Items
from empirical.benchmark.shapes import Shape, build
from empirical.vlm.config import ModelConfig
from empirical.vlm.families.qwen_vision import PatchesAtOnce
from empirical.vlm.feature_cache.tower import flatten_features, image_features
from empirical.vlm.inference.encoder import Encoder

ROUNDS = 9
LEAST = 1.0  # times transformers' own speed


def in_turns(benchmark: BenchmarkFixture, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Time both, round by round, and hold the median of the rounds' ratios against `LEAST`."""
    torch.set_num_threads(1)
    if not benchmark.enabled:
        theirs()
        benchmark(ours)
        return
    seconds: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}

    def clocked(work: Callable[[], object]) -> None:
        start = time.process_time()
        work()
        seconds[work].append(time.process_time() - start)

    clocked(ours)
    benchmark.pedantic(lambda: clocked(ours), setup=lambda: clocked(theirs), rounds=ROUNDS)
    ratios = np.array(seconds[theirs]) / np.array(seconds[ours][1:])
    benchmark.extra_info |= {
        f"ms, {name}": round(1e3 * float(np.median(seconds[way])), 1) for name, way in (("fast", ours), ("own", theirs))
    }
    benchmark.extra_info["times transformers' own, by rounds"] = [round(float(ratio), 2) for ratio in sorted(ratios)]
    assert np.median(ratios) >= LEAST


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("side", [448, 504])
def test_vision_tower(benchmark: BenchmarkFixture, side: int, gradients: bool) -> None:
    side = side if benchmark.enabled else side - 336
    shape = Shape(64, 1, 4, 2, 128, 600, True, 160, 4, 2, 428, (3,), image=side)
    vlm = build(shape, ModelConfig(name="tower", device="cpu"))
    items = Items(2, 1, side)
    batch = Encoder(vlm.processor, vlm.family, items.picture).prompts(items.examples())  # four pictures

    def fast() -> None:
        with nullcontext() if gradients else torch.no_grad():
            made = flatten_features(image_features(vlm.model, batch).pooler_output)
        if gradients:
            made.sum().backward()
            vlm.model.zero_grad(set_to_none=True)

    def own() -> None:
        with vlm.family.own_vision(vlm.model) as layers:
            assert layers == 5
            fast()

    in_turns(benchmark, fast, own)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_patch_embedding(benchmark: BenchmarkFixture, dtype: str) -> None:
    """One picture of 448 pixels at full width."""
    kernel = {"kernel_size": (2, 14, 14), "stride": (2, 14, 14), "bias": False, "dtype": getattr(torch, dtype)}
    fast, own = PatchesAtOnce(3, 1280, **kernel).requires_grad_(False), torch.nn.Conv3d(3, 1280, **kernel).requires_grad_(False)
    patches = torch.randn(32 * 32 if benchmark.enabled else 4, 3, 2, 14, 14, dtype=fast.weight.dtype)
    in_turns(benchmark, lambda: fast(patches), lambda: own(patches))
