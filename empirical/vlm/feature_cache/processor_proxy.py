"""Stand-ins for an image processor: one records what the official one returned, the other replays it for known images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from empirical.vlm.feature_cache.disk import ImageFeatures

IMAGE_INDEX = "see-in-pairs"
"""Key in ``Image.info`` of a placeholder: the index of the image that it stands for."""


class ProcessorProxy:
    """Stands for an image processor: attributes that it does not have are the processor's."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor

    def __getattr__(self, name: str) -> Any:
        if name == "processor" or name.startswith("__"):  # during copying it has no processor yet
            raise AttributeError(name)
        return getattr(self.processor, name)


class RecordingProcessor(ProcessorProxy):
    """An image processor that records its last `outputs` and how many images it was shown."""

    outputs: dict[str, Any]
    n_images: int

    def __call__(self, *images: Any, **options: Any) -> Any:
        """Process images with the official processor."""
        outputs = self.processor(*images, **options)
        self.outputs, self.n_images = dict(outputs), len(list(leaves(images or options["images"])))
        return outputs


class ReplayProcessor(ProcessorProxy):
    """An image processor for placeholders: returns what the official one returned for the images they stand for."""

    indices: list[int]

    def __init__(self, processor: Any, images: Mapping[int, ImageFeatures]) -> None:
        super().__init__(processor)
        self.known = images

    def __call__(self, images: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the recorded outputs of all images in order, and as ``pixel_values`` their positions in `indices`."""
        import torch

        self.indices = [placeholder.info[IMAGE_INDEX] for placeholder in leaves(images)]
        known = [self.known[index] for index in self.indices]
        outputs = {name: _concatenate([image.processor_outputs[name] for image in known]) for name in known[0].processor_outputs}
        images_per_row = torch.tensor([len(list(leaves(row))) for row in images])
        return outputs | dict.fromkeys(known[0].per_row, images_per_row) | {"pixel_values": torch.arange(len(self.indices))}


@contextmanager
def replaced_attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute inside the block; afterwards an attribute of the class is visible again."""
    own = name in vars(owner)
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)


def leaves(nested: Any) -> Iterator[Any]:
    """Iterate over the leaves of nested lists."""
    if isinstance(nested, (list, tuple)):
        for part in nested:
            yield from leaves(part)
    else:
        yield nested


def _concatenate(values: list[Any]) -> Any:
    import torch

    return torch.cat(values) if torch.is_tensor(values[0]) else [part for value in values for part in value]
