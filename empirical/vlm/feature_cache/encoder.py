"""An encoder for images that are known: batches hold their numbers, and what a processor made of like batches is used again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from empirical.prompts.example import Example
from empirical.vlm.feature_cache.cache import FeatureCache
from empirical.vlm.feature_cache.processor_proxy import ReplayProcessor, swapped
from empirical.vlm.inference.encoder import Encoder

if TYPE_CHECKING:
    import torch

    from empirical.vlm.inference.encoder import Batch

KEPT = 8
"""Batches that an encoder keeps, to put other images into."""


class CachedEncoder(Encoder):
    """An encoder whose batches hold numbers of stored images in the place of pixels."""

    def __init__(self, encoder: Encoder, store: FeatureCache) -> None:
        super().__init__(encoder.processor, encoder.family, store.placeholder)
        self.plain, self.store = encoder, store
        self._made: dict[Hashable, tuple[Batch, torch.Tensor]] = {}  # batches, and the place of each picture among those of the rows

    def prompts(self, examples: Sequence[Example], side: str = "left") -> Batch:
        """Encode prompts; new images go through the vision tower.

        Returns as the plain encoder's, with ``pixel_values`` of shape (images,), the images' numbers.
        """
        import torch

        self.store.add((item for example in examples for item in example.images), self.plain)
        numbers = [self.store.number(item) for example in examples for item in example.images]
        images = [tuple(map(self.store.kind, map(self.store.number, example.images))) for example in examples]
        key = (side, *((self.text(example.parts), kinds) for example, kinds in zip(examples, images, strict=True)))
        if key not in self._made:
            player = ReplayProcessor(self.processor.image_processor, self.store.images)
            with swapped(self.processor, "image_processor", player):
                batch = super().prompts(examples, side)
            shown = torch.tensor(player.numbers)[batch["pixel_values"]]
            places = batch["pixel_values"] % len(numbers)  # a family may show all images a second time
            if not torch.equal(torch.tensor(numbers)[places], shown):
                return batch | {"pixel_values": shown}
            self._keep(key, batch, places)
        batch, places = self._made[key]
        return {name: value.clone() for name, value in batch.items()} | {"pixel_values": torch.tensor(numbers)[places]}

    def _keep(self, key: Hashable, batch: Batch, places: torch.Tensor) -> None:
        while len(self._made) >= KEPT:
            del self._made[next(iter(self._made))]
        self._made[key] = batch, places

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """Compare prompts by length, without encoding each of them.

        Returns characters of text and tokens of images: longer where the prompt is, for prompts of one wording.
        """
        tokens = self.image_tokens(examples)
        return [sum(images) + sum(len(part.text) for part in example.parts) for images, example in zip(tokens, examples, strict=True)]

    def image_tokens(self, examples: Sequence[Example]) -> list[tuple[int, ...]]:
        """Count the tokens of images; new images go through the vision tower.

        Returns for each prompt, the tokens of each of its images.
        """
        self.store.add((item for example in examples for item in example.images), self.plain)
        number = self.store.number
        return [tuple(len(self.store.images[number(item)].features) for item in example.images) for example in examples]
