"""What the host takes to put a batch together, at the image sizes of Qwen2.5-VL: by the processor, and from a batch of the same kinds.

While the host does, a GPU waits. The tokenizer is ours, so that nothing is downloaded; the vision tower is narrow, it is not timed.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from empirical.benchmark.items import Items
from empirical.benchmark.shapes import SHAPES, build
from empirical.vlm.config import ModelConfig
from empirical.vlm.feature_cache.cache import FeatureCache
from empirical.vlm.feature_cache.encoder import CachedEncoder
from empirical.vlm.inference.encoder import Encoder

ROWS = 32
LEAST = 10  # times as fast: the rest is copying the tensors


@pytest.mark.parametrize("side", [448, 1036])
def test_a_batch_of_known_kinds(benchmark: BenchmarkFixture, side: int) -> None:
    torch.set_num_threads(1)
    timed = benchmark.enabled
    shape = replace(SHAPES["tiny"], image=side if timed else 56, patch=14, window=112)
    vlm, items = build(shape, ModelConfig(name="tiny", device="cpu")), Items(2 * ROWS, 4, shape.image)
    encoder = Encoder(vlm.processor, vlm.family, items.picture)
    feature_cache = FeatureCache(vlm)
    first, second = items.examples()[:ROWS], items.examples()[ROWS:]
    feature_cache.add([name for row in items.examples() for name in row.images], encoder)
    cached, anew = CachedEncoder(encoder, feature_cache), CachedEncoder(encoder, feature_cache)
    cached.prompts(first)

    def forget() -> None:
        anew._templates.clear()

    benchmark.pedantic(lambda: anew.prompts(second), setup=forget, rounds=9 if timed else 1, warmup_rounds=1 if timed else 0)
    assert all(torch.equal(value, anew.prompts(second)[name]) for name, value in cached.prompts(second).items())
    if timed:
        from timeit import repeat

        fast = min(repeat(lambda: cached.prompts(second), number=1, repeat=9))
        benchmark.extra_info |= {"tokens a row": anew.prompts(second)["input_ids"].shape[1], "ms from a known batch": round(1e3 * fast, 2)}
        assert benchmark.stats.stats.median / fast >= LEAST
