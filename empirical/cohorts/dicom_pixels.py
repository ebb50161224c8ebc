"""The pixels of a DICOM file as a radiologist would see them: rescaled, windowed, not inverted, padding black."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from see_in_pairs.errors import InputError, first_line

if TYPE_CHECKING:
    from PIL import Image
    from pydicom import Dataset

Pixels = NDArray[np.float64]


def read_dicom(path: Path, frame: int = 0) -> tuple[Image.Image, str]:
    """Read a DICOM file as 8-bit RGB, and its photometric interpretation.

    Gray values go through the modality table or rescale slope, then through the first VOI table or window of the file. A file without these
    is mapped from its least to its greatest value that is not padding. MONOCHROME1 is inverted, padding is black. Colour is converted to
    RGB. `frame` chooses one of several frames, counted from 1; with 0 the file must have one frame.
    """
    import warnings

    dataset = open_dataset(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as in `open_dataset`: elements are parsed when they are read
            return _picture(path, dataset, frame)
    except InputError:
        raise
    except malformed() as error:
        raise InputError(f"{path}: its header or its tables of pixel values cannot be used ({first_line(error)})") from None


def _picture(path: Path, dataset: Dataset, frame: int) -> tuple[Image.Image, str]:
    from PIL import Image

    if "PixelData" not in dataset and "FloatPixelData" not in dataset and "DoubleFloatPixelData" not in dataset:
        raise InputError(f"{path}: is a DICOM file without pixels ({_kind(dataset)}); remove it")
    refuse_frame(path, int(dataset.get("NumberOfFrames") or 1), frame)
    index = max(frame - 1, 0)
    _lift_frame(dataset, index)
    stored = _stored_values(path, dataset, index)
    interpretation = str(dataset.get("PhotometricInterpretation", ""))
    shown = _gray(stored, dataset) if interpretation.startswith("MONOCHROME") else _colour(stored, dataset, interpretation)
    return Image.fromarray(shown).convert("RGB"), interpretation


def open_dataset(path: Path, tags: list[str] | None = None) -> Dataset:
    """Open a DICOM file; with `tags` only these elements of the header are read."""
    import warnings

    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    if path.exists() and not path.is_file():  # reading a pipe or a device may never end
        raise InputError(f"{path}: is not a regular file; remove it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns about values that break the standard, which are common in real files
            return dcmread(path, stop_before_pixels=tags is not None, specific_tags=list(tags) if tags is not None else None)
    except FileNotFoundError:
        raise InputError(f"{path}: no such image") from None
    except InvalidDicomError:
        raise InputError(f"{path}: is not a DICOM file (it has no DICOM header)") from None
    except Exception as error:  # a hostile header can raise nearly any exception in a parser; they all mean the same to the user
        raise InputError(f"{path}: cannot be read as DICOM ({first_line(error)})") from None


def malformed() -> tuple[type[Exception], ...]:
    """The exceptions that pydicom raises when it reads, and so parses, a malformed element."""
    from pydicom.errors import BytesLengthException

    return (
        BytesLengthException, ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RecursionError,
        TypeError, ValueError, struct.error,
    )  # fmt: skip


def window(values: Pixels, center: float, width: float, function: str = "LINEAR") -> Pixels:
    """Map values through a window to [0, 1].

    Notes
    -----
    DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3: with :math:`x` a value, :math:`c` the center and :math:`w` the width, LINEAR is
    :math:`(x-(c-1/2))/(w-1)+1/2`, LINEAR_EXACT is :math:`(x-c)/w+1/2`, both cut to [0, 1], and SIGMOID is :math:`1/(1+e^{-4(x-c)/w})`.

    Examples
    --------
    >>> window(np.array([0.0, 50.0, 100.0]), 50, 100, "LINEAR_EXACT")
    array([0. , 0.5, 1. ])
    """
    if function == "SIGMOID" and width > 0:
        return 1 / (1 + np.exp(-np.clip(4 * (values - center) / width, -700, 700)))
    if function == "LINEAR_EXACT" and width > 0:
        return np.clip((values - center) / width + 0.5, 0, 1)
    if function == "LINEAR" and width >= 1:
        if width == 1:  # the standard's step function
            return (values > center - 0.5).astype(np.float64)
        return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
    raise ValueError(f"window of width {width:g} with function '{function}'")


def refuse_frame(path: Path, frames: int, frame: int) -> None:
    """Refuse a file with several pictures when none was chosen, and a picture number that the file does not have."""
    if frames > 1 and not frame:
        raise InputError(f"{path}: has {frames} pictures; choose one (--frame), or save the right one as a separate file")
    if frame > max(frames, 1):
        raise InputError(f"{path}: has {frames} picture{'s' * (frames > 1)}, so there is no frame {frame}")


def _lift_frame(dataset: Dataset, index: int) -> None:
    """Move the rescale and the window of a frame to their place in a plain file (enhanced CT and MR, PS3.3, C.7.6.16)."""
    shared, each = (list(dataset.get(f"{name}FunctionalGroupsSequence") or ()) for name in ("Shared", "PerFrame"))
    for group in [*shared, *each[index : index + 1]]:
        for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for element in (group.get(name) or [()])[0]:
                dataset[element.tag] = element


def _stored_values(path: Path, dataset: Dataset, index: int) -> NDArray[Any]:
    import warnings

    from pydicom.pixels import pixel_array

    from empirical.cohorts.compressed_pixels import advice, decode

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if dataset.file_meta.TransferSyntaxUID.is_compressed:
                return decode(path, dataset, index)
            return pixel_array(dataset, index=index)  # colour comes as RGB
    except Exception as error:  # decoders raise many exceptions on broken streams; they all mean the same to the user
        name = getattr(dataset.file_meta.get("TransferSyntaxUID"), "name", "an unnamed transfer syntax")
        why = first_line(error).rstrip(":")
        raise InputError(f"{path}: its pixels cannot be decoded ({name}: {why}); {advice(dataset)}") from None


def _gray(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.uint8]:
    from pydicom.pixels import apply_modality_lut

    padding = _padding(stored, dataset)
    shown = _windowed(np.asarray(apply_modality_lut(stored, dataset), dtype=np.float64), padding, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    shown[padding] = 0
    if not np.isfinite(shown).all():
        raise ValueError(f"{int((~np.isfinite(shown)).sum())} pixels are infinite or not a number")
    return np.round(255 * shown).astype(np.uint8)


def _windowed(values: Pixels, padding: NDArray[np.bool_], dataset: Dataset) -> Pixels:
    """Map to [0, 1] by the file's own table or window, else from its least to its greatest value."""
    from pydicom.pixels import apply_voi

    if dataset.get("VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        return np.asarray(apply_voi(np.rint(values).astype(np.int64), dataset), dtype=np.float64) / (2**bits - 1)
    center, width = (_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if center is not None and width is not None:
        return window(values, center, width, str(dataset.get("VOILUTFunction") or "LINEAR"))
    inside = values[~padding]
    if not np.isfinite(inside).all():
        raise ValueError(f"{int((~np.isfinite(inside)).sum())} pixels are infinite or not a number")
    low, high = (float(inside.min()), float(inside.max())) if inside.size else (0.0, 0.0)
    return np.clip((values - low) / max(high - low, 1e-300), 0, 1)


def _padding(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_]:
    """Find the padding pixels: those of one value, or from that value to the range's limit (PS3.3, C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=bool)
    limit = dataset.get("PixelPaddingRangeLimit", value)
    bits = int(dataset.get("BitsStored", 16))
    least, most = sorted(_as_stored(number, stored, bits) for number in (value, limit))
    return (stored >= least) & (stored <= most)


def _as_stored(value: Any, stored: NDArray[Any], bits: int) -> float:
    """Read an element with the sign of the pixels: many files write it as unsigned beside signed pixels, or the reverse."""
    if stored.dtype.kind == "f":
        return float(value)
    number = int(value) % 2**16
    if stored.dtype.kind == "u":
        return number
    number -= 2**16 if number >= 2**15 else 0
    return number - 2**bits if 2 ** (bits - 1) <= number < 2**bits else number


def _colour(stored: NDArray[Any], dataset: Dataset, interpretation: str) -> NDArray[np.uint8]:
    from pydicom.pixels import apply_color_lut

    pixels = apply_color_lut(stored, dataset) if interpretation == "PALETTE COLOR" else stored
    depth = 8 * pixels.dtype.itemsize if interpretation == "PALETTE COLOR" else int(dataset.get("BitsStored", 8))
    return np.round(pixels[..., :3] * (255 / (2**depth - 1))).astype(np.uint8)


def _first(value: Any) -> float | None:
    """Read a number, the first where the file has several windows."""
    if value is None or value == "":
        return None
    return float(value if isinstance(value, (int, float, str)) or not hasattr(value, "__getitem__") else value[0])


def _kind(dataset: Dataset) -> str:
    return str(getattr(dataset.get("SOPClassUID"), "name", "of an unknown kind"))
