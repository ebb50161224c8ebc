"""Where the pictures of an example come from: an item of the cohort, an item of another one, or made up.

An example names its images. A name is an item id, or one made here for a picture that is no item of the cohort; whoever needs the
picture asks `picture_source`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from empirical.cohorts import Cohort

MARK = "//"
"""Begins a name that is no item id."""
GRAY = 128


def made_up(kind: str, query: str, seed: int = 0) -> str:
    """Name a picture that is made up for a query."""
    return MARK.join(["", kind, str(seed), query])


def from_elsewhere(cohort: str, item_id: str) -> str:
    """Name a picture of another cohort."""
    return MARK.join(["", "other", item_id, cohort])


def picture_source(cohort: Cohort) -> Callable[[str], Image]:
    """Make a function from names to pictures.

    Parameters
    ----------
    cohort : Cohort
        The queries' cohort.

    Returns
    -------
    callable
        From an item id, or a name of `made_up` or `from_elsewhere`, to an RGB picture.
    """

    def picture(name: str) -> Image:
        if not name.startswith(MARK):
            return cohort.image(name)
        _, kind, first, rest = name.split(MARK, 3)
        if kind == "other":
            return _cohort(rest).image(first)
        return MAKERS[kind](cohort.image(rest), int(first), rest)

    return picture


def file_of(cohort: Cohort, name: str) -> tuple[Path, str]:
    """Tell which file a picture is, or is made from.

    Parameters
    ----------
    cohort : Cohort
        The queries' cohort.
    name : str
        As for `picture_source`.

    Returns
    -------
    path : Path
        The file.
    sha256 : str
        Its hash when it was imported.
    """
    if name.startswith(MARK):
        _, kind, first, rest = name.split(MARK, 3)
        cohort, name = (_cohort(rest), first) if kind == "other" else (cohort, rest)
    return cohort.image_path(name), cohort.imported_as(name)


def picture_area(cohort: Cohort, name: str) -> int:
    """Tell how large a picture is, from the head of its file: many are asked about at once.

    Parameters
    ----------
    cohort : Cohort
        The queries' cohort.
    name : str
        As for `picture_source`.

    Returns
    -------
    int
        Pixels; 0 where the file is broken, which is said when it is read.
    """
    from PIL import Image

    from empirical.cohorts.images import is_dicom

    path = file_of(cohort, name)[0]
    try:
        if is_dicom(path):
            return _dicom_area(path)
        with Image.open(path) as picture:
            return picture.width * picture.height
    except (InputError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0


def _dicom_area(path: Path) -> int:
    from empirical.cohorts.dicom_pixels import open_dataset

    header = open_dataset(path, ["Rows", "Columns"])
    return int(header.get("Rows") or 0) * int(header.get("Columns") or 0)


def blank(query: Image, seed: int, item_id: str) -> Image:
    """Make a uniform gray picture."""
    from PIL import Image

    return Image.new("RGB", query.size, (GRAY, GRAY, GRAY))


def noise(query: Image, seed: int, item_id: str) -> Image:
    """Make a picture of white noise.

    Returns gray; pixels independent, normal, rounded and clipped to 0 to 255.
    """
    from PIL import Image

    from empirical.references.candidates import stream_of

    levels = np.asarray(query.convert("L"), dtype=float)
    values = stream_of(seed, item_id).normal(levels.mean(), levels.std(), levels.shape)
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")


MAKERS: dict[str, Callable[[Image, int, str], Image]] = {"blank": blank, "noise": noise}


@lru_cache(maxsize=4)
def _cohort(folder: str) -> Cohort:
    from empirical.cohorts import Cohort

    return Cohort.load(Path(folder))
