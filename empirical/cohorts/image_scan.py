"""The image scan: every image of a set is opened once, for its size, hash and signature, and whether it can be read; and likely masks."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.images import inside, read_image, refuse_tiny
from empirical.cohorts.perceptual_hash import LENGTH, Signatures, signature
from see_in_pairs.console import progress
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ImageScan:
    """Facts about the images of a set."""

    facts: pd.DataFrame  # a row for each image: ``sha256, width, height, mode`` (format of its stored pixels)
    signatures: Signatures  # (images, 128)
    readable: NDArray[np.bool_]  # (images,)
    problems: tuple[str, ...]  # a line for each image that could not be read

    def write_problems(self, folder: Path) -> None:
        """Write ``broken.csv``, if any image is broken."""
        if self.problems:
            import pandas as pd

            write_text(folder / "broken.csv", pd.DataFrame({"problem": self.problems}).to_csv(index=False))


class _Scanned(NamedTuple):
    sha256: str
    width: int
    height: int
    mode: str
    signature: Signatures
    problem: str


def scan_images(root: Path, names: Sequence[str], quiet: bool = False, frames: Sequence[int] | None = None) -> ImageScan:
    """Open every image once, in the order of `names` (paths below the root); `frames` chooses a picture of each (`read_image`)."""
    import pandas as pd

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(max_workers=cores) as pool:
        scanned = list(progress(pool.map(partial(_scan_one, root), names, frames or [0] * len(names)), len(names), "images", quiet))
    facts = pd.DataFrame([image[:4] for image in scanned], columns=["sha256", "width", "height", "mode"])
    signatures = np.array([image.signature for image in scanned], dtype=np.float16).reshape(-1, LENGTH)
    readable = np.array([not image.problem for image in scanned], dtype=bool)
    return ImageScan(facts, signatures, readable, tuple(image.problem for image in scanned if image.problem))


def _scan_one(root: Path, name: str, frame: int) -> _Scanned:
    try:
        path = inside(root, name)
        image, mode = read_image(path, frame=frame)
        refuse_tiny(path, image)
        return _Scanned(hashlib.sha256(path.read_bytes()).hexdigest(), image.width, image.height, mode, signature(image), "")
    except InputError as error:
        return _Scanned("", 0, 0, "", np.zeros(LENGTH, dtype=np.float16), str(error))


MASK_NAME = re.compile(
    r"(?P<twin>.+?)[ ._-]*(?:mask|masks|seg|segmentation|annotation|groundtruth|gt|roi|overlay)(?:[ ._-]?\d+)?", re.IGNORECASE
)


def mask_suspects(table: pd.DataFrame) -> pd.Series:
    """Whether each item of a cohort's table has 1 bit per pixel, or is named after another: ``a_mask.png`` beside ``a.png``."""
    stems = {_stem(image) for image in table["image"]}

    def _has_twin(image: str) -> bool:
        folder, stem = _stem(image)
        parts = MASK_NAME.fullmatch(stem)
        return parts is not None and (folder, parts["twin"]) in stems

    twins = table["image"].map(_has_twin).astype(bool)
    return twins | (table["mode"] == "1") if "mode" in table else twins


def _stem(image: str) -> tuple[str, str]:
    path = PurePosixPath(image)
    return str(path.parent), path.stem.lower()
