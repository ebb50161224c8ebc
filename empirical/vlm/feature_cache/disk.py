"""Features of images on disk, a file each, with a checksum."""

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
class StoredImage:
    """What is kept of one image.

    Shapes: `features` (tokens, width).
    """

    # what the image processor says of it beside its pixels (for some families the grid of patches, or the number of tiles)
    facts: dict[str, Any]
    per_row: tuple[str, ...]  # what the processor says of rows, namely how many images each has
    features: torch.Tensor  # what enters the language model
    deep: list[torch.Tensor]  # features for its deeper layers, where the family has them (Qwen3-VL)
    as_list: bool  # whether the family hands out a list of features, or one tensor
    deep_as_list: bool = True  # the same for the deeper layers' features: older versions of transformers hand out one tensor a layer

    @property
    def bytes(self) -> int:
        """Memory that the features take."""
        return sum(part.nbytes for part in (self.features, *self.deep))


class DiskCache:
    """A folder of stored images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._damaged = False

    def read(self, content: str) -> StoredImage | None:
        """Read what is kept of an image.

        Returns None where there is nothing, or it is damaged, which is said once.
        """
        if not (file := self.folder / f"{content}.safetensors").is_file():
            return None
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(file, framework="pt", device="cpu") as stream:
                facts_of_file = stream.metadata() or {}
                tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a dict)
            if facts_of_file.get("crc32") != _checksum(facts_of_file.get("stored", ""), tensors):
                raise ValueError("not the bytes that were written")
        except (SafetensorError, ValueError, OSError):
            self._say_damaged(file)
            return None
        notes = json.loads(facts_of_file["stored"])
        deep = [tensors[f"deep.{layer}"] for layer in range(notes["layers"])]
        facts = notes["lists"] | {name: tensors[f"fact.{name}"] for name in notes["tensors"]}
        return StoredImage(facts, tuple(notes["per_row"]), tensors["features"], deep, notes["as_list"], notes["deep_as_list"])

    def _say_damaged(self, file: Path) -> None:
        if not self._damaged:
            log(f"{file}: damaged, or written without a checksum; its features are computed again, as those of others like it")
        self._damaged = True

    def write(self, content: str, stored: StoredImage) -> None:
        """Keep what was computed of an image."""
        import torch
        from safetensors.torch import save_file

        tensors = {f"fact.{name}": value for name, value in stored.facts.items() if torch.is_tensor(value)}
        notes = {
            "tensors": [name.removeprefix("fact.") for name in tensors],
            "lists": {name: value for name, value in stored.facts.items() if not torch.is_tensor(value)},
            "layers": len(stored.deep),
            "per_row": stored.per_row,
            "as_list": stored.as_list,
            "deep_as_list": stored.deep_as_list,
        }
        tensors |= {"features": stored.features} | {f"deep.{layer}": value for layer, value in enumerate(stored.deep)}
        tensors, text = {name: value.contiguous() for name, value in tensors.items()}, json.dumps(notes)
        with atomic_path(self.folder / f"{content}.safetensors") as temporary:
            save_file(tensors, temporary, {"stored": text, "crc32": _checksum(text, tensors)})


def _checksum(notes: str, tensors: dict[str, torch.Tensor]) -> str:
    """Give the CRC-32 of what a file holds: safetensors checks lengths only, and a flipped bit is a wrong score."""
    import torch

    total = zlib.crc32(notes.encode())
    for name in sorted(tensors):
        raw = tensors[name].contiguous().reshape(-1).view(torch.uint8)  # NumPy knows no bfloat16
        total = zlib.crc32(raw.numpy().data, zlib.crc32(name.encode(), total))
    return f"{total:08x}"
