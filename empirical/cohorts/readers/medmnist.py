"""Reader of MedMNIST files, ``.npz`` with ``train_images``, ``train_labels`` and the same for ``val`` and ``test``."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.importing import CohortDraft, ImportSettings, finish_import
from empirical.cohorts.readers.findings import PRESENT, LabelSettings, label_items, merge_positive
from empirical.cohorts.readers.folder import entries_of, keep_labels
from empirical.cohorts.schema import QUERY_SPLITS, CohortInfo
from see_in_pairs.errors import InputError, first_few, first_line
from see_in_pairs.files import atomic_path, sha256

if TYPE_CHECKING:
    import pandas as pd

LICENCE = "MedMNIST v2: CC BY 4.0 (DermaMNIST CC BY-NC 4.0); cite Yang et al., Scientific Data 10:41 (2023), and the source of the set."
NAMES: dict[str, tuple[str, ...]] = {  # label 0, 1, ... of the sets with a healthy or benign class
    "pneumoniamnist": ("normal", "pneumonia"),
    "breastmnist": ("malignant", "normal or benign"),
    "octmnist": ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    "chestmnist": (
        "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax", "consolidation", "edema",
        "emphysema", "fibrosis", "pleural", "hernia",
    ),  # an array of 0 and 1 for each image
}  # fmt: skip
NO_FINDING = "no finding"  # default label of images whose array has only zeros
MODALITIES = {"pneumoniamnist": "chest X-ray", "breastmnist": "breast ultrasound image", "octmnist": "retinal OCT image"}
MODALITIES |= {"chestmnist": "chest X-ray"}


BROKEN = (
    AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError, struct.error, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What numpy, ``zipfile`` and ``zlib`` raise on a damaged archive; RuntimeError for one that is encrypted."""


def import_medmnist(
    root: Path | str,
    out: Path | str,
    *,
    healthy: str,
    positive: Sequence[str] = (),
    label_names: Mapping[str, str] | None = None,
    no_label: str = "",
    positive_name: str = "",
    name: str = "",
    modality: str = "",
    finding: str = "",
    **settings: Unpack[ImportSettings],
) -> Cohort:
    """Import a set of MedMNIST, in its own splits unless ``resplit`` is given.

    Sets of several labels (ChestMNIST) have an array of 0 and 1 for each image; an array of zeros has the label `no_label`. Images with
    several labels to detect are left out, unless `positive_name` merges these labels. The file names no patients, so each image counts as a
    separate patient, with a warning.
    """
    path = _find_file(Path(root))
    known = next((key for key in NAMES if path.stem.lower().startswith(key)), "")
    names = {str(number): word for number, word in enumerate(NAMES.get(known, ()))} | dict(label_names or {})
    arrays = _read(path)
    table = _items(arrays)
    counts = {"images_in_file": len(table)}
    healthy, wanted = names.get(healthy, healthy), [names.get(label, label) for label in positive]
    if _several_labels(arrays):
        said = _mentions(arrays, names)
        rules: LabelSettings = {"no_label": no_label or NO_FINDING, "positive_name": positive_name}
        labels, chosen, more, _ = label_items(said, table["item_id"], table["item_id"], healthy, wanted, rules, str(path))
        table, counts = table.assign(label=labels.to_numpy())[labels.to_numpy() != ""].reset_index(drop=True), counts | more
    elif no_label:
        raise InputError(f"--no-label: is for sets with several labels per image; {path.name} has one per image")
    else:
        table, chosen = keep_labels(_named(table, arrays, names), healthy, wanted, counts, str(path))
        if positive_name:
            table["label"], chosen = merge_positive(table["label"], chosen, healthy, positive_name)
    folder = Path(out).resolve()
    _write_images(folder, arrays, table)
    info = CohortInfo(
        name or path.stem, "medmnist", healthy, chosen, modality or MODALITIES.get(known, "medical image"), finding or " or ".join(chosen),
        licence=LICENCE,
    )  # fmt: skip
    options = {"file_sha256": sha256(path), "label_names": names}
    return finish_import(
        CohortDraft(folder, info, table.drop(columns="row"), counts, options, "MedMNIST names no patients"), out, **settings
    )


