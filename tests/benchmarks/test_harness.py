"""Speed of evaluation, as ratios in one run: the usual loop over ``generate`` against ours, with and without each switch.

500 queries share 20 references. These models are so small that Python's and the processor's time counts as much as arithmetic: what a
large model on a GPU gains is measured by ``see-in-pairs benchmark gpu``.

What was aimed at on a CPU is 5 times the loop. On one thread of an idle machine the bundled ``pocket``, which says its one word and
stops, takes 5.1; the tiny models of the families take 5.7 to 9.4. While something else works beside it, it is down to 4.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from empirical.benchmark.evaluation import PATHS, plain_loop, scores
from empirical.benchmark.items import Items
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.loading import load_vlm
from tests.helpers.tiny_models import FAMILIES, save_tiny

LEAST = 3.8  # times the plain loop, with every switch on: below it something was lost (see above)
WAYS = ("plain loop", *PATHS)


@pytest.fixture(scope="module")
def pocket() -> VisionLanguageModel:
    torch.set_num_threads(1)
    return load_vlm(ModelConfig())


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_evaluation_with_a_tiny_model_of_every_family(benchmark: BenchmarkFixture, tmp_path: Path, family: str) -> None:
    if family == "smolvlm" and importlib.util.find_spec("num2words") is None:
        pytest.skip("SmolVLM's processor needs the package num2words")
    torch.set_num_threads(1)
    vlm, timed = load_vlm(ModelConfig(name=str(save_tiny(family, tmp_path)))), benchmark.enabled
    items, loops = Items(500, 20, 64) if timed else Items(8, 2, 64), list[float]()

    def loop() -> None:
        began = time.perf_counter()
        plain_loop(vlm, items)
        loops.append(time.perf_counter() - began)

    benchmark.pedantic(lambda: scores(vlm, items, 32, PATHS["everything"]), setup=loop, rounds=3 if timed else 1)  # in turns
    if timed:
        ratio = float(np.median(loops)) / benchmark.stats.stats.median
        benchmark.extra_info["times the plain loop"] = round(ratio, 1)
        assert ratio >= LEAST


@pytest.fixture(scope="module")
def medians() -> dict[str, float]:
    return {}


@pytest.mark.parametrize("way", WAYS)
def test_evaluation(benchmark: BenchmarkFixture, pocket: VisionLanguageModel, medians: dict[str, float], way: str) -> None:
    timed = benchmark.enabled
    items = Items(500, 20, 64) if timed else Items(8, 2, 64)

    def work() -> object:
        return plain_loop(pocket, items) if way == "plain loop" else scores(pocket, items, 32, PATHS[way])

    benchmark.pedantic(work, rounds=3 if timed else 1, warmup_rounds=1 if timed else 0)
    if not timed:
        return
    medians[way] = benchmark.stats.stats.median
    if way != "plain loop":
        benchmark.extra_info["times the plain loop"] = round(medians["plain loop"] / medians[way], 1)
    if way == "everything":
        assert medians["plain loop"] / medians[way] >= LEAST


def test_every_path_gives_the_same_scores(pocket: VisionLanguageModel) -> None:
    items = Items(9, 2, 64)
    plain = scores(pocket, items, 4, PATHS["plain batches"])
    for name, speed in PATHS.items():
        assert np.abs(scores(pocket, items, 4, speed) - plain).max() < 1e3 * np.finfo(np.float32).eps, name
