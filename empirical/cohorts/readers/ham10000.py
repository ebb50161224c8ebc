"""Reader of HAM10000 in its public layout: ``HAM10000_metadata.csv`` and ``images/`` (or ``HAM10000_images_part_1/`` and 2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.csv_io import parse_number, parse_sex, read_csv, refuse_labels_alike, refuse_unsafe_names, say_absent
from empirical.cohorts.images import IMAGE_SUFFIXES
from empirical.cohorts.importing import CohortDraft, TableImportSettings, finish_import, require_folder
from empirical.cohorts.readers.asked import ask_items, choose_findings
from empirical.cohorts.readers.folder import entries_of, find_by_name
from empirical.cohorts.schema import CohortInfo
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("HAM10000_metadata.csv", "HAM10000_metadata")
NEEDED = ("lesion_id", "image_id", "dx")
FACTS = ("age", "sex", "dataset", "localization", "dx_type")  # optional columns
BENIGN = "nv"  # nevus: this set has no healthy skin, so a benign control replaces the healthy one
DIAGNOSES = {
    "akiec": "actinic keratosis or Bowen's disease", "bcc": "basal cell carcinoma", "bkl": "benign keratosis", "df": "dermatofibroma",
    "mel": "melanoma", "nv": "nevus", "vasc": "vascular lesion",
}  # fmt: skip
LICENCE = "HAM10000: CC BY-NC 4.0; cite Tschandl, Rosendahl and Kittler, Scientific Data 5:180161 (2018)."


def import_ham10000(
    root: Path | str, out: Path | str, *, positive: str = "mel", findings: Sequence[str] = (), **settings: Unpack[TableImportSettings]
) -> Cohort:
    """Import HAM10000, with nevi as benign controls, since the set has no healthy skin.

    With `findings` (codes of diagnoses, or ``all``) the diagnosis is one question among them. The set names no patients:
    ``lesion_id`` is used as the patient, and ``dataset``, if present, as the site. Age 0 means missing.
    """
    root = require_folder(root)
    entries = read_csv(_table_path(root), NEEDED, key="image_id")
    say_absent(entries, FACTS, "table", settings.get("quiet", False))
    table = _tidy(entries)
    refuse_labels_alike(table["label"], str(root))
    counts = {"rows_in_table": len(table), "rows_of_other_diagnoses": int((~table["label"].isin([BENIGN, positive])).sum())}
    if findings:
        return _import_diagnoses(root, out, table, counts, findings, positive, settings)
    if positive == BENIGN or not {positive, BENIGN} <= set(table["label"]):
        raise InputError(
            f"--positive {positive}: needs rows of it beside those of '{BENIGN}' (found: {first_few(sorted(set(table['label'])), 8)})"
        )
    table = table[table["label"].isin([BENIGN, positive])].reset_index(drop=True)
    counts |= {"missing_ages": int(table["age"].isna().sum())} if "age" in table else {}
    table["image"] = _images(root, table["item_id"])
    finding = "melanoma" if positive == "mel" else positive
    info = CohortInfo("HAM10000", "ham10000", BENIGN, [positive], "dermatoscopic image", finding, licence=LICENCE, control="benign")
    return finish_import(CohortDraft(root, info, table, counts, {"positive": positive}), out, **settings)


def _import_diagnoses(
    root: Path,
    out: Path | str,
    table: pd.DataFrame,
    counts: dict[str, int],
    findings: Sequence[str],
    positive: str,
    settings: TableImportSettings,
) -> Cohort:
    """Ask for the diagnosis, one question with a choice for each."""
    if positive != "mel":
        raise InputError("--findings: is not for --positive; give only one of the two")
    there = sorted(table["label"].unique())
    chosen = choose_findings(findings, there)
    if BENIGN not in chosen or len(chosen) < 2:
        raise InputError(
            f"--findings {','.join(chosen)}: name '{BENIGN}', the benign control, and at least one more (there are {first_few(there, 8)})"
        )
    counts["rows_of_other_diagnoses"] = int((~table["label"].isin(chosen)).sum())
    table = table[table["label"].isin(chosen)].reset_index(drop=True)
    counts |= {"missing_ages": int(table["age"].isna().sum())} if "age" in table else {}
    table["image"] = _images(root, table["item_id"])
    words = {code: DIAGNOSES.get(code, code) for code in chosen}
    answers = table["label"].map(words)
    questions = ask_items(
        table["item_id"], answers, "diagnosis", "Which diagnosis does the query show?", list(words.values()), "nominal", "diagnosis"
    )
    labels = [code for code in chosen if code != BENIGN]
    info = CohortInfo("HAM10000", "ham10000", BENIGN, labels, "dermatoscopic image", "a diagnosis", licence=LICENCE, control="benign")
    return finish_import(CohortDraft(root, info, table, counts, {"findings": list(findings)}, questions=questions), out, **settings)


def _images(root: Path, names: pd.Series) -> pd.Series:
    folders = [folder for folder in entries_of(root)[0] if "images" in folder.name.lower()]
    files = [path for folder in folders for path in entries_of(folder)[1] if path.suffix.lower() in IMAGE_SUFFIXES]
    return find_by_name(names, files, root)


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
