"""The feature cache: computes the features of new images, keeps them in memory and on disk, and looks them up in a forward pass."""

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
from empirical.vlm.feature_cache.disk import DiskCache, ImageFeatures
from empirical.vlm.feature_cache.processor_proxy import IMAGE_INDEX, RecordingProcessor, replaced_attribute
from empirical.vlm.feature_cache.tower import base_of, core_of, flatten_features, image_features
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.prefetch import prefetch_map, thread_count, thread_pool
from see_in_pairs.files import content_hash

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from empirical.vlm.inference.encoder import Batch


@dataclass
class _VisionBatch:
    """Images to be added to the cache, as many as fit in one pass of the vision tower; named by a hash of their content."""

    hashes: dict[str, str]  # of each item
    new: dict[str, Image]  # not in memory, nor in an earlier batch
    on_disk: dict[str, ImageFeatures] = field(default_factory=dict)
    batch: Batch = field(default_factory=dict)  # the images that are not on disk, processed
    processor_outputs: dict[str, Any] = field(default_factory=dict)
    n_images: int = 0  # number shown to the processor: LLaVA-OneVision shows a single image twice

    @property
    def missing(self) -> dict[str, Image]:
        return {content: image for content, image in self.new.items() if content not in self.on_disk}


class FeatureCache:
    """Features of distinct images, by index.

    In a batch the pixels are replaced by image indices, and the model's ``get_image_features`` by a look-up. Everything else, including the
    expansion of image tokens, is done by the official processor and model.

    `memory` is a limit in GiB. The images of the last `protected_batches` calls of `add` are never evicted.
    """

    def __init__(
        self, vlm: VisionLanguageModel, folder: Path | None = None, batch_size: int = 16, memory: float = 8, protected_batches: int = 4
    ) -> None:
        self.vlm, self.batch_size, self.memory = vlm, batch_size, memory * 2**30
        self._protected: deque[set[int]] = deque(maxlen=protected_batches)
        self.disk = DiskCache(folder / cache_key(vlm)) if folder else None
        self.images: dict[int, ImageFeatures] = {}  # least recently used first
        self.computed = 0  # images that went through the vision tower
        self._encoder: Encoder | None = None
        self._index_of_content: dict[str, int] = {}
        self._index_of_item: dict[str, int] = {}
        self._shape_keys: dict[int, str] = {}

    def index_of(self, item_id: str) -> int:
        """Return the index of an image that was added; images of equal content share one."""
        return self._index_of_item[item_id]

    def placeholder(self, item_id: str) -> Image:
        """Return an image of one pixel that stands for one that was added and carries its index."""
        from PIL import Image

        image = Image.new("RGB", (1, 1))
        image.info[IMAGE_INDEX] = self.index_of(item_id)
        return image

    def shape_key(self, index: int) -> str:
        """Return a key that is equal for images that a processor expands to the same text: all its outputs except the pixels.

        Batches of equal keys differ in their image indices only, so one can serve as a template for the others. Most families resize every
        image to one shape; where tokens follow the image's size (Qwen) there is one key per grid of patches.
        """
        if index not in self._shape_keys:
            image = self.images[index]
            outputs = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in image.processor_outputs.items()}
            self._shape_keys[index] = repr((outputs, image.per_row))
        return self._shape_keys[index]

    def add(self, items: Iterable[str], encoder: Encoder) -> None:
        """Compute the features of images that are new."""
        wanted, self._encoder = list(dict.fromkeys(items)), encoder
        new = [item for item in wanted if self._index_of_item.get(item) not in self.images]
        if new:
            with thread_pool() as pool:
                decoded = prefetch_map(pool, lambda item: _decode(item, encoder), new, 2 * self.batch_size)
                batches = self._vision_batches(iter(lambda: list(islice(decoded, self.batch_size)), []))
                for batch in prefetch_map(pool, lambda batch: self._prepare(batch, encoder), batches, thread_count()):
                    self._store(batch)
        self._evict({self._index_of_item[item] for item in wanted})

    def _vision_batches(self, decoded: Iterable[list[tuple[str, str, Image]]]) -> Iterator[_VisionBatch]:
        """Select the images that are new in each pass of the vision tower: equal ones go through it once."""
        planned: set[str] = set()  # batches are planned ahead, before the features of earlier ones are computed
        for images in decoded:
            known = {content for _, content, _ in images if content in planned or self._index_of_content.get(content) in self.images}
            new = {content: image for _, content, image in images if content not in known}
            planned |= new.keys()
            yield _VisionBatch({item: content for item, content, _ in images}, new)

    def _prepare(self, vision_batch: _VisionBatch, encoder: Encoder) -> _VisionBatch:
        """Read images from disk, and process the others with the official processor, each as a separate prompt."""
        for content in vision_batch.new:
            if self.disk and (found := self.disk.read(content)):
                features, deepstack = self._to_host(found.features), [self._to_host(layer) for layer in found.deepstack]
                vision_batch.on_disk[content] = replace(found, features=features, deepstack=deepstack)
        missing = list(vision_batch.missing.values())
        if not missing:
            return vision_batch
        rows = [Example("", (Part("query"),), (str(index),), "", ()) for index in range(len(missing))]
        with encoder.encoder_pool.borrow() as own:
            recorder = RecordingProcessor(own.processor.image_processor)
            with replaced_attribute(own.processor, "image_processor", recorder):
                vision_batch.batch = Encoder(own.processor, own.family, lambda index: missing[int(index)]).prompts(rows)
        vision_batch.processor_outputs = {name: value for name, value in recorder.outputs.items() if name != "pixel_values"}
        vision_batch.n_images = recorder.n_images
        return vision_batch

    def _store(self, vision_batch: _VisionBatch) -> None:
        computed = dict(zip(vision_batch.missing, self._compute(vision_batch), strict=True)) if vision_batch.missing else {}
        for content in vision_batch.new:
            index = self._index_of_content.setdefault(content, len(self._index_of_content))
            self.images[index] = vision_batch.on_disk[content] if content in vision_batch.on_disk else computed[content]
        for content, image in computed.items():
            if self.disk:
                self.disk.write(content, image)
        self._index_of_item |= {item: self._index_of_content[content] for item, content in vision_batch.hashes.items()}

    def _evict(self, wanted: set[int]) -> None:
        """Drop the least recently used images until the rest fits in memory.

        Batches are encoded ahead of the forward pass that looks their features up, so images of the latest batches stay even above the
        limit. Images that were evicted too early are computed again by `look_up`.
        """
        self._protected.append(wanted)
        for index in wanted:
            self.images[index] = self.images.pop(index)  # a dict keeps the order of insertion: now the most recently used
        size = sum(image.bytes for image in self.images.values())
        protected = set[int]().union(*self._protected)
        for index in [index for index in self.images if index not in protected]:
            if size <= self.memory:
                return
            size -= self.images.pop(index).bytes

    def _compute(self, vision_batch: _VisionBatch) -> list[ImageFeatures]:
        """Put processed images through the vision tower."""
        import torch

        from empirical.vlm.inference.scoring import to_device

        model, n = self.vlm.model, len(vision_batch.missing)
        training = model.training
        model.eval()  # a frozen tower has no dropout
        with torch.no_grad(), replaced_attribute(core_of(model), "get_image_features", self._own_image_features()):
            output = image_features(model, to_device(vision_batch.batch, model))
        model.train(training)
        self.computed += n
        features, deepstack = list(output.pooler_output), getattr(output, "deepstack_features", None) or []
        # families and versions of transformers return a list of images or one tensor; images are cut apart here, and `look_up` puts them
        # together again in the form that the language model expects
        deepstack_as_list = not any(torch.is_tensor(layer) for layer in deepstack)
        if not deepstack_as_list:
            deepstack = [layer.split([len(flatten_features(image)) for image in features]) for layer in deepstack]
        # outputs with as many axes as an image are for the vision tower only; others, unless they count images, count the images of a row
        outputs = {name: value for name, value in vision_batch.processor_outputs.items() if _axes(value) < 3}
        per_row = tuple(name for name, value in outputs.items() if len(value) != vision_batch.n_images)
        return [
            ImageFeatures(
                {name: value[image : image + 1] for name, value in outputs.items() if name not in per_row},
                per_row,
                self._to_host(flatten_features(features[image])),
                [self._to_host(flatten_features(list(layer)[image])) for layer in deepstack],
                not torch.is_tensor(output.pooler_output),
                deepstack_as_list,
            )
            for image in range(n)
        ]

    def _to_host(self, features: torch.Tensor) -> torch.Tensor:
        """Copy features to main memory, page-locked for a GPU, which can then copy them without waiting."""
        return features.cpu().pin_memory() if self.vlm.model.device.type == "cuda" else features.cpu()

    def _own_image_features(self) -> Callable[..., Any]:
        """Return the model's own ``get_image_features``, even while it is patched."""
        core = core_of(self.vlm.model)
        return getattr(core.get_image_features, "own", core.get_image_features)

    def look_up(self, indices: torch.Tensor) -> SimpleNamespace:
        """Return the features of several images, in the form of the model's own ``get_image_features``."""
        import torch

        wanted, device = indices.flatten().tolist(), self.vlm.model.device
        if not self.images.keys() >= set(wanted):
            self._recompute(wanted)
        images = [self.images[index] for index in wanted]
        features = [image.features.to(device, non_blocking=True) for image in images]
        deepstack: list[Any] = [
            [image.deepstack[layer].to(device, non_blocking=True) for image in images] for layer in range(len(images[0].deepstack))
        ]
        layers: list[Any] = deepstack if images[0].deepstack_as_list else [torch.cat(layer) for layer in deepstack]
        return SimpleNamespace(pooler_output=features if images[0].as_list else torch.cat(features), deepstack_features=layers)

    def _recompute(self, indices: Sequence[int]) -> None:
        """Add images again that were evicted between encoding and forward pass: a Trainer validates between two training batches."""
        import torch

        assert self._encoder is not None
        items = {index: item for item, index in self._index_of_item.items()}
        with torch.autocast(self.vlm.model.device.type, enabled=False):  # as when they were computed first
            self.add([items[index] for index in indices], self._encoder)

    @contextmanager
    def patch_model(self) -> Iterator[None]:
        """Let the model look up features inside the block, wherever a batch has image indices instead of pixels."""
        core, own = core_of(self.vlm.model), self._own_image_features()

        def _look_up_or_compute(pixel_values: torch.Tensor, *rest: Any, **options: Any) -> Any:
            return own(pixel_values, *rest, **options) if pixel_values.is_floating_point() else self.look_up(pixel_values)

        _look_up_or_compute.own = own  # type: ignore[attr-defined]
        with replaced_attribute(core, "get_image_features", _look_up_or_compute):
            yield


def cache_key(vlm: VisionLanguageModel) -> str:
    """Hash what decides features besides the image: weights, image processing, number format, kernels and library versions."""
    import torch
    import transformers

    from empirical.vlm.model_id import weights_hash

    model, name, revision = vlm.model, vlm.config.name, vlm.config.revision
    weights = [name, revision, weights_hash(name, revision)]
    pixels = [vlm.processor.image_processor.to_dict(), vlm.family.processor_options]
    kernels = [str(model.dtype), base_of(model).config._attn_implementation, vlm.config.fast_vision, model.device.type]
    return content_hash([weights, pixels, [*kernels, torch.__version__, transformers.__version__]])


def _decode(item: str, encoder: Encoder) -> tuple[str, str, Image]:
    image = encoder.image_of(item)
    return item, _content_hash(image), image


def _content_hash(image: Image) -> str:
    return hashlib.sha256(f"{image.mode}{image.size}".encode() + image.tobytes()).hexdigest()


def _axes(value: Any) -> int:
    """Count the axes of a tensor or nested list."""
    if hasattr(value, "ndim"):
        return int(value.ndim)
    return 1 + max((_axes(part) for part in value), default=0) if isinstance(value, (list, tuple)) else 0
