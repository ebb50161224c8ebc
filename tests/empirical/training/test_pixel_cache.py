"""Kept pixels: batches are the very ones of the official processor, or the official processor is called."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from empirical.training.pixel_cache import TRIALS, PixelCache
from empirical.vlm.config import ModelConfig
from empirical.vlm.loading import load_vlm


class Counting:
    """Processes image by image, as most do; counts the images that it was shown."""

    def __init__(self, *, mean_of_all: bool = False) -> None:
        self.shown, self.mean_of_all, self.size = 0, mean_of_all, {"side": 4}

    def __call__(self, images: list[list[np.ndarray]], scale: float = 1.0) -> dict[str, Any]:
        self.shown += sum(map(len, images))
        pixels = torch.stack([torch.stack([torch.as_tensor(image) * scale for image in row]) for row in images])
        return {
            "pixel_values": pixels - pixels.mean() if self.mean_of_all else pixels,
            "rows": [[len(image) for image in row] for row in images],
        }


@pytest.fixture
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(4, 4)) for _ in range(6)]


def batches(images: list[np.ndarray], number: int) -> list[list[list[np.ndarray]]]:
    rng = np.random.default_rng(1)
    return [[[images[place] for place in rng.permutation(6)[:2]] for _ in range(3)] for _ in range(number)]


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return torch.equal(a["pixel_values"], b["pixel_values"]) and a["rows"] == b["rows"]


def test_batches_are_the_official_ones_and_each_image_is_processed_once(images: list[np.ndarray]) -> None:
    official, plain = Counting(), Counting()
    cache = PixelCache(official)
    for batch in batches(images, 8):
        assert same(cache(batch), plain(batch))
    assert official.shown == 6 + TRIALS * 6  # each alone, and the first batches for comparison
    assert cache.size == {"side": 4}  # other attributes are the processor's own


@pytest.mark.parametrize("reason", ["looks at all images", "ragged rows", "other options", "memory"])
def test_where_lone_images_do_not_make_the_batch_the_official_processor_is_called(reason: str, images: list[np.ndarray]) -> None:
    official, plain = (Counting(mean_of_all=reason == "looks at all images") for _ in range(2))
    cache = PixelCache(official, kept_bytes=3 * images[0].nbytes if reason == "memory" else 2**20)
    for number, batch in enumerate(batches(images, 6)):
        options = {"scale": 2.0} if reason == "other options" and number > TRIALS else {}
        if reason == "ragged rows" and number > TRIALS:
            rows = [batch[0][:1]]  # another number of images than in the rows before
            assert same(cache(rows), plain(rows))
        assert same(cache(batch, **options), plain(batch, **options))
    if reason in ("looks at all images", "memory"):
        assert not cache.useful


def test_what_was_made_of_an_image_that_nobody_keeps_is_forgotten(images: list[np.ndarray]) -> None:
    cache, plain = PixelCache(Counting(), kept_bytes=3 * images[0].nbytes), Counting()
    for _ in range(50):  # each in the memory, and with the number, of one before it
        batch = [[np.random.default_rng().normal(size=(4, 4)) for _ in range(2)]]
        assert same(cache(batch), plain(batch))
        del batch
    assert cache.useful and not cache.alone and cache.room == 3 * images[0].nbytes


def test_a_copy_is_made_as_a_thread_takes_one_of_the_processor(images: list[np.ndarray]) -> None:
    cache, plain = PixelCache(Counting()), Counting()
    for batch in batches(images, TRIALS):
        cache(batch)
    copied = deepcopy(cache)
    assert copied.processor is not cache.processor
    for batch in batches(images, 6):
        assert same(copied(batch), plain(batch))


def test_the_pocket_models_processor_takes_it() -> None:
    processor = load_vlm(ModelConfig(name="pocket-random")).processor.image_processor
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, size=(64, 64, 3), dtype=np.uint8)) for _ in range(4)]
    cache = PixelCache(processor)
    for number in range(TRIALS + 2):
        rows = [[pictures[number % 4], pictures[(number + 1) % 4]], [pictures[(number + 2) % 4], pictures[number % 4]]]
        found, expected = (dict(one(rows, return_tensors="pt", return_row_col_info=True)) for one in (cache, processor))
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert torch.equal(found[name], value) if torch.is_tensor(value) else found[name] == value
    assert cache.useful and cache.trials == TRIALS
