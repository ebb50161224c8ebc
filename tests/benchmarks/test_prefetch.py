"""Pictures from files to what the vision tower takes: in one thread, and in two ahead of a model, as a ratio in one run.

Beside it stands the ratio for hashing, which needs nothing of Python's: on a machine that is busy or has one core to give, that is 1, and
the other says nothing. The image processor is Qwen2.5-VL's own with its own settings; the pictures are JPEG files, as large as chest
X-rays are commonly kept.
"""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from empirical.prompts.example import Example
from empirical.prompts.templates import Part
from empirical.vlm.config import ModelConfig
from empirical.vlm.inference import prefetch
from empirical.vlm.inference.encoder import Encoder, PrefetchEncoder
from empirical.vlm.inference.prefetch import thread_pool
from empirical.vlm.loading import load_vlm
from tests.helpers.tiny_models import save_tiny

ROWS, BATCHES = 8, 6


@pytest.fixture(scope="module")
def medians() -> dict[tuple[int, str], float]:
    return {}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    from transformers import Qwen2VLImageProcessorPil

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pictures")
    vlm = load_vlm(ModelConfig(name=str(save_tiny("qwen2_5_vl", folder / "model"))))
    vlm.processor.image_processor = Qwen2VLImageProcessorPil(patch_size=14, merge_size=2, temporal_patch_size=2)
    rng = np.random.default_rng(0)
    for side in (448, 1024):
        for number in range(ROWS * BATCHES):
            coarse = Image.fromarray(rng.integers(0, 255, (side // 8, side // 8, 3), dtype=np.uint8))
            coarse.resize((side, side)).save(folder / f"{side}-{number}.jpg", quality=90)

    def image_of(name: str) -> Image.Image:
        with Image.open(folder / f"{name}.jpg") as picture:
            return picture.convert("RGB")

    return Encoder(vlm.processor, vlm.family, image_of)


@pytest.mark.parametrize("side", [448, 1024])
@pytest.mark.parametrize("way", ["one after the other", "two threads"])
def test_preparing(
    benchmark: BenchmarkFixture, plain: Encoder, medians: dict[tuple[int, str], float], monkeypatch: pytest.MonkeyPatch, side: int, way: str
) -> None:
    monkeypatch.setattr(prefetch, "thread_count", lambda: 2)
    count = BATCHES if benchmark.enabled else 1
    names = [[f"{side}-{ROWS * batch + row}" for row in range(ROWS)] for batch in range(count)]
    batches = [[Example(name, (Part("query"),), (name,), "yes", ()) for name in part] for part in names]

    def work() -> int:
        if way == "one after the other":
            return sum(plain.prompts(batch)["pixel_values"].numel() for batch in batches)
        with thread_pool() as pool:
            encoder = PrefetchEncoder(plain, pool, batches)
            return sum(encoder.prompts(batch)["pixel_values"].numel() for batch in batches)

    benchmark.pedantic(work, rounds=5 if benchmark.enabled else 1, warmup_rounds=1 if benchmark.enabled else 0)
    if not benchmark.enabled:
        return
    medians[side, way] = benchmark.stats.stats.median
    benchmark.extra_info["ms a picture"] = round(1000 * medians[side, way] / (ROWS * count), 1)
    if way == "two threads":
        benchmark.extra_info["times one thread, work without Python's lock"] = round(_without_lock(), 2)
        benchmark.extra_info["times one thread"] = round(medians[side, "one after the other"] / medians[side, way], 2)


def _without_lock() -> float:
    data, times = bytes(30_000_000), []
    for count in (1, 2):
        with ThreadPoolExecutor(count) as pool:
            began = time.perf_counter()
            list(pool.map(hashlib.sha256, [data] * 8))
            times.append(time.perf_counter() - began)
    return times[0] / times[1]
