"""A perceptual signature of each image, by which copies that were recompressed, resized or brightened are found."""

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
    """Compute the signature of a picture.

    Returns (128,): The lowest coefficients of the discrete cosine transform of its gray thumbnail of 32 x 32 pixels, without the mean,
    scaled to unit length; zeros for a picture of one gray.
    """
    from PIL import Image
    from scipy.fft import dctn

    gray = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
    coefficients = dctn(gray, norm="ortho")[_LOWEST]
    length = float(np.linalg.norm(coefficients))
    return (coefficients / length if length > 1e-6 * SIDE else np.zeros(LENGTH)).astype(np.float16)


def load_signatures(cohort: Cohort) -> tuple[Signatures, list[str]]:
    """Give the signatures of a cohort's images, computing those that are not kept beside it yet.

    Returns (items, 128): In the order of the table; NaN where an image cannot be read; What is wrong with the images that cannot be read, a
    line each.
    """
    known = _read(cohort.folder / FILE)
    names = [str(name) for name in cohort.table["sha256"]]
    absent = [row for row, name in enumerate(names) if name not in known]
    found = np.full((len(names), LENGTH), np.nan, dtype=np.float16)
    for row in set(range(len(names))) - set(absent):
        found[row] = known[names[row]]
    problems = []
    with ThreadPoolExecutor() as pool:
        for row, (values, problem) in zip(
            absent, pool.map(_try(cohort), [str(cohort.table["image"].iloc[row]) for row in absent]), strict=True
        ):
            found[row] = values
            problems += [problem] if problem else []
    if len(absent) > len(problems):
        keep_signatures(cohort.folder, names, found)
    return found, problems


def keep_signatures(folder: Path, hashes: list[str], values: Signatures) -> None:
    """Write signatures beside a cohort, unless its folder cannot be written.

    Shapes: `values` (len(hashes).
    """
    keep = [row for row, name in enumerate(hashes) if name and np.isfinite(values[row]).all()]
    try:
        with atomic_path(folder / FILE) as temporary, temporary.open("wb") as stream:
            np.savez(stream, sha256=np.array([hashes[row] for row in keep], dtype="S64"), signature=values[keep])
    except OSError:  # no right to write there, a read-only or a full disk: they are computed again next time
        return


def _read(path: Path) -> dict[str, Signatures]:
    """Read what is kept; a file that is cut or of another form counts as none, since all of it can be computed again."""
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

    def _compute(image: str) -> tuple[Signatures, str]:
        try:
            return signature(open_rgb(cohort.file(image))), ""
        except InputError as error:
            return np.full(LENGTH, np.nan, dtype=np.float16), str(error)

    return _compute


def _lowest() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order coefficients by their diagonal, the mean left out."""
    row, column = np.indices((SIDE, SIDE)).reshape(2, -1)
    order = np.lexsort((row, row + column))[1 : LENGTH + 1]
    return row[order], column[order]


_LOWEST = _lowest()
