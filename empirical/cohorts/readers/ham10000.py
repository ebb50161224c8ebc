"""Reader of HAM10000 in its public layout: ``HAM10000_metadata.csv`` and ``images/`` (or ``HAM10000_images_part_1/`` and 2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.csv_io import parse_number, parse_sex, read_csv, refuse_labels_alike, refuse_unsafe_names, say_absent
from empirical.cohorts.images import IMAGE_SUFFIXES
from empirical.cohorts.importing import CohortDraft, TableImportSettings, finish_import, require_folder
from empirical.cohorts.readers.folder import entries_of, find_by_name
from empirical.cohorts.schema import CohortInfo
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("HAM10000_metadata.csv", "HAM10000_metadata")
NEEDED = ("lesion_id", "image_id", "dx")
FACTS = ("age", "sex", "dataset", "localization", "dx_type")  # optional columns
BENIGN = "nv"  # nevus: this set has no healthy skin, so a benign control replaces the healthy one
LICENCE = "HAM10000: CC BY-NC 4.0; cite Tschandl, Rosendahl and Kittler, Scientific Data 5:180161 (2018)."


def import_ham10000(root: Path | str, out: Path | str, *, positive: str = "mel", **settings: Unpack[TableImportSettings]) -> Cohort:
    """Import HAM10000, with nevi as benign controls, since the set has no healthy skin.

    The set names no patients: ``lesion_id`` is used as the patient, and ``dataset``, if present, as the site. Age 0 means missing.
    """
    root = require_folder(root)
    entries = read_csv(_table_path(root), NEEDED, key="image_id")
    say_absent(entries, FACTS, "table", settings.get("quiet", False))
    table = _tidy(entries)
    refuse_labels_alike(table["label"], str(root))
    counts = {"rows_in_table": len(table), "rows_of_other_diagnoses": int((~table["label"].isin([BENIGN, positive])).sum())}
    if positive == BENIGN or not {positive, BENIGN} <= set(table["label"]):
        raise InputError(
            f"--positive {positive}: needs rows of it beside those of '{BENIGN}' (found: {first_few(sorted(set(table['label'])), 8)})"
        )
    table = table[table["label"].isin([BENIGN, positive])].reset_index(drop=True)
    counts |= {"missing_ages": int(table["age"].isna().sum())} if "age" in table else {}
    folders = [folder for folder in entries_of(root)[0] if "images" in folder.name.lower()]
    files = [path for folder in folders for path in entries_of(folder)[1] if path.suffix.lower() in IMAGE_SUFFIXES]
    table["image"] = find_by_name(table["item_id"], files, root)
    finding = "melanoma" if positive == "mel" else positive
    info = CohortInfo("HAM10000", "ham10000", BENIGN, [positive], "dermatoscopic image", finding, licence=LICENCE, control="benign")
    return finish_import(CohortDraft(root, info, table, counts, {"positive": positive}), out, **settings)


def _tidy(entries: pd.DataFrame) -> pd.DataFrame:
    refuse_unsafe_names(entries["image_id"])
    table = entries[["image_id", "dx", "lesion_id"]].set_axis(["item_id", "label", "patient_id"], axis="columns")
    if "age" in entries:
        age = parse_number(entries["age"])
        table["age"] = age.where(age > 0, np.nan)
    if "sex" in entries:
        table["sex"] = parse_sex(entries["sex"])
    # dx_type: how the diagnosis was confirmed, which in the whole set tells nevi from melanomas
    more = {"dataset": "site", "localization": "localization", "dx_type": "dx_type"}
    return table.assign(**{ours: entries[theirs] for theirs, ours in more.items() if theirs in entries})


def _table_path(root: Path) -> Path:
    found = [root / name for name in TABLES if (root / name).is_file()]
    if not found:
        raise InputError(f"{root}: no {TABLES[0]}; --root must be the folder with this table and the images")
    return found[0]
