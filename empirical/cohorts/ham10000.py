"""Reader of HAM10000 in its public layout: ``HAM10000_metadata.csv`` and ``images/`` (or ``HAM10000_images_part_1/`` and 2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from empirical.cohorts.cohort import Cohort, CohortInfo, is_safe_path
from empirical.cohorts.intake import assemble, keep_present, look_at_images, read_csv, require_folder
from empirical.cohorts.splits import DEFAULT_FRACTIONS, Fractions, split_by_patient
from see_in_pairs.console import say
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("HAM10000_metadata.csv", "HAM10000_metadata")
NEEDED = ("lesion_id", "image_id", "dx", "age", "sex", "localization", "dataset")
BENIGN = "nv"  # nevus: no healthy skin in this set, so the benign control takes the healthy one's place
SEXES = {"female": "F", "male": "M"}
LICENCE = "HAM10000: CC BY-NC 4.0; cite Tschandl, Rosendahl and Kittler, Scientific Data 5:180161 (2018)."


def import_ham10000(
    root: Path | str,
    out: Path | str,
    *,
    positive: str = "mel",
    only_present: bool = False,
    fractions: Fractions = DEFAULT_FRACTIONS,
    seed: int = 0,
    quiet: bool = False,
) -> Cohort:
    """Import HAM10000.

    Parameters
    ----------
    root : Path or str
        The folder with the table and the images.
    out : Path or str
        The cohort's folder. Images are not copied; their folder and hashes are recorded.
    positive : str, default 'mel'
        The diagnosis to detect, as in ``dx``.
    only_present : bool, default False
        Count and skip rows without an image; otherwise such a row is an error.
    fractions : tuple of float
        Shares of lesions for train, val, test.
    seed : int, default 0
        Seed of the split.
    quiet : bool, default False
        Say nothing.

    Returns
    -------
    Cohort
        Nevi as benign controls (the set has no healthy skin), ``lesion_id`` as the patient (the set names no patients), ``dataset`` as
        the site. Age 0 counts as missing.

    Raises
    ------
    InputError
        When folder, table, columns or images are missing or broken, or a class is empty.
    """
    root = require_folder(root)
    table = _tidy(read_csv(_table_path(root), NEEDED, key="image_id"))
    counts = {"rows_in_table": len(table), "rows_of_other_diagnoses": int((~table["label"].isin([BENIGN, positive])).sum())}
    if positive == BENIGN or not {positive, BENIGN} <= set(table["label"]):
        raise InputError(
            f"--positive {positive}: needs rows of it beside those of '{BENIGN}' (found: {first_few(sorted(set(table['label'])), 8)})"
        )
    table = table[table["label"].isin([BENIGN, positive])].reset_index(drop=True)
    images = {path.stem: path.relative_to(root).as_posix() for path in sorted(root.glob("*images*/*.jpg"))}
    present = table["item_id"].isin(images)
    counts |= {"rows_without_image": int((~present).sum()), "missing_ages": int(table["age"].isna().sum())}
    table = keep_present(table, present, only_present, str(root))
    table["image"] = table["item_id"].map(images)
    table["split"] = split_by_patient(table["patient_id"], table["label"] == positive, fractions, seed)
    table = table.join(look_at_images(root, list(table["image"]), quiet))
    say("; ".join(f"{name.replace('_', ' ')}: {number}" for name, number in counts.items()), quiet)
    parameters = {"positive": positive, "only_present": only_present, "fractions": list(fractions), "seed": seed}
    finding = "melanoma" if positive == "mel" else positive
    info = CohortInfo(
        "HAM10000", "ham10000", BENIGN, [positive], "dermatoscopic image", finding, str(root), LICENCE, counts=counts, parameters=parameters
    )
    return assemble(out, info, table)


def _tidy(entries: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    unsafe = [name for name in entries["image_id"] if not is_safe_path(name) or "/" in name or "\\" in name]
    if unsafe:
        raise InputError(f"image_id: {len(unsafe)} are not plain file names: {first_few(unsafe)}")
    age = pd.to_numeric(entries["age"], errors="coerce")
    return pd.DataFrame(
        {
            "item_id": entries["image_id"],
            "label": entries["dx"],
            "patient_id": entries["lesion_id"],
            "site": entries["dataset"],
            "age": age.where(age > 0, np.nan),
            "sex": entries["sex"].map(SEXES).fillna(""),
            "localization": entries["localization"],
        }
    )


def _table_path(root: Path) -> Path:
    found = [root / name for name in TABLES if (root / name).is_file()]
    if not found:
        raise InputError(f"{root}: no {TABLES[0]}; --root is the folder that holds it and the images")
    return found[0]
