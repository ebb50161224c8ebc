"""Opening every image of a set once: can it be read, how large is it, what are its hash and its signature."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.images import read_image, show_something
from empirical.cohorts.perceptual_hash import LENGTH, Signatures, signature
from empirical.cohorts.safe_paths import inside
from see_in_pairs.console import progress
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ImageScan:
    """What was seen of the images of a set.

    Shapes: `signatures` (images, 128), `readable` (images,).
    """

    facts: pd.DataFrame  # one row per image: ``sha256, width, height, mode`` (Pillow's name of its pixels)
    signatures: Signatures
    readable: NDArray[np.bool_]  # which could be read
    problems: tuple[str, ...]  # A line for each that could not

    def write_problems(self, folder: Path) -> None:
        """Write ``broken.csv``, unless nothing is broken."""
        if self.problems:
            import pandas as pd

            write_text(folder / "broken.csv", pd.DataFrame({"problem": self.problems}).to_csv(index=False))


class _Look(NamedTuple):
    sha256: str
    width: int
    height: int
    mode: str
    signature: Signatures
    problem: str


def scan_images(root: Path, names: Sequence[str], quiet: bool = False) -> ImageScan:
    """Open every image once.

    Returns in the order of `names`.
    """
    import pandas as pd

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(max_workers=cores) as pool:
        looks = list(progress(pool.map(lambda name: _look(root, name), names), len(names), "images", quiet))
    facts = pd.DataFrame([look[:4] for look in looks], columns=["sha256", "width", "height", "mode"])
    signatures = np.array([look.signature for look in looks], dtype=np.float16).reshape(-1, LENGTH)
    return ImageScan(
        facts, signatures, np.array([not look.problem for look in looks], dtype=bool), tuple(filter(None, (look.problem for look in looks)))
    )


def _look(root: Path, name: str) -> _Look:
    try:
        path = inside(root, name)
        image, mode = read_image(path)
        show_something(path, image)
        return _Look(hashlib.sha256(path.read_bytes()).hexdigest(), image.width, image.height, mode, signature(image), "")
    except InputError as error:
        return _Look("", 0, 0, "", np.zeros(LENGTH, dtype=np.float16), str(error))
