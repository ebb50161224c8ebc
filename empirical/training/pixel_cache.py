"""Cache of the image processor's outputs: training shows each image in every epoch, and processing a small one costs as much as a pass."""

from __future__ import annotations

import weakref
from typing import Any

from empirical.vlm.feature_cache.processor_proxy import ProcessorProxy

KEPT_BYTES = 2**28
"""Outputs of a processor that stay in memory."""
TRIALS = 2
"""Batches that are made both ways before the cache is used."""


class PixelCache(ProcessorProxy):
    """An image processor that processes each image alone, once, and builds batches from these outputs.

    It does so only if the batch is identical: the first batches are made both ways and compared. If a processor looks at several images
    together, pads them, or gives rows different numbers of images, or if memory is used up, it is called as usual. An image is identified
    by its object, which `image_source` keeps; when the object is deleted, its outputs are deleted too.
    """

    def __init__(self, processor: Any, kept_bytes: int = KEPT_BYTES) -> None:
        super().__init__(processor)
        self.trials, self.useful, self.room = 0, True, kept_bytes
        self.options: dict[str, Any] | None = None
        self.alone: dict[int, tuple[weakref.ref[Any], dict[str, Any]]] = {}  # by the image's id: the image and its outputs

    def __call__(self, images: Any, *more: Any, **options: Any) -> Any:
        """Process images, nested as the official processor takes them."""
        together = None if more or not self.useful else self._together(images, options)
        if together is not None and self.trials >= TRIALS:
            return together
        official = self.processor(images, *more, **options)
        if together is not None:
            self.trials, self.useful = self.trials + 1, _equal(together, dict(official))
        return official

    def _together(self, images: Any, options: dict[str, Any]) -> dict[str, Any] | None:
        """Build a batch; None if that is not possible."""
        if not isinstance(images, list) or not all(isinstance(row, list) and len(row) == len(images[0]) for row in images):
            return None
        if self.options is not None and repr(options) != repr(self.options):
            return None
        self.options = options
        known = [[self._alone(image, options) for image in row] for row in images]
        if any(one is None for row in known for one in row):
            return None
        return _put_together([[one for one in row if one is not None] for row in known])

    def _alone(self, image: Any, options: dict[str, Any]) -> dict[str, Any] | None:
        import torch

        number = id(image)
        if number in self.alone and self.alone[number][0]() is image:  # an id is reused when its image is deleted
            return self.alone[number][1]
        outputs = dict(self.processor([[image]], **options))
        size = sum(value.nbytes for value in outputs.values() if torch.is_tensor(value))
        self.room -= size
        if self.room < 0:
            self.useful = False
            self.alone.clear()
            return None

        def forget(_: object) -> None:
            if self.alone.pop(number, None) is not None:
                self.room += size

        self.alone[number] = weakref.ref(image, forget), outputs
        return outputs


def _put_together(rows: list[list[dict[str, Any]]]) -> dict[str, Any] | None:
    """Stack outputs of single images, tensors of shape (1, 1, ...) and lists in lists, to (rows, images, ...); None if shapes differ."""
    import torch

    if not rows or not rows[0]:
        return None
    found: dict[str, Any] = {}
    for name, first in rows[0][0].items():
        values = [[one[name] for one in row] for row in rows]
        if torch.is_tensor(first):
            if first.shape[:2] != (1, 1) or any(value.shape != first.shape for row in values for value in row):
                return None
            found[name] = torch.cat([value[0] for row in values for value in row]).reshape(len(rows), -1, *first.shape[2:])
        elif all(isinstance(value, list) and len(value) == 1 and isinstance(value[0], list) for row in values for value in row):
            found[name] = [[part for value in row for part in value[0]] for row in values]
        else:
            return None
    return found


def _equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    import torch

    if a.keys() != b.keys():
        return False
    same = [torch.equal(a[name], b[name]) if torch.is_tensor(a[name]) and torch.is_tensor(b[name]) else a[name] == b[name] for name in a]
    return all(value is True for value in same)
