"""The signature of each image: a perceptual hash that is not reduced to bits. Changed copies are found by it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from see_in_pairs.errors import InputError
from see_in_pairs.files import atomic_path

if TYPE_CHECKING:
    from PIL import Image

    from empirical.cohorts.cohort import Cohort

SIDE, LENGTH = 32, 128  # pixels of the thumbnail; cosine coefficients kept
FILE = "signatures.npz"

Signatures = NDArray[np.float16]


def signature(image: Image.Image) -> Signatures:
    """Compute the signature of an image, (128,), of unit length; zeros for an image of a single gray level.

    These are the lowest coefficients of the discrete cosine transform of its gray thumbnail of 32 x 32 pixels, without the mean.
    """
    from PIL import Image
    from scipy.fft import dctn

    gray = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
    coefficients = dctn(gray, norm="ortho")[_LOWEST]
    length = float(np.linalg.norm(coefficients))
    return (coefficients / length if length > 1e-6 * SIDE else np.zeros(LENGTH)).astype(np.float16)


def load_signatures(cohort: Cohort) -> tuple[Signatures, list[str]]:
    """Load the signatures of a cohort's images, (items, 128) in the order of the table, and compute the missing ones.

    Rows are NaN where an image cannot be read; the list gives the reason for each.
    """
    known = _read(cohort.folder / FILE)
    names = [str(name) for name in cohort.table["sha256"]]
    absent = [row for row, name in enumerate(names) if name not in known]
    signatures = np.full((len(names), LENGTH), np.nan, dtype=np.float16)
    for row, name in enumerate(names):
        if name in known:
            signatures[row] = known[name]
    problems = []
    with ThreadPoolExecutor() as pool:
        computed = pool.map(_try(cohort), [str(cohort.table["item_id"].iloc[row]) for row in absent])
        for row, (values, problem) in zip(absent, computed, strict=True):
            signatures[row] = values
            problems += [problem] if problem else []
    if len(absent) > len(problems):
        save_signatures(cohort.folder, names, signatures)
    return signatures, problems


def save_signatures(folder: Path, hashes: list[str], values: Signatures) -> None:
    """Write signatures (images, 128) beside a cohort by the hashes of its images, unless its folder cannot be written."""
    rows = [row for row, name in enumerate(hashes) if name and np.isfinite(values[row]).all()]
    try:
        with atomic_path(folder / FILE) as temporary, temporary.open("wb") as stream:
            np.savez(stream, sha256=np.array([hashes[row] for row in rows], dtype="S64"), signature=values[rows])
    except OSError:  # no permission, a read-only or a full disk: signatures are computed again next time
        return


def _read(path: Path) -> dict[str, Signatures]:
    """Read the saved signatures; a damaged file is ignored, since everything can be computed again."""
    try:
        with np.load(path, allow_pickle=False) as content:
            names, values = content["sha256"], content["signature"]
    except (OSError, ValueError, KeyError, EOFError):
        return {}
    if values.shape != (len(names), LENGTH):
        return {}
    return {name.decode(): row for name, row in zip(names, values, strict=True)}


def _try(cohort: Cohort) -> Callable[[str], tuple[Signatures, str]]:
    from empirical.cohorts.images import open_rgb

    def _compute(item_id: str) -> tuple[Signatures, str]:
        try:
            return signature(open_rgb(cohort.image_path(item_id), frame=cohort.frame(item_id))), ""
        except InputError as error:
            return np.full(LENGTH, np.nan, dtype=np.float16), str(error)

    return _compute


def _lowest() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order coefficients by their diagonal, without the mean."""
    row, column = np.indices((SIDE, SIDE)).reshape(2, -1)
    order = np.lexsort((row, row + column))[1 : LENGTH + 1]
    return row[order], column[order]


_LOWEST = _lowest()
