"""Reader of NIH ChestX-ray14 in its public layout: ``Data_Entry_2017_v2020.csv`` and ``images/`` (or ``images_001/images/`` and so on)."""

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

TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
NEEDED = ("Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender", "View Position")
NO_FINDING = "No Finding"
OLDEST = 100  # years; the set has ages such as 414, which are typing errors
LICENCE = (
    "NIH ChestX-ray14, NIH Clinical Center: no restrictions on the use; https://nihcc.app.box.com/v/ChestXray-NIHCC; "
    "cite Wang et al., ChestX-ray8, CVPR 2017."
)


def import_nih(
    root: Path | str,
    out: Path | str,
    *,
    positive: str = "Pneumonia",
    only_present: bool = False,
    fractions: Fractions = DEFAULT_FRACTIONS,
    seed: int = 0,
    quiet: bool = False,
) -> Cohort:
    """Import NIH ChestX-ray14.

    Parameters
    ----------
    root : Path or str
        The folder with the table and the images.
    out : Path or str
        The cohort's folder. Images are not copied; their folder and hashes are recorded.
    positive : str, default 'Pneumonia'
        The finding to detect, as in ``Finding Labels``.
    only_present : bool, default False
        Count and skip rows without an image; otherwise such a row is an error.
    fractions : tuple of float
        Shares of patients for train, val, test.
    seed : int, default 0
        Seed of the split.
    quiet : bool, default False
        Say nothing.

    Returns
    -------
    Cohort
        Positives: rows that name the finding, alone or among others. Controls: rows of patients *every* one of whose rows in the whole
        table says 'No Finding', because labels were mined from reports and a normal film of a sick patient is a poor control. All
        other rows are left out and counted in ``info.counts``.

    Raises
    ------
    InputError
        When folder, table, columns or images are missing or broken, or a class is empty.
    """
    root = require_folder(root)
    entries = read_csv(_table_path(root), NEEDED, key="Image Index")
    _refuse_unsafe(entries["Image Index"])
    labels = label_rows(entries, positive)
    counts = {"rows_in_table": len(entries), **_left_out(entries, labels, positive)}
    table = _tidy(entries[labels != ""], labels[labels != ""])
    images = _find_images(root)
    present = table["item_id"].isin(images)
    counts["rows_without_image"] = int((~present).sum())
    table = keep_present(table, present, only_present, str(root))
    counts |= {"images_not_used": len(images) - len(table), "implausible_ages": int((table["age"] > OLDEST).sum())}
    table["age"] = table["age"].where(table["age"] <= OLDEST, np.nan)
    _refuse_empty_class(table, positive)
    table["image"] = table["item_id"].map(images)
    table["split"] = split_by_patient(table["patient_id"], table["label"] == positive, fractions, seed)
    table = table.join(look_at_images(root, list(table["image"]), quiet))
    say("; ".join(f"{name.replace('_', ' ')}: {number}" for name, number in counts.items()), quiet)
    parameters = {"positive": positive, "only_present": only_present, "fractions": list(fractions), "seed": seed}
    finding = positive.replace("_", " ").lower()
    info = CohortInfo(
        "NIH ChestX-ray14", "nih", NO_FINDING, [positive], "chest X-ray", finding, str(root), LICENCE, counts=counts, parameters=parameters
    )
    return assemble(out, info, table)


def label_rows(entries: pd.DataFrame, positive: str) -> pd.Series:
    """Decide which rows are positive, which are clean controls, and which neither.

    Parameters
    ----------
    entries : pandas.DataFrame
        The whole public table.
    positive : str
        The finding to detect.

    Returns
    -------
    pandas.Series of str
        `positive`, ``'No Finding'``, or ``''`` for a row to leave out.

    Raises
    ------
    InputError
        When no row names the finding.
    """
    findings = entries["Finding Labels"].str.split("|")
    named = findings.map(lambda labels: positive in labels)
    if not named.any() or positive == NO_FINDING:
        known = sorted({label for labels in findings for label in labels} - {NO_FINDING})
        raise InputError(f"--positive {positive}: not a finding of the table (findings: {first_few(known, 20)})")
    normal = entries["Finding Labels"] == NO_FINDING
    clean = normal.groupby(entries["Patient ID"]).transform("all")
    labels = named.map({True: positive, False: ""})
    return labels.mask(clean, NO_FINDING)


def _left_out(entries: pd.DataFrame, labels: pd.Series, positive: str) -> dict[str, int]:
    normal = entries["Finding Labels"] == NO_FINDING
    return {
        "rows_with_other_findings_only": int(((labels == "") & ~normal).sum()),
        "normal_rows_of_patients_with_findings": int(((labels == "") & normal).sum()),
        f"rows_with_{positive.lower()}": int((labels == positive).sum()),
        "rows_of_clean_controls": int((labels == NO_FINDING).sum()),
    }


def _tidy(entries: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "item_id": entries["Image Index"],
            "label": labels,
            "patient_id": entries["Patient ID"],
            "age": parse_age(entries["Patient Age"]),
            "sex": entries["Patient Gender"].where(entries["Patient Gender"].isin(["F", "M"]), ""),
            "view": entries["View Position"],
            "follow_up": pd.to_numeric(entries["Follow-up #"], errors="coerce"),
        }
    ).reset_index(drop=True)


def parse_age(texts: pd.Series) -> pd.Series:
    """Read ages written as ``58``, ``058Y``, ``006M`` or ``012D``.

    Parameters
    ----------
    texts : pandas.Series of str
        Ages as text.

    Returns
    -------
    pandas.Series of float
        Years; NaN where there is no number.
    """
    parts = texts.str.extract(r"^0*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[YMWD]?)$")
    years = parts["unit"].map({"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25})
    return parts["number"].astype(float) * years


def _table_path(root: Path) -> Path:
    found = [root / name for name in TABLES if (root / name).is_file()]
    if not found:
        raise InputError(f"{root}: no {TABLES[0]}; --root is the folder that holds it and images/")
    return found[0]


def _find_images(root: Path) -> dict[str, str]:
    """Map each image's name to its path below the root, in one pass over the folders."""
    folders = [folder for folder in (root / "images", *sorted(root.glob("images_*/images"))) if folder.is_dir()]
    if not folders:
        raise InputError(f"{root}: no folder images/ (or images_001/images/ and so on)")
    return {path.name: path.relative_to(root).as_posix() for folder in folders for path in folder.iterdir() if path.suffix == ".png"}


def _refuse_unsafe(names: pd.Series) -> None:
    unsafe = [name for name in names if "/" in name or "\\" in name or not is_safe_path(name)]
    if unsafe:
        raise InputError(f"Image Index: {len(unsafe)} are not plain file names: {first_few(unsafe)}")


def _refuse_empty_class(table: pd.DataFrame, positive: str) -> None:
    for label in (positive, NO_FINDING):
        if not (table["label"] == label).any():
            raise InputError(f"no image of class '{label}' is left; both classes are needed")
