"""An encoder for cached images: batches hold image indices, and the processor's output is reused for batches of the same shapes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from empirical.prompts.example import Example
from empirical.vlm.feature_cache.cache import FeatureCache
from empirical.vlm.feature_cache.processor_proxy import ReplayProcessor, replaced_attribute
from empirical.vlm.inference.encoder import Encoder

if TYPE_CHECKING:
    import torch

    from empirical.vlm.inference.encoder import Batch

MAX_TEMPLATES = 8
"""Batches that an encoder keeps as templates for other images."""


class CachedEncoder(Encoder):
    """An encoder whose batches contain the indices of cached images instead of pixels."""

    def __init__(self, encoder: Encoder, feature_cache: FeatureCache) -> None:
        super().__init__(encoder.processor, encoder.family, feature_cache.placeholder)
        self.plain, self.feature_cache = encoder, feature_cache
        # batches by wording and image shapes, and for each of their images its position among the images of the prompts
        self._templates: dict[Hashable, tuple[Batch, torch.Tensor]] = {}

    def prompts(self, examples: Sequence[Example], side: str = "left") -> Batch:
        """Encode prompts as the plain encoder does, with image indices of shape (images,) as ``pixel_values``.

        New images go through the vision tower first.
        """
        import torch

        if not any(example.images for example in examples):
            return super().prompts(examples, side)
        cache = self.feature_cache
        cache.add((item for example in examples for item in example.images), self.plain)
        indices = [cache.index_of(item) for example in examples for item in example.images]
        shapes = [tuple(cache.shape_key(cache.index_of(item)) for item in example.images) for example in examples]
        key = (side, *((self.text(example.parts), shape) for example, shape in zip(examples, shapes, strict=True)))
        if key not in self._templates:
            replay = ReplayProcessor(self.processor.image_processor, cache.images)
            with replaced_attribute(self.processor, "image_processor", replay):
                batch = super().prompts(examples, side)
            shown = torch.tensor(replay.indices)[batch["pixel_values"]]
            positions = batch["pixel_values"] % len(indices)  # a family may show all images a second time (LLaVA-OneVision a single one)
            if not torch.equal(torch.tensor(indices)[positions], shown):
                return batch | {"pixel_values": shown}  # the family reorders images: this batch cannot be a template for others
            while len(self._templates) >= MAX_TEMPLATES:
                del self._templates[next(iter(self._templates))]
            self._templates[key] = batch, positions
        batch, positions = self._templates[key]
        return {name: value.clone() for name, value in batch.items()} | {"pixel_values": torch.tensor(indices)[positions]}

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """Compare prompts by length without encoding each: characters of text plus tokens of images, monotone for one wording."""
        tokens = self.image_tokens(examples)
        return [sum(images) + sum(len(part.text) for part in example.parts) for images, example in zip(tokens, examples, strict=True)]

    def image_tokens(self, examples: Sequence[Example]) -> list[tuple[int, ...]]:
        """Count the tokens of each image of each prompt; new images go through the vision tower."""
        cache = self.feature_cache
        cache.add((item for example in examples for item in example.images), self.plain)
        return [tuple(len(cache.images[cache.index_of(item)].features) for item in example.images) for example in examples]
