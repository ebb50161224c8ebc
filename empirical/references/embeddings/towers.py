"""From images to embeddings: a vision model of the Hub, or the vision tower of a vision-language model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from empirical.prompts.templates import Part
from empirical.vlm.config import ModelConfig
from empirical.vlm.families import MODULES
from empirical.vlm.feature_cache.tower import base_of, image_features
from empirical.vlm.hub import pin_revision
from empirical.vlm.loading import device_of, dtype_of, load_vlm
from empirical.vlm.model_id import ADAPTER, resolve
from empirical.vlm.out_of_memory import clear_device_cache
from see_in_pairs.errors import InputError, first_line

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

Tower = Callable[[Sequence["Image"]], NDArray[np.float32]]


def vision_model(config: ModelConfig) -> Tower:
    """Load a vision model as a function from images to embeddings, shape (images, dimensions): the mean over the tokens of each image."""
    return _loaded(config.model_dump_json())


@contextmanager
def released_after() -> Iterator[None]:
    """Keep a vision model that is loaded in this block, so that it is loaded only once; free its memory at the end."""
    try:
        yield
    finally:
        if _loaded.cache_info().currsize:
            _loaded.cache_clear()
            clear_device_cache()


@lru_cache(maxsize=1)
def _loaded(settings: str) -> Tower:
    """Load a model, or return the one that was loaded last."""
    from transformers import AutoConfig

    config = ModelConfig.model_validate_json(settings)
    name = resolve(config.name)
    if (Path(name) / ADAPTER).is_file():
        return _vlm_tower(config)
    config = pin_revision(config)
    try:
        kind = AutoConfig.from_pretrained(name, revision=config.revision, trust_remote_code=config.trust_remote_code).model_type
    except (OSError, ValueError) as error:
        raise InputError(f"model '{config.name}': cannot be loaded ({first_line(error)})") from None
    return _vlm_tower(config) if kind in MODULES else _plain_tower(config)


def _vlm_tower(config: ModelConfig) -> Tower:
    import torch

    from empirical.prompts.example import Example
    from empirical.vlm.inference.encoder import Encoder

    vlm = load_vlm(config)
    model = base_of(vlm.model)

    def features(images: Sequence[Image]) -> NDArray[np.float32]:
        encoder = Encoder(vlm.processor, vlm.family, lambda number: images[int(number)])
        batch = encoder.prompts([Example(str(number), (Part("query"),), (str(number),), "", ()) for number in range(len(images))])
        inputs = {name: value.to(model.device) for name, value in batch.items()}
        inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
        with torch.inference_mode():
            return _means(image_features(model, inputs).pooler_output, len(images))

    return features


def _plain_tower(config: ModelConfig) -> Tower:
    import torch
    import transformers

    name, options = resolve(config.name), {"revision": config.revision, "trust_remote_code": config.trust_remote_code}
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name, **options)
        model = transformers.AutoModel.from_pretrained(name, dtype=dtype_of(config), use_safetensors=True, **options)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"model '{config.name}': is not a vision model that can be loaded ({first_line(error)})") from None
    model = model.to(device_of(config)).eval()

    def features(images: Sequence[Image]) -> NDArray[np.float32]:
        pixels = processor(images=list(images), return_tensors="pt")["pixel_values"].to(model.device, model.dtype)
        with torch.inference_mode():
            if hasattr(model, "get_image_features"):
                found = model.get_image_features(pixel_values=pixels)
                return _means(getattr(found, "pooler_output", found), len(images))
            return _means(model(pixel_values=pixels).last_hidden_state, len(images))

    return features


def _means(found: torch.Tensor | Sequence[torch.Tensor], images: int) -> NDArray[np.float32]:
    """Average over all axes between image and dimension: tokens, tiles, or the positions of a convolution's feature map."""
    import torch

    if isinstance(found, torch.Tensor):
        if found.ndim == 4:  # a convolutional network: (images, channels, height, width)
            found = found.flatten(2).transpose(1, 2)
        found = found.reshape(images, -1, found.shape[-1])
    rows = [tokens.reshape(-1, tokens.shape[-1]).float().mean(dim=0) for tokens in found]
    if len(rows) != images:
        raise InputError(f"the vision tower gave features of {len(rows)} images for {images}")
    return torch.stack(rows).cpu().numpy()
