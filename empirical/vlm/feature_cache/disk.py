"""Image features on disk: one safetensors file per image, with a checksum."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.console import log
from see_in_pairs.files import atomic_path

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ImageFeatures:
    """The cached data of one image: its features, and the image processor's outputs other than pixels."""

    processor_outputs: dict[str, Any]  # for example the grid of patches, or the number of tiles
    per_row: tuple[str, ...]  # names of processor outputs that count the images of a row, and so belong to no single image
    features: torch.Tensor  # (tokens, width), as the language model gets them
    deepstack: list[torch.Tensor]  # (tokens, width) for each deeper layer that gets features too (Qwen3-VL)
    as_list: bool  # whether the family's tower returns a list of features, or one tensor
    deepstack_as_list: bool = True  # the same for ``deepstack``, whose form depends on the version of transformers

    @property
    def bytes(self) -> int:
        """Memory of the features."""
        return sum(part.nbytes for part in (self.features, *self.deepstack))


class DiskCache:
    """A folder of cached image features, by a hash of the image's content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._warned = False

    def read(self, content: str) -> ImageFeatures | None:
        """Read the features of an image; None if they are missing, or the file is damaged, which is logged once."""
        if not (file := self.folder / f"{content}.safetensors").is_file():
            return None
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(file, framework="pt", device="cpu") as stream:
                header = stream.metadata() or {}
                tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a dict)
            if header.get("crc32") != _checksum(header.get("stored", ""), tensors):
                raise ValueError("not the bytes that were written")
        except (SafetensorError, ValueError, OSError):
            if not self._warned:
                log(f"{file}: damaged, or written without a checksum; its features are computed again, like those of other such files")
            self._warned = True
            return None
        # keys of older versions: caches of finished runs stay valid
        index = json.loads(header["stored"])
        outputs = index["lists"] | {name: tensors[f"fact.{name}"] for name in index["tensors"]}
        deepstack = [tensors[f"deep.{layer}"] for layer in range(index["layers"])]
        return ImageFeatures(outputs, tuple(index["per_row"]), tensors["features"], deepstack, index["as_list"], index["deep_as_list"])

    def write(self, content: str, image: ImageFeatures) -> None:
        """Write the features of an image."""
        import torch
        from safetensors.torch import save_file

        tensors = {f"fact.{name}": value for name, value in image.processor_outputs.items() if torch.is_tensor(value)}
        index = {
            "tensors": [name.removeprefix("fact.") for name in tensors],
            "lists": {name: value for name, value in image.processor_outputs.items() if not torch.is_tensor(value)},
            "layers": len(image.deepstack),
            "per_row": image.per_row,
            "as_list": image.as_list,
            "deep_as_list": image.deepstack_as_list,
        }
        tensors |= {"features": image.features} | {f"deep.{layer}": value for layer, value in enumerate(image.deepstack)}
        tensors, text = {name: value.contiguous() for name, value in tensors.items()}, json.dumps(index)
        with atomic_path(self.folder / f"{content}.safetensors") as temporary:
            save_file(tensors, temporary, {"stored": text, "crc32": _checksum(text, tensors)})


def _checksum(index: str, tensors: dict[str, torch.Tensor]) -> str:
    """CRC-32 of a file's content: safetensors checks lengths only, and a flipped bit is a wrong score."""
    import torch

    total = zlib.crc32(index.encode())
    for name in sorted(tensors):
        raw = tensors[name].contiguous().reshape(-1).view(torch.uint8)  # NumPy knows no bfloat16
        total = zlib.crc32(raw.numpy().data, zlib.crc32(name.encode(), total))
    return f"{total:08x}"
