"""Opening one image file: every pixel format in, an RGB picture or one clear line out."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
SMALLEST = 4  # pixels: an image with a shorter side shows nothing, and is a placeholder or a mistake
HOW_TO_REPLACE = "put the old file back, or import the cohort again (and evaluate into a new folder)"
WIDE_MODES = ("I", "F")  # 16-bit, 32-bit and floating-point pixels, which Pillow would clip at 255


def open_rgb(path: Path, imported: str = "") -> Image.Image:
    """Read an image file as 8-bit RGB."""
    if not imported:
        return show_something(path, read_image(path)[0])
    try:
        content = path.read_bytes()
    except OSError:
        return read_image(path)[0]  # says what is wrong
    if hashlib.sha256(content).hexdigest() != imported:
        raise InputError(f"{path}: is not the image that was imported; {HOW_TO_REPLACE}")
    try:
        return show_something(path, read_image(path, content)[0])
    except InputError as error:
        raise InputError(f"{error}; it is as it was imported: import again with --skip-broken") from None


def show_something(path: Path, image: Image.Image) -> Image.Image:
    """Refuse an image that is too small to show anything."""
    if min(image.size) < SMALLEST:
        raise InputError(f"{path}: is {image.width} x {image.height} pixels, too small to show anything")
    return image


def read_image(path: Path, content: bytes | None = None) -> tuple[Image.Image, str]:
    """Read an image file as 8-bit RGB, and tell how its pixels were kept."""
    from PIL import Image

    if is_dicom(path):
        from empirical.cohorts.dicom_pixels import read_dicom

        return read_dicom(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(path, content)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{path}: has more pixels than any plausible image; make it smaller") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow's decoders raise on a broken file
        raise InputError(f"{path}: cannot be read as an image ({_first_line(error)})") from None


def is_dicom(path: Path) -> bool:
    """Tell whether a file is to be read as DICOM: by its ending, or where it has none that we know, by its first bytes."""
    if path.suffix.lower() in (*DICOM_SUFFIXES, *IMAGE_SUFFIXES):
        return path.suffix.lower() in DICOM_SUFFIXES
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def open_mask(path: Path) -> np.ndarray:
    """Read a mask file.

    Returns (height, width): The mask.
    """
    import numpy as np

    return np.asarray(read_image(path)[0].convert("L")) > 0


def _decode(path: Path, content: bytes | None) -> tuple[Image.Image, str]:
    from PIL import Image, ImageOps

    with Image.open(path if content is None else io.BytesIO(content)) as image:
        if image.width * image.height > (Image.MAX_IMAGE_PIXELS or float("inf")):  # filters of warnings are not kept apart by thread
            raise Image.DecompressionBombError
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":  # a phone's JPEG with a preview behind it: the first is the photograph
            raise InputError(f"{path}: holds {frames} pictures; save the one that is meant as a file of its own")
        return _narrow(ImageOps.exif_transpose(image)).convert("RGB"), image.mode


def _narrow(image: Image.Image) -> Image.Image:
    if not image.mode.startswith(WIDE_MODES):
        return image
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image, dtype=np.float64)
    low, high = float(pixels.min()), float(pixels.max())
    return Image.fromarray(np.round(255 * (pixels - low) / max(high - low, 1e-300)).astype(np.uint8))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
