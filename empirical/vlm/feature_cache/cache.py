"""Features of a frozen vision tower, computed once for each distinct image and then looked up, in memory or on disk."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from empirical.prompts.example import Example
from empirical.prompts.templates import Part
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.feature_cache.disk import DiskCache, StoredImage
from empirical.vlm.feature_cache.processor_proxy import NUMBER, RecordingProcessor, swapped
from empirical.vlm.feature_cache.tower import base_of, core_of, flat, image_features
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.prefetch import prefetch_map, thread_count, thread_pool
from see_in_pairs.files import content_hash

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from empirical.vlm.inference.encoder import Batch


@dataclass
class _Part:
    """Images on their way into the store: as many as one pass of the vision tower takes."""

    contents: dict[str, str]  # of each item
    unknown: dict[str, Image]
    found: dict[str, StoredImage] = field(default_factory=dict)
    batch: Batch = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    images: int = 0  # that the processor was shown: some families show it one twice

    @property
    def missing(self) -> dict[str, Image]:
        return {content: picture for content, picture in self.unknown.items() if content not in self.found}


class FeatureCache:
    """Features of distinct images.

    In a batch the pixels are replaced by the images' numbers, and the model's ``get_image_features`` by a look-up; everything else,
    the expansion of image tokens included, is done by the official processor and model.
    """

    def __init__(
        self, vlm: VisionLanguageModel, folder: Path | None = None, batch_size: int = 16, memory: float = 8, held: int = 4
    ) -> None:
        self.vlm, self.batch_size, self.memory = vlm, batch_size, memory * 2**30
        self._held: deque[set[int]] = deque(maxlen=held)
        self.shelf = DiskCache(folder / cache_key(vlm)) if folder else None
        self.images: dict[int, StoredImage] = {}  # the one used last stands last
        self.computed = 0
        self._encoder: Encoder | None = None
        self._by_content: dict[str, int] = {}
        self._by_item: dict[str, int] = {}
        self._kinds: dict[int, str] = {}

    def number(self, item_id: str) -> int:
        """Give the number of an image that was added.

        Returns its place in the store; equal pictures share one.
        """
        return self._by_item[item_id]

    def placeholder(self, item_id: str) -> Image:
        """Give a stand-in for an image that was added, which processors take for one.

        Returns one pixel, with the image's number.
        """
        from PIL import Image

        stand_in = Image.new("RGB", (1, 1))
        stand_in.info[NUMBER] = self.number(item_id)
        return stand_in

    def kind(self, number: int) -> str:
        """Say all that a processor is told of an image beside its pixels.

        Returns equal for images of which a processor makes the same text.
        """
        if number not in self._kinds:
            image = self.images[number]
            facts = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in image.facts.items()}
            self._kinds[number] = repr((facts, image.per_row))
        return self._kinds[number]

    def add(self, items: Iterable[str], encoder: Encoder) -> None:
        """Compute the features of images that are new."""
        wanted, self._encoder = list(dict.fromkeys(items)), encoder
        new = [item for item in wanted if self._by_item.get(item) not in self.images]
        if new:
            with thread_pool() as pool:
                decoded = prefetch_map(pool, lambda item: _decoded(item, encoder), new, 2 * self.batch_size)
                parts = iter(lambda: list(islice(decoded, self.batch_size)), [])
                for part in prefetch_map(pool, lambda part: self._prepare(part, encoder), self._parts(parts), thread_count()):
                    self._keep(part)
        self._evict({self._by_item[item] for item in wanted})

    def _parts(self, decoded: Iterable[list[tuple[str, str, Image]]]) -> Iterator[_Part]:
        """Tell for each pass of the vision tower which pictures are new by then: equal ones go through it once."""
        planned: set[str] = set()
        for part in decoded:
            known = {content for _, content, _ in part if content in planned or self._by_content.get(content) in self.images}
            unknown = {content: picture for _, content, picture in part if content not in known}
            planned |= unknown.keys()
            yield _Part({item: content for item, content, _ in part}, unknown)

    def _prepare(self, part: _Part, encoder: Encoder) -> _Part:
        """Look for pictures on disk, and put the others through the official processor, each as a prompt of its own."""
        found = {content: stored for content in part.unknown if self.shelf and (stored := self.shelf.read(content))}
        part.found = {
            content: replace(stored, features=self._at_hand(stored.features), deep=[self._at_hand(layer) for layer in stored.deep])
            for content, stored in found.items()
        }
        missing = list(part.missing.values())
        if not missing:
            return part
        rows = [Example("", (Part("query"),), (str(place),), "", ()) for place in range(len(missing))]
        with encoder.encoder_pool.one() as own:
            recorder = RecordingProcessor(own.processor.image_processor)
            with swapped(own.processor, "image_processor", recorder):
                part.batch = Encoder(own.processor, own.family, lambda place: missing[int(place)]).prompts(rows)
        part.facts, part.images = {name: value for name, value in recorder.made.items() if name != "pixel_values"}, recorder.images
        return part

    def _keep(self, part: _Part) -> None:
        made = dict(zip(part.missing, self._compute(part), strict=True)) if part.missing else {}
        for content in part.unknown:
            number = self._by_content.setdefault(content, len(self._by_content))
            self.images[number] = part.found[content] if content in part.found else made[content]
        for content, stored in made.items():
            if self.shelf:
                self.shelf.write(content, stored)
        self._by_item |= {item: self._by_content[content] for item, content in part.contents.items()}

    def _evict(self, wanted: set[int]) -> None:
        """Move what is wanted to the end, and drop from the front what does not fit; what may still be read stays."""
        self._held.append(wanted)
        for number in wanted:
            self.images[number] = self.images.pop(number)
        size = sum(stored.bytes for stored in self.images.values())
        kept = set[int]().union(*self._held)
        for number in [number for number in self.images if number not in kept]:
            if size <= self.memory:
                return
            size -= self.images.pop(number).bytes

    def _compute(self, part: _Part) -> list[StoredImage]:
        """Put prepared images through the vision tower."""
        import torch

        from empirical.vlm.inference.scoring import to_device

        training = self.vlm.model.training
        self.vlm.model.eval()  # a frozen tower has no dropout
        with torch.no_grad(), swapped(core_of(self.vlm.model), "get_image_features", self._plain_function()):
            made = image_features(self.vlm.model, to_device(part.batch, self.vlm.model))
        self.vlm.model.train(training)
        self.computed += len(part.missing)
        features, deep = list(made.pooler_output), getattr(made, "deepstack_features", None) or []
        deep_as_list = not any(torch.is_tensor(layer) for layer in deep)
        if not deep_as_list:
            deep = [layer.split([len(flat(image)) for image in features]) for layer in deep]
        facts = {name: value for name, value in part.facts.items() if _axes(value) < 3}
        per_row = tuple(name for name, value in facts.items() if len(value) != part.images)
        return [
            StoredImage(
                {name: value[place : place + 1] for name, value in facts.items() if name not in per_row},
                per_row,
                self._at_hand(flat(features[place])),
                [self._at_hand(flat(list(layer)[place])) for layer in deep],
                not torch.is_tensor(made.pooler_output),
                deep_as_list,
            )
            for place in range(len(part.missing))
        ]

    def _at_hand(self, features: torch.Tensor) -> torch.Tensor:
        """Bring features to main memory; for a GPU to pages that it reads by itself, so that a look-up need not wait."""
        return features.cpu().pin_memory() if self.vlm.model.device.type == "cuda" else features.cpu()

    def _plain_function(self) -> Callable[..., Any]:
        core = core_of(self.vlm.model)
        return getattr(core.get_image_features, "plain", core.get_image_features)

    def look_up(self, numbers: torch.Tensor) -> SimpleNamespace:
        """Give the features of several images, as the model's own function would."""
        import torch

        wanted, device = numbers.flatten().tolist(), self.vlm.model.device
        if not self.images.keys() >= set(wanted):
            self._add_again(wanted)
        images = [self.images[number] for number in wanted]
        features = [image.features.to(device, non_blocking=True) for image in images]
        deep: list[Any] = [[image.deep[layer].to(device, non_blocking=True) for image in images] for layer in range(len(images[0].deep))]
        layers: list[Any] = deep if images[0].deep_as_list else [torch.cat(layer) for layer in deep]
        return SimpleNamespace(pooler_output=features if images[0].as_list else torch.cat(features), deepstack_features=layers)

    def _add_again(self, numbers: Sequence[int]) -> None:
        """Bring back what gave way between encoding and reading: a look at validation comes between a Trainer's batches."""
        import torch

        assert self._encoder is not None
        items = {number: item for item, number in self._by_item.items()}
        with torch.autocast(self.vlm.model.device.type, enabled=False):  # as when they were computed first
            self.add([items[number] for number in numbers], self._encoder)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Let the model look features up wherever a batch holds numbers in the place of pixels."""
        core, plain = core_of(self.vlm.model), self._plain_function()

        def _look_up_or_compute(pixel_values: torch.Tensor, *rest: Any, **options: Any) -> Any:
            return plain(pixel_values, *rest, **options) if pixel_values.is_floating_point() else self.look_up(pixel_values)

        _look_up_or_compute.plain = plain  # type: ignore[attr-defined]
        with swapped(core, "get_image_features", _look_up_or_compute):
            yield


def cache_key(vlm: VisionLanguageModel) -> str:
    """Hash everything but the image that decides its features.

    Returns of the weights, the image processing, the number format and the versions of the libraries.
    """
    import torch
    import transformers

    from empirical.vlm.model_id import weights_hash

    model, name, revision = vlm.model, vlm.config.name, vlm.config.revision
    weights = [name, revision, weights_hash(name, revision)]
    pixels = [vlm.processor.image_processor.to_dict(), vlm.family.processor_options]
    ways = [str(model.dtype), base_of(model).config._attn_implementation, vlm.config.fast_vision, model.device.type]
    machine = [*ways, torch.__version__, transformers.__version__]
    return content_hash([weights, pixels, machine])


def _decoded(item: str, encoder: Encoder) -> tuple[str, str, Image]:
    picture = encoder.image_of(item)
    return item, _content(picture), picture


def _content(picture: Image) -> str:
    return hashlib.sha256(f"{picture.mode}{picture.size}".encode() + picture.tobytes()).hexdigest()


def _axes(value: Any) -> int:
    """Count axes: what has as many as an image serves the vision tower only."""
    if hasattr(value, "ndim"):
        return int(value.ndim)
    return 1 + max((_axes(part) for part in value), default=0) if isinstance(value, (list, tuple)) else 0
