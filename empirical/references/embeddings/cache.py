"""Embeddings of images, computed once for each image and model and kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts import Cohort
from empirical.references.aligned import image_key, read_image
from empirical.references.embeddings.towers import vision_model
from empirical.vlm.config import ModelConfig
from empirical.vlm.hub import pin_revision
from empirical.vlm.model_id import resolve, weights_hash
from see_in_pairs.cache import cache_folder
from see_in_pairs.console import progress
from see_in_pairs.errors import InputError, first_line
from see_in_pairs.files import atomic_path, content_hash, files_in, sha256

if TYPE_CHECKING:
    from PIL.Image import Image

Vectors = NDArray[np.float32]

BATCH = 16
SHARD = 256  # images written together: a killed run loses little
MODEL_FILES = ("config.json", "preprocessor_config.json", "processor_config.json", "adapter_config.json", "training.json")


def embedder(cohort: Cohort, model: ModelConfig | None, quiet: bool = True) -> Callable[[Sequence[str]], Vectors]:
    """Make a function from item ids, or names of aligned references, to embeddings, shape (items, dimensions).

    Images embedded before, by this model, are read from ``$SEE_IN_PAIRS_CACHE/embeddings`` (by default under the user's cache folder).
    """

    def embed(items: Sequence[str]) -> Vectors:
        if model is None:
            raise InputError("embedding references: name the vision model (references.model.name: pocket, a folder or a Hub id)")
        keys = [image_key(cohort, item) for item in items]
        folder = cache_folder() / "embeddings" / model_key(model)
        known = _read(folder)
        new = {key: item for key, item in zip(keys, items, strict=True) if key not in known}
        for shard in progress(list(_shards(list(new))), -(-len(new) // SHARD), "embed images", quiet):
            vectors = _embed(model, [read_image(cohort, new[key]) for key in shard])
            _write(folder, shard, vectors)
            known |= dict(zip(shard, vectors, strict=True))
        return np.stack([known[key] for key in keys])

    return embed


def model_key(model: ModelConfig) -> str:
    """Hash all that affects an embedding: weights, settings of the image processor, number format, device, and which library resizes.

    A folder's files are hashed; a model on the Hub is identified by its commit.
    """
    from transformers import AutoConfig
    from transformers.utils import is_torchvision_available

    from empirical.vlm.loading import device_of, dtype_of

    name = resolve(model.name)
    if Path(name).is_dir():
        files = {file: sha256(Path(name) / file) for file in MODEL_FILES if (Path(name) / file).is_file()}
        identity: object = [weights_hash(model.name), files]
    else:
        model = pin_revision(model)
        try:
            config = AutoConfig.from_pretrained(name, revision=model.revision, trust_remote_code=model.trust_remote_code)
        except (OSError, ValueError) as error:
            raise InputError(f"model '{name}': cannot be loaded ({first_line(error)})") from None
        identity = [name, model.revision or config._commit_hash]
    return content_hash([identity, str(dtype_of(model)), device_of(model).type, is_torchvision_available()])


def _embed(model: ModelConfig, images: list[Image]) -> Vectors:
    tower = vision_model(model)
    return np.concatenate([tower(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])


def _shards(keys: list[str]) -> Iterator[list[str]]:
    yield from (keys[start : start + SHARD] for start in range(0, len(keys), SHARD))


def _read(folder: Path) -> dict[str, Vectors]:
    found: dict[str, Vectors] = {}
    for file in files_in(folder, "*.npz"):
        with np.load(file, allow_pickle=False) as content:
            found |= dict(zip(content["images"].tolist(), content["vectors"], strict=True))
    return found


def _write(folder: Path, keys: list[str], vectors: Vectors) -> None:
    with atomic_path(folder / f"{content_hash(keys)}.npz") as temporary:
        np.savez(temporary, images=np.array(keys), vectors=vectors)