def _find_file(root: Path) -> Path:
    if root.is_file():
        return root
    files = [path for path in entries_of(root)[1] if path.suffix == ".npz"] if root.is_dir() else []
    if len(files) != 1:
        found = f"{len(files)} .npz files in it ({first_few([file.name for file in files])})" if files else "no .npz file in it"
        raise InputError(f"--root {root}: {found}; name the file of one set")
    return files[0]


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream:
            content = np.load(stream, allow_pickle=False)
            arrays = {} if isinstance(content, np.ndarray) else {name: content[name] for name in content.files}
    except BROKEN as error:
        why = "not a .npz file, or it contains pickles, which are not loaded" if "pickle" in str(error) else first_line(error)
        raise InputError(f"{path}: cannot be read as .npz ({why})") from None
    if isinstance(content, np.ndarray):
        raise InputError(f"{path}: is one array (.npy under another name), not an archive of arrays; name the file of a set")
    parts = [split for split in QUERY_SPLITS if {f"{split}_images", f"{split}_labels"} <= arrays.keys()]
    if not parts:
        raise InputError(f"{path}: no train_images with train_labels (found: {first_few(sorted(arrays), 6)}); is it a file of MedMNIST?")
    for split in parts:
        _refuse_shape(arrays[f"{split}_images"], arrays[f"{split}_labels"], f"{path}: {split}")
    return {name: arrays[name] for split in parts for name in (f"{split}_images", f"{split}_labels")}


def _refuse_shape(images: NDArray[Any], labels: NDArray[Any], source: str) -> None:
    gray_or_rgb = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] == 3)
    if not gray_or_rgb or images.dtype != np.uint8:
        raise InputError(f"{source}_images: shape {images.shape} of {images.dtype}; images of 8-bit gray or RGB are needed, not volumes")
    if not images.size:
        raise InputError(f"{source}_images: shape {images.shape}: the images have no pixels")
    if labels.size != len(images) and (labels.ndim != 2 or len(labels) != len(images)):
        raise InputError(
            f"{source}_labels: shape {labels.shape} for {len(images)} images; one label for each, or a row of 0 and 1, is needed"
        )
    if labels.size != len(images) and not np.isin(labels, (0, 1)).all():
        raise InputError(
            f"{source}_labels: {int((~np.isin(labels, (0, 1))).sum())} are neither 0 nor 1; each row must mark the labels of an image"
        )
    if labels.dtype.kind not in "biufUS":
        raise InputError(f"{source}_labels: of type {labels.dtype}; whole numbers or names are needed")
    if labels.dtype.kind == "f" and (bad := labels[~np.isfinite(labels) | (labels != np.floor(labels))]).size:
        raise InputError(f"{source}_labels: {bad.size} are not whole numbers ({first_few(list(bad))}); each label is a class")


def _label(value: Any) -> str:
    """Write a label as the user names it: 1, 1.0 and true as ``'1'``."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value if isinstance(value, str) else str(int(value))


def _splits(arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, NDArray[Any]]]:
    """List the splits of a file and the labels of each."""
    return [(name.removesuffix("_labels"), arrays[name]) for name in arrays if name.endswith("_labels")]


def _items(arrays: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    import pandas as pd

    names = [(f"{split}-{row:06d}", split, row) for split, _ in _splits(arrays) for row in range(len(arrays[f"{split}_images"]))]
    rows = [(item, f"images/{item}.png", item, split, row) for item, split, row in names]
    return pd.DataFrame(rows, columns=["item_id", "image", "patient_id", "split", "row"])


def _named(table: pd.DataFrame, arrays: Mapping[str, NDArray[Any]], names: Mapping[str, str]) -> pd.DataFrame:
    labels = [_label(number) for _, numbers in _splits(arrays) for number in numbers.ravel()]
    return table.assign(label=[names.get(label, label) for label in labels])


def _several_labels(arrays: Mapping[str, NDArray[Any]]) -> bool:
    widths = {labels.size // len(arrays[f"{split}_images"]) for split, labels in _splits(arrays)}
    if len(widths) > 1:
        raise InputError(f"the splits have {' and '.join(map(str, sorted(widths)))} labels for each image; the numbers must agree")
    return widths != {1}


def _mentions(arrays: Mapping[str, NDArray[Any]], names: Mapping[str, str]) -> pd.DataFrame:
    """List the labels that each image has, as `findings.mentions` does."""
    import pandas as pd

    row, column = np.concatenate([labels for _, labels in _splits(arrays)]).nonzero()
    labels = [names.get(str(number), str(number)) for number in column]
    return pd.DataFrame({"row": row, "label": pd.Series(labels, dtype=str), "state": PRESENT})


def _write_images(folder: Path, arrays: Mapping[str, NDArray[Any]], table: pd.DataFrame) -> None:
    from PIL import Image

    for item, split, row in zip(table["item_id"], table["split"], table["row"], strict=True):
        with atomic_path(folder / "images" / f"{item}.png") as temporary:
            Image.fromarray(arrays[f"{split}_images"][row]).save(temporary, compress_level=1)
