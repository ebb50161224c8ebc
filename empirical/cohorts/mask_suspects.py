"""Images that may be lesion masks: image sets often have a mask beside each image, in the same folder."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

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
