"""Open one image file of any pixel format as RGB, or fail with one clear line; keep paths inside their folder."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from see_in_pairs.errors import InputError, first_line

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".jp2", ".j2k")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
SMALLEST = 4  # pixels: an image with a shorter side is a placeholder or a mistake
HOW_TO_REPLACE = "restore the old file, or import the cohort again (and evaluate into a new folder)"
BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)
"""Exceptions of Pillow's decoders, and of its reader of EXIF, on a broken file."""
WIDE_MODES = ("I", "F")  # 16-bit, 32-bit and floating-point pixels: Pillow would clip them at 255


def open_rgb(path: Path, imported: str = "", frame: int = 0) -> Image.Image:
    """Read an image file (`read_image`) as 8-bit RGB; if its SHA-256 at import is given, refuse a file that has changed."""
    if not imported:
        return refuse_tiny(path, read_image(path, frame=frame)[0])
    try:
        content = path.read_bytes()
    except OSError:
        return read_image(path, frame=frame)[0]  # raises the error that says what is wrong
    if hashlib.sha256(content).hexdigest() != imported:
        raise InputError(f"{path}: is not the image that was imported; {HOW_TO_REPLACE}")
    try:
        return refuse_tiny(path, read_image(path, content, frame=frame)[0])
    except InputError as error:
        raise InputError(f"{error}; it has not changed since the import: import again with --skip-broken") from None


def refuse_tiny(path: Path, image: Image.Image) -> Image.Image:
    """Refuse an image that is too small to show anything."""
    if min(image.size) < SMALLEST:
        raise InputError(f"{path}: is {image.width} x {image.height} pixels, too small to show anything")
    return image


def read_image(path: Path, content: bytes | None = None, behind: str = "white", frame: int = 0) -> tuple[Image.Image, str]:
    """Read an image file as 8-bit RGB, and the format of its stored pixels (Pillow's mode, or DICOM's photometric interpretation).

    Transparent parts show the colour `behind`. `frame` chooses one of several pictures, counted from 1; with 0 the file must have one
    picture.
    """
    from PIL import Image

    try:
        if content is None and path.exists() and not path.is_file():  # a pipe or a device may never end
            raise InputError(f"{path}: is not a regular file; take it away")
        if is_dicom(path):
            from empirical.cohorts.dicom_pixels import read_dicom

            return read_dicom(path, frame)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(path, content, behind, frame)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{path}: has too many pixels for a plausible image; make it smaller") from None
    except BROKEN as error:
        raise InputError(f"{path}: cannot be read as an image ({first_line(error)})") from None


def is_dicom(path: Path) -> bool:
    """Decide whether a file is read as DICOM: by its suffix, or, without a known suffix, by its first bytes."""
    if path.suffix.lower() in (*DICOM_SUFFIXES, *IMAGE_SUFFIXES):
        return path.suffix.lower() in DICOM_SUFFIXES
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except PermissionError:  # it may be DICOM: reading it gives a clear error, while skipping it would be silent
        return True
    except OSError:
        return False


def open_mask(path: Path) -> np.ndarray:
    """Read a mask file as booleans, (height, width): true where it is not black."""
    import numpy as np

    return np.asarray(read_image(path, behind="black")[0].convert("L")) > 0


def _decode(path: Path, content: bytes | None, behind: str, frame: int) -> tuple[Image.Image, str]:
    from PIL import Image, ImageOps

    from empirical.cohorts.dicom_pixels import refuse_frame

    with Image.open(path if content is None else io.BytesIO(content)) as image:
        if image.width * image.height > (Image.MAX_IMAGE_PIXELS or float("inf")):  # threads share warning filters
            raise Image.DecompressionBombError
        frames = getattr(image, "n_frames", 1)
        if image.format != "MPO" or frame:  # MPO is a phone's JPEG with a preview after it: the first picture is the photograph
            refuse_frame(path, frames, frame)
        if frame > 1:
            image.seek(frame - 1)
        upright = ImageOps.exif_transpose(image)
        return (_narrow(upright) if upright.mode.startswith(WIDE_MODES) else _opaque(upright, behind)).convert("RGB"), image.mode


def _narrow(image: Image.Image) -> Image.Image:
    """Map 16-bit, 32-bit and floating-point pixels linearly, from the darkest to the brightest, to 8 bits."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image, dtype=np.float64)
    if not np.isfinite(pixels).all():
        raise ValueError(f"{int((~np.isfinite(pixels)).sum())} pixels are infinite or not a number")
    if "transparency" in image.info:
        raise ValueError("it is a 16-bit image with a transparent gray level; save it without transparency")
    low, high = float(pixels.min()), float(pixels.max())
    return Image.fromarray(np.round(255 * (pixels - low) / max(high - low, 1e-300)).astype(np.uint8))


def _opaque(image: Image.Image, behind: str) -> Image.Image:
    """Lay a partly transparent image over a colour, as a viewer does, since the hidden pixels have arbitrary values."""
    from PIL import Image

    if not image.has_transparency_data:
        return image
    layer = image.convert("RGBA")
    least, most = layer.getchannel("A").getextrema()
    if most == 0:
        raise ValueError("the whole image is transparent; save it without transparency")
    if least == 255:
        return layer
    return Image.alpha_composite(Image.new("RGBA", layer.size, behind), layer)


def is_safe_path(path: str) -> bool:
    """Check that a path is relative and does not leave its folder.

    Examples
    --------
    >>> is_safe_path("images/a.png"), is_safe_path("../../etc/passwd"), is_safe_path("/etc/passwd")
    (True, False, False)
    """
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and ":" not in parts[0]


def is_text(name: str) -> bool:
    """Tell whether a name can be written as UTF-8: a file name may be any bytes, and other bytes appear as half surrogate pairs.

    Examples
    --------
    >>> is_text("café.png"), is_text("caf\\udce9.png")
    (True, False)
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def spellings(name: str) -> list[str]:
    """List the possible file names of an image in a table: with the suffix in upper or lower case, or added where the table has none.

    Examples
    --------
    >>> spellings("a.png")[:3], spellings("a")[:3]
    (['a.png', 'a.PNG', 'a.png.png'], ['a', 'a.png', 'a.PNG'])
    """
    path = PurePosixPath(name)
    endings = [ending for suffix in (*IMAGE_SUFFIXES, *DICOM_SUFFIXES) for ending in (suffix, suffix.upper())]
    other = [name[: -len(path.suffix)] + ending for ending in (path.suffix.lower(), path.suffix.upper()) if path.suffix in endings]
    return list(dict.fromkeys([name, *other, *(name + ending for ending in endings)]))


def inside(root: Path, relative: str) -> Path:
    """Join a path to its root, and refuse a path that leads out of it (for example by a link); the file need not exist."""
    path = root / relative
    try:
        stays = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of symbolic links
        raise InputError(f"{path}: is a symbolic link that points back to itself; replace it by the file") from None
    if not stays:
        raise InputError(f"{path}: leads out of {root}; put the file into that folder, or give the folder where it is")
    return path
