"""Where the images of an example come from: an item of the cohort, an item of another one, a reference aligned to its query, or synthetic.

An example names its images. A name is an item id, or one made here for an image that is not an item of the cohort. `image_source` makes a
function that reads both kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from empirical.references.aligned import AlignedName, image_key, read_image
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from empirical.cohorts import Cohort

MARK = "//"
"""First character of a name that is not an item id."""
GRAY = 128
AUGMENTED = "augmented"
"""Kind of an image as one row of a training shows it."""
KEPT_BYTES = 2**30
"""Most bytes of decoded images that a process keeps: images are used again in every epoch and arm, and reading one takes milliseconds."""


def synthetic_name(kind: str, query: str, seed: int = 0) -> str:
    """Name a synthetic image, of a kind in `SYNTHETIC`, made for a query."""
    return MARK.join(["", kind, str(seed), query])


def augmented_name(name: str, seed: int, noise_sd: float, shift: tuple[int, int]) -> str:
    """Name an image with fresh noise and a shift (rows down, columns to the right); a synthetic image stays as it is."""
    if name.startswith(MARK) and name.split(MARK, 2)[1] in SYNTHETIC:
        return name
    return MARK.join(["", AUGMENTED, ",".join(map(repr, (seed, noise_sd, *shift))), name])


def other_cohort_name(cohort: str, item_id: str) -> str:
    """Name an image of another cohort, by that cohort's folder."""
    return MARK.join(["", "other", item_id, cohort])


def image_source(cohort: Cohort) -> Callable[[str], Image]:
    """Make a function from the names of images to RGB images, for examples of a cohort; as many as fit `KEPT_BYTES` are kept.

    The caller must not change an image, because the next caller gets the same object.
    """
    kept: dict[str, Image] = {}
    room = KEPT_BYTES

    def read(name: str) -> Image:
        nonlocal room
        image = kept.get(name)
        if image is None and name.startswith(MARK + AUGMENTED + MARK):
            return make(name)  # shown once
        if image is None:  # two threads may read the same image at the same time: it is then counted twice, which is safe (less room)
            image = make(name)
            size = 3 * image.width * image.height
            if size <= room:
                kept[name], room = image, room - size
        return image

    def make(name: str) -> Image:
        if not name.startswith(MARK) or AlignedName.parse(name):
            return read_image(cohort, name)
        _, kind, first, rest = name.split(MARK, 3)
        if kind == "other":
            return _cohort(rest).image(first)
        if kind == AUGMENTED:
            seed, noise_sd, down, right = first.split(",")
            return augmented(read(rest), rest, int(seed), float(noise_sd), (int(down), int(right)))
        return SYNTHETIC[kind](read(rest), int(first), rest)

    return read


def content_key(cohort: Cohort, name: str) -> str:
    """Name what an image shows: an item by its recorded SHA-256, an aligned reference by what it is made of, others by their name."""
    if AlignedName.parse(name):
        return image_key(cohort, name)
    return name if name.startswith(MARK) else cohort.imported_as(name)


def source_files(cohort: Cohort, name: str) -> list[tuple[Path, str]]:
    """Find all files that an image is made from, each with its SHA-256 at import."""
    asked = AlignedName.parse(name)
    return [image_file(cohort, one) for one in ((asked.reference, asked.query) if asked else (name,))]


def image_file(cohort: Cohort, name: str) -> tuple[Path, str]:
    """Find the file of an image (or of the image that it is made from, and has the size of), and its SHA-256 at import."""
    cohort, item = _item(cohort, name)
    return cohort.image_path(item), cohort.imported_as(item)


def image_frame(cohort: Cohort, name: str) -> int:
    """Look up which picture in its file an image is (or is made from)."""
    cohort, item = _item(cohort, name)
    return cohort.frame(item)


def _item(cohort: Cohort, name: str) -> tuple[Cohort, str]:
    if not name.startswith(MARK):
        return cohort, name
    if asked := AlignedName.parse(name):
        return cohort, asked.query
    _, kind, first, rest = name.split(MARK, 3)
    return (_cohort(rest), first) if kind == "other" else _item(cohort, rest)


def image_area(cohort: Cohort, name: str) -> int:
    """Count an image's pixels from the header of its file; 0 where the file is broken."""
    width, height = image_size(cohort, name)
    return width * height


def image_size(cohort: Cohort, name: str) -> tuple[int, int]:
    """Read width and height from the header of an image's file (fast, since many are read); zeros where the file is broken."""
    from PIL import Image

    from empirical.cohorts.dicom_pixels import open_dataset
    from empirical.cohorts.images import is_dicom

    path = image_file(cohort, name)[0]
    try:
        if is_dicom(path):
            header = open_dataset(path, ["Rows", "Columns"])
            return int(header.get("Columns") or 0), int(header.get("Rows") or 0)
        with Image.open(path) as image:
            if (frame := image_frame(cohort, name)) > 1:
                image.seek(frame - 1)
            return image.width, image.height
    except (InputError, OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0, 0  # reported when the image is read


def blank(query: Image, seed: int, item_id: str) -> Image:
    """Make a uniform gray image of the query's size."""
    from PIL import Image

    return Image.new("RGB", query.size, (GRAY, GRAY, GRAY))


def noise(query: Image, seed: int, item_id: str) -> Image:
    """Make gray white noise of the query's size, mean and spread: independent normal pixels, rounded and clipped to 0 to 255."""
    from PIL import Image

    from empirical.references.candidates import query_rng

    levels = np.asarray(query.convert("L"), dtype=float)
    values = query_rng(seed, item_id).normal(levels.mean(), levels.std(), levels.shape)
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")


def augmented(image: Image, name: str, seed: int, noise_sd: float, shift: tuple[int, int]) -> Image:
    """Shift an image (pixels of its edge fill what is left free), and add normal noise, the same to all colours.

    The noise depends on seed and name alone: an image that is shown twice in a row stays the same image twice.
    """
    from PIL import Image

    from empirical.references.candidates import query_rng

    levels = np.asarray(image.convert("RGB"), dtype=float)
    rows, columns = (np.clip(np.arange(side) - by, 0, side - 1) for side, by in zip(levels.shape[:2], shift, strict=True))
    noise = query_rng(seed, name).normal(0, noise_sd, levels.shape[:2])[..., None]
    return Image.fromarray(np.clip(np.rint(levels[rows][:, columns] + noise), 0, 255).astype(np.uint8))


SYNTHETIC: dict[str, Callable[[Image, int, str], Image]] = {"blank": blank, "noise": noise}
"""Kinds of synthetic images: functions of the query's image, a seed and the query's item id."""


@lru_cache(maxsize=4)
def _cohort(folder: str) -> Cohort:
    from empirical.cohorts import Cohort

    return Cohort.load(Path(folder))
