from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from empirical.prompts.example import Example
from empirical.prompts.templates import Part
from empirical.vlm.config import ModelConfig
from empirical.vlm.flatten import CONTRAST, LEVEL, flatten
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.input_spec import input_spec
from empirical.vlm.loading import load_vlm
from see_in_pairs.errors import InputError

RNG = np.random.default_rng(0)
PICTURE = np.clip(128 + 20 * RNG.standard_normal((64, 64)), 0, 255).astype(np.uint8)


def test_brightness_contrast_and_slow_shading_go_and_detail_stays() -> None:
    flat = np.asarray(flatten(Image.fromarray(PICTURE), 0.125), dtype=float)
    assert flat.mean() == pytest.approx(LEVEL, abs=1)
    assert flat.std() == pytest.approx(CONTRAST, abs=0.5)
    shading = 40 * np.sin(np.linspace(0, np.pi, 64))
    session = np.clip(60 + 0.5 * PICTURE + shading, 0, 255).round().astype(np.uint8)
    other = np.asarray(flatten(Image.fromarray(session), 0.125), dtype=float)
    assert np.corrcoef(flat.ravel(), other.ravel())[0, 1] > 0.9  # the ends of the shading are not slow
    assert np.abs(other - flat).mean() < 0.35 * CONTRAST


def test_it_is_the_image_minus_its_blur_over_all_channels() -> None:
    colour = np.stack([PICTURE, PICTURE[::-1], PICTURE.T], axis=-1)
    blur = np.stack([gaussian_filter(colour[..., channel].astype(float), 8, mode="reflect") for channel in range(3)], axis=-1)
    expected = (colour - blur) * CONTRAST / (colour - blur).std() + LEVEL
    assert np.abs(np.asarray(flatten(Image.fromarray(colour), 0.125), dtype=float) - np.clip(expected, 0, 255)).max() <= 0.5


def test_a_model_shows_flattened_images_wherever_it_sees_them_and_saves_the_setting(tmp_path: Path) -> None:
    image = Image.fromarray(PICTURE).convert("RGB")
    example = Example("0", (Part("query"), Part("text", "Is it?")), ("a",), "yes", ())
    plain = load_vlm(ModelConfig(name="pocket"))
    set_here = load_vlm(ModelConfig(name="pocket", image_processor={"flatten": 0.125}))
    expected = Encoder(plain.processor, plain.family, lambda _: flatten(image, 0.125)).prompts([example])["pixel_values"]
    found = Encoder(set_here.processor, set_here.family, lambda _: image).prompts([example])["pixel_values"]
    assert np.array_equal(found.numpy(), expected.numpy())
    assert input_spec(set_here)["resize"] != input_spec(plain)["resize"]  # a training notices that it is evaluated otherwise
    set_here.model.save_pretrained(tmp_path)
    set_here.processor.save_pretrained(tmp_path)
    loaded = load_vlm(ModelConfig(name=str(tmp_path)))
    again = Encoder(loaded.processor, loaded.family, lambda _: image).prompts([example])["pixel_values"]
    assert np.array_equal(again.numpy(), expected.numpy())
    off = load_vlm(ModelConfig(name=str(tmp_path), image_processor={"flatten": None}))
    raw = Encoder(off.processor, off.family, lambda _: image).prompts([example])["pixel_values"]
    assert np.array_equal(raw.numpy(), Encoder(plain.processor, plain.family, lambda _: image).prompts([example])["pixel_values"].numpy())


@pytest.mark.parametrize("share", [0, -0.1, 3, "wide", True, float("nan")])
def test_a_share_that_cannot_be_is_one_line(share: object) -> None:
    with pytest.raises(InputError, match="flatten is a share"):
        load_vlm(ModelConfig(name="pocket", image_processor={"flatten": share}))


def test_a_checkpoint_with_a_setting_that_is_no_share_is_one_line(tmp_path: Path) -> None:
    plain = load_vlm(ModelConfig(name="pocket"))
    plain.model.save_pretrained(tmp_path)
    plain.processor.image_processor.flatten = "wide"
    plain.processor.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="flatten is a share"):
        load_vlm(ModelConfig(name=str(tmp_path)))
