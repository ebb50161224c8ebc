"""Flatten an image before a model sees it: what is large in it goes, detail stays, at one brightness and contrast."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

LEVEL, CONTRAST = 128.0, 20.4
"""Gray level and standard deviation of a flattened image: those of the pictures of pretraining."""


def flatten(image: Image, share: float) -> Image:
    """Subtract an image's own blur, and scale the rest to one standard deviation, over all channels together.

    `share` is the standard deviation of the Gaussian, as a share of the shorter side. So anatomy and brightness, which differ between
    two persons, weigh less than a lesion that is smaller than the blur. An image of one gray level stays of one.

    Examples
    --------
    >>> from PIL import Image
    >>> flatten(Image.new("L", (16, 16), 7), 0.125).getpixel((3, 3))
    128
    """
    from PIL import Image as images
    from scipy.ndimage import gaussian_filter

    values = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"), dtype=np.float64)
    width = share * min(values.shape[:2])
    detail = values - gaussian_filter(values, (width, width) + (0,) * (values.ndim - 2), mode="reflect")
    spread = detail.std()
    scaled = LEVEL + (CONTRAST / spread if spread > 1e-6 else 0.0) * detail
    return images.fromarray(np.round(np.clip(scaled, 0, 255)).astype(np.uint8))


SETTING = "flatten"
"""Name of our image processor setting: the SD of the blur as a share of the shorter side; without it images stay as they are."""


def activate(image_processor: Any) -> None:
    """Let an image processor with the setting `SETTING` flatten what it is shown. The setting is saved with the model, as any other.

    Raises ValueError where the setting, which may come from a checkpoint's files, is no share.
    """
    share = getattr(image_processor, SETTING, None)
    if share is None:
        return
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise ValueError(f"{SETTING} is a share of the image's side, above 0 and at most 1, not {share!r}")
    if not getattr(image_processor, "flattens", False):
        cls: Any = type(image_processor)
        image_processor.__class__ = _flattening(cls)


@cache
def _flattening(cls: Any) -> type:
    def call(self: Any, images: Any, *arguments: Any, **options: Any) -> Any:
        share = getattr(self, SETTING, None)
        return cls.__call__(self, _each(images, share) if share else images, *arguments, **options)

    return type(cls.__name__, (cls,), {"__call__": call, "__module__": cls.__module__, "flattens": True})  # of the same name when saved


def _each(images: Any, share: float) -> Any:
    return [_each(one, share) for one in images] if isinstance(images, (list, tuple)) else flatten(images, share)
