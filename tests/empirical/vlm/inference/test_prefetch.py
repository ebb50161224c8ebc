"""What is prepared ahead of the model is what would have been without threads: to the last bit, in order, errors included."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from empirical.benchmark.items import Items
from empirical.cohorts.images import open_rgb
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.feature_cache import cache
from empirical.vlm.feature_cache.cache import FeatureCache
from empirical.vlm.inference import encoder as encoder_module
from empirical.vlm.inference import prefetch
from empirical.vlm.inference.batch_scorer import PLAIN, BatchScorer
from empirical.vlm.inference.encoder import Encoder, PrefetchEncoder
from empirical.vlm.inference.prefetch import prefetch_map, thread_pool
from see_in_pairs.errors import InputError
from tests.helpers.tiny_models import vlm_fixture

ITEMS = Items(7, 2, 48)


vlm = vlm_fixture(["qwen2_5_vl", "idefics3", "llava_onevision"])


def left_behind() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("prepare")]


def shuffled(name: str) -> Image.Image:
    """Paint a picture of one of several shapes; the earlier it was asked for, the longer it takes."""
    number = int(name.partition("-")[2])
    time.sleep(0.002 * (7 - number % 7))
    return ITEMS.picture(name).resize((48 + 8 * (number % 3), 48))


def threads(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    for module in (prefetch, encoder_module, cache):
        monkeypatch.setattr(module, "thread_count", lambda: count)


def test_jobs_come_in_order_with_no_more_ahead_than_allowed() -> None:
    begun: list[int] = []

    def work(job: int) -> int:
        begun.append(job)
        time.sleep(0.002 * (5 - job % 5))
        return job * job

    with thread_pool() as pool:
        for place, made in enumerate(prefetch_map(pool, work, range(12), 3)):
            assert made == place * place and max(begun) <= place + 3
    assert sorted(begun) == list(range(12)) and left_behind() == []


def test_an_error_comes_at_its_turn_and_leaves_no_thread() -> None:
    def work(job: int) -> int:
        if job in (3, 4):
            raise InputError(f"job {job}")
        return job

    done = []
    with pytest.raises(InputError, match="job 3"), thread_pool() as pool:
        list(prefetch_map(pool, work, range(100), 8))
    with pytest.raises(InputError, match="job 3"), thread_pool() as pool:
        for made in prefetch_map(pool, work, range(100), 8):
            done.append(made)
    assert done == [0, 1, 2] and left_behind() == []


def test_the_next_batch_is_prepared_while_the_model_has_the_one_before(vlm: VisionLanguageModel) -> None:
    examples, asked = ITEMS.examples(), threading.Event()

    def picture(name: str) -> Image.Image:
        if name == examples[2].item_id:
            asked.set()
        return ITEMS.picture(name)

    with thread_pool() as pool:
        encoder = PrefetchEncoder(Encoder(vlm.processor, vlm.family, picture), pool, [examples[:2], examples[2:4]])
        encoder.prompts(examples[:2])
        assert asked.wait(10)  # nobody asked for it yet


@pytest.mark.parametrize("count", [1, 3])
def test_batches_are_those_of_the_plain_encoder(vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    threads(monkeypatch, count)
    examples, plain = ITEMS.examples(), Encoder(vlm.processor, vlm.family, shuffled)
    batches = [examples[start : start + 2] for start in range(0, 7, 2)]
    with thread_pool() as pool:
        encoder = PrefetchEncoder(plain, pool, batches)
        asked = [(batches[0], "left"), (batches[0], "left"), (examples[3:6], "left"), (batches[1], "right")]
        for rows, side in [*asked, *((batch, "left") for batch in batches[1:])]:
            made, wanted = encoder.prompts(rows, side), plain.prompts(rows, side)
            assert made.keys() == wanted.keys()
            assert all(torch.equal(made[name], wanted[name]) for name in wanted if torch.is_tensor(made[name]))
    assert left_behind() == []


def test_scores_of_the_plain_path_do_not_depend_on_the_threads(vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.vlm.inference.scoring import answer_log_probabilities

    examples, answers = ITEMS.examples(), ("yes", "no no")  # the second of several tokens: prompts are asked for twice
    plain = Encoder(vlm.processor, vlm.family, shuffled)
    threads(monkeypatch, 3)
    found, _ = BatchScorer(vlm, plain, answers, 2, PLAIN).scores(examples)
    parts = [examples[start : start + 2] for start in range(0, 7, 2)]
    assert np.array_equal(found, np.concatenate([answer_log_probabilities(vlm.model, plain, part, answers) for part in parts]))


def test_features_do_not_depend_on_the_threads(vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"query-{number}" for number in (0, 1, 2, 0, 3, 4, 5, 6, 1)]
    stores = {}
    for count in (1, 3):
        threads(monkeypatch, count)
        stores[count] = FeatureCache(vlm, batch_size=2)
        stores[count].add(names, Encoder(vlm.processor, vlm.family, shuffled))
    one, other = stores[1], stores[3]
    assert [one.index_of(name) for name in names] == [other.index_of(name) for name in names] == [0, 1, 2, 0, 3, 4, 5, 6, 1]
    assert one.computed == other.computed == 7
    assert all(torch.equal(one.images[number].features, other.images[number].features) for number in one.images)
    assert left_behind() == []


def broken(tmp_path: Path) -> Callable[[str], Image.Image]:
    for number in range(7):
        ITEMS.picture(f"query-{number}").save(tmp_path / f"query-{number}.png")
    for number in (3, 5):
        (tmp_path / f"query-{number}.png").write_bytes((tmp_path / f"query-{number}.png").read_bytes()[:60])
    return lambda name: open_rgb(tmp_path / f"{name}.png") if name.startswith("query") else ITEMS.picture(name)


@pytest.mark.parametrize("stored", [True, False])
def test_a_broken_image_is_one_line_that_names_the_first_file(vlm: VisionLanguageModel, tmp_path: Path, stored: bool) -> None:
    encoder = Encoder(vlm.processor, vlm.family, broken(tmp_path))
    with pytest.raises(InputError) as error:
        BatchScorer(vlm, encoder, ("yes", "no"), 2, None if stored else PLAIN).scores(ITEMS.examples())
    assert str(tmp_path / "query-3.png") in str(error.value) and "\n" not in str(error.value)
    assert left_behind() == []
