"""Outputs of a few channels on the images of a cohort: a table of numbers, for observers that learn from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from empirical.references.aligned import AlignedName, read_image
from see_in_pairs.console import progress
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort

Floats = NDArray[np.float64]
KEPT_IMAGES = 4096  # decoded images, at 64 x 64 pixels about 130 MB: a reference is read once, even if many queries share it


def gray_image(cohort: Cohort, name: str, size: int | None = None) -> Floats:
    """Read an item's image, or an aligned reference, as gray levels from 0 to 255, shape (rows, columns).

    With `size` as a square of that many pixels a side.
    """
    image = read_image(cohort, name).convert("L")
    if size is not None and image.size != (size, size):
        from PIL.Image import Resampling

        image = image.resize((size, size), Resampling.BOX if max(image.size) > size else Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float64)


def patch_outputs(image: Floats, profiles: Floats, places: NDArray[np.intp]) -> Floats:
    """Lay square channels of odd side (K, side, side) on places (L, 2) of an image; beyond its edge it is mirrored. Returns (L, K)."""
    side = profiles.shape[-1]
    reach = side // 2
    padded = np.pad(image, reach, mode="symmetric")
    patches = np.stack([padded[row : row + side, column : column + side] for row, column in places])
    return patches.reshape(len(places), -1) @ profiles.reshape(len(profiles), -1).T


def channel_outputs(
    cohort: Cohort,
    split: str,
    profiles: Floats,
    places: NDArray[np.intp],
    references: Mapping[str, Sequence[str]] | None = None,
    *,
    size: int | None = None,
    lesions: Mapping[str, tuple[int, int]] | None = None,
    quiet: bool = True,
) -> pd.DataFrame:
    """Compute the channels' outputs on the queries of a split, and on the reference of each, an item or an aligned one.

    Shapes: `profiles` (K, side, side), an odd side; `places` (L, 2), row and column of their centres in every image. `lesions` adds a
    further place to a query: that of its lesion. A query without a reference is left out, and counted in ``attrs["left_out"]``.
    Columns: item_id, patient_id, diseased, reference_id, place (-1: the query's lesion), row, column, q0... of the query, r0... of the
    reference, at the same place.
    """
    import pandas as pd

    if profiles.ndim != 3 or profiles.shape[1] != profiles.shape[2] or profiles.shape[1] % 2 == 0:
        raise InputError(f"channels: give square profiles of an odd side, shape (channels, side, side), not {profiles.shape}")
    queries, left_out = cohort.queries(split), 0
    read = lru_cache(KEPT_IMAGES)(lambda item: gray_image(cohort, item, size))
    shown, at, outputs = list[tuple[int, str, int]](), list[NDArray[np.intp]](), list[Floats]()  # of each query
    for number, item in enumerate(progress(queries["item_id"].tolist(), len(queries), f"channels, {split}", quiet)):
        beside = "" if references is None else next(iter(references.get(item, ())), None)
        if beside is None:
            left_out += 1
            continue
        own = places if not lesions or item not in lesions else np.vstack([places, [lesions[item]]])
        images = [item, beside] if beside else [item]
        outputs.append(np.concatenate([patch_outputs(read(image), profiles, own) for image in images], axis=1))
        aligned = AlignedName.parse(beside)
        shown.append((number, aligned.reference if aligned else beside, len(own)))
        at.append(own)
    if not shown:
        raise InputError(f"{cohort.folder}: no query of split '{split}' has a reference")
    counts = [count for _, _, count in shown]
    of_query = queries.iloc[np.repeat([number for number, _, _ in shown], counts)].reset_index(drop=True)
    table = of_query[["item_id", "patient_id"]].assign(
        diseased=of_query["label"].isin(cohort.info.positive),
        reference_id=np.repeat([beside for _, beside, _ in shown], counts),
        place=np.concatenate([np.where(np.arange(count) < len(places), np.arange(count), -1) for count in counts]),
    )
    values, channels = np.concatenate(outputs), range(len(profiles))
    names = [f"{letter}{channel}" for letter in "qr" for channel in channels][: values.shape[1]]
    named = pd.DataFrame(values, columns=pd.Index(names))
    table = pd.concat([table, pd.DataFrame(np.concatenate(at), columns=pd.Index(["row", "column"])), named], axis=1)
    table.attrs["left_out"] = left_out
    return table
