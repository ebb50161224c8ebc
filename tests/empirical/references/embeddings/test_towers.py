"""One vector per picture from every kind of model, whatever else is in the batch."""

from __future__ import annotations

import importlib.util
import inspect
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from empirical.references.embeddings.towers import released_after, vision_model
from empirical.vlm.config import ModelConfig
from see_in_pairs.errors import InputError
from tests.helpers.tiny_models import FAMILIES, save_tiny

VISION = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
TEXT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 99}


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)) for size in ((64, 64), (64, 96), (50, 64))]


def save_plain(kind: str, folder: Path) -> None:
    """Save a tiny model with random weights: two towers, or a convolutional network."""
    import torch
    import transformers

    torch.manual_seed(0)
    if kind == "clip":
        config = transformers.CLIPConfig(vision_config=VISION, text_config=TEXT | {"bos_token_id": 0, "eos_token_id": 1}, projection_dim=16)
        transformers.CLIPModel(config).save_pretrained(folder)
        transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder)
    else:
        shape = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
        transformers.ResNetModel(transformers.ResNetConfig(**shape)).save_pretrained(folder)
        transformers.ConvNextImageProcessorPil(size={"shortest_edge": 32}).save_pretrained(folder)


def check(folder: Path, pictures: list[Image.Image], width: int) -> None:
    tower = vision_model(ModelConfig(name=str(folder)))
    together, alone = tower(pictures), np.concatenate([tower([picture]) for picture in pictures])
    assert together.shape == (3, width) and together.dtype == np.float32
    assert together == pytest.approx(alone, abs=1e-5)  # float32 sums in another order
    assert min(np.abs(together[0] - together[k]).max() for k in (1, 2)) > 1e-3


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_vision_tower_of_every_family(family: str, pictures: list[Image.Image], tmp_path: Path) -> None:
    if family == "smolvlm" and importlib.util.find_spec("num2words") is None:
        pytest.skip("SmolVLM's processor needs the package num2words")
    check(save_tiny(family, tmp_path), pictures, width=64)


@pytest.mark.parametrize("kind", ["clip", "resnet"])
def test_models_of_two_towers_and_of_convolutions(kind: str, pictures: list[Image.Image], tmp_path: Path) -> None:
    save_plain(kind, tmp_path)
    check(tmp_path, pictures, width=16)


def test_a_model_that_sees_nothing_is_one_line(tmp_path: Path) -> None:
    import transformers

    shape = {"n_embd": 8, "n_layer": 1, "n_head": 1, "vocab_size": 9}
    transformers.GPT2Model(transformers.GPT2Config(**shape)).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="is not a vision model that can be loaded") as caught:
        vision_model(ModelConfig(name=str(tmp_path)))
    assert "\n" not in str(caught.value)


def test_a_vision_model_is_loaded_once_and_let_go(tmp_path: Path) -> None:
    import torch

    save_plain("resnet", tmp_path)
    config = ModelConfig(name=str(tmp_path))
    with pytest.raises(InputError, match="after all"), released_after():
        inside = inspect.getclosurevars(vision_model(config)).nonlocals.values()
        model = weakref.ref(next(thing for thing in inside if isinstance(thing, torch.nn.Module)))
        del inside
        assert any(thing is model() for thing in inspect.getclosurevars(vision_model(config)).nonlocals.values())
        raise InputError("after all")
    assert model() is None
