"""Stand-ins for an image processor: one that remembers what the official one said, one that says it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from empirical.vlm.feature_cache.disk import StoredImage

NUMBER = "see-in-pairs"  # under this key a ticket carries the number of the image it stands for


class _StandIn:
    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class RecordingProcessor(_StandIn):
    """An image processor that remembers what it made."""

    made: dict[str, Any]
    images: int

    def __call__(self, *images: Any, **options: Any) -> Any:
        """Process images.

        Returns as the official one makes it.
        """
        made = self.real(*images, **options)
        self.made, self.images = dict(made), len(list(leaves(images or options["images"])))
        return made


class ReplayProcessor(_StandIn):
    """An image processor that knows its images already, by the number on their tickets."""

    numbers: list[int]

    def __init__(self, real: Any, images: Mapping[int, StoredImage]) -> None:
        super().__init__(real)
        self.known = images

    def __call__(self, images: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Say of images what the official processor said when it saw them.

        Returns the facts of all images in order, and their places in `numbers` as ``pixel_values``.
        """
        import torch

        self.numbers = [placeholder.info[NUMBER] for placeholder in leaves(images)]
        stored = [self.known[number] for number in self.numbers]
        joined = {name: _join([image.facts[name] for image in stored]) for name in stored[0].facts}
        counts = torch.tensor([len(list(leaves(row))) for row in images])
        return joined | dict.fromkeys(stored[0].per_row, counts) | {"pixel_values": torch.arange(len(self.numbers))}


@contextmanager
def swapped(thing: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute for a while."""
    own = name in vars(thing)
    before = getattr(thing, name)
    setattr(thing, name, value)
    try:
        yield
    finally:
        if own:
            setattr(thing, name, before)
        else:
            delattr(thing, name)


def leaves(nested: Any) -> Iterator[Any]:
    """Walk through nested lists."""
    if isinstance(nested, (list, tuple)):
        for part in nested:
            yield from leaves(part)
    else:
        yield nested


def _join(values: list[Any]) -> Any:
    import torch

    return torch.cat(values) if torch.is_tensor(values[0]) else [part for value in values for part in value]
