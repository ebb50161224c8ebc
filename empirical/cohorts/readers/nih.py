"""Reader of NIH ChestX-ray14 in its public layout: ``Data_Entry_2017_v2020.csv`` and ``images/`` (or ``images_001/images/`` and so on)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.csv_io import parse_age, parse_number, parse_sex, read_csv, refuse_labels_alike, refuse_unsafe_names, say_absent
from empirical.cohorts.images import IMAGE_SUFFIXES
from empirical.cohorts.importing import CohortDraft, TableImportSettings, finish_import, require_folder
from empirical.cohorts.readers.asked import OTHER, YES_NO, ask_finding, choose_findings
from empirical.cohorts.readers.folder import entries_of, find_by_name
from empirical.cohorts.schema import CohortInfo
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
NEEDED = ("Image Index", "Finding Labels", "Patient ID")
VISIT = "Follow-up #"
FACTS: dict[str, tuple[str, Callable[[pd.Series], pd.Series]]] = {  # our column: theirs, which is optional
    "age": ("Patient Age", parse_age),
    "sex": ("Patient Sex", parse_sex),
    "view": ("View Position", lambda texts: texts),
    "follow_up": (VISIT, parse_number),
}
ORIGINALS = {"OriginalImage[Width": "original_width", "Height]": "original_height", "OriginalImagePixelSpacing[x": "original_spacing"}
NO_FINDING = "No Finding"
OLDEST = 100  # years; the set has ages such as 414, which are typos
LICENCE = (
    "NIH ChestX-ray14, NIH Clinical Center: no restrictions on the use; https://nihcc.app.box.com/v/ChestXray-NIHCC; "
    "cite Wang et al., ChestX-ray8, CVPR 2017."
)


def import_nih(
    root: Path | str,
    out: Path | str,
    *,
    positive: str = "Pneumonia",
    findings: Sequence[str] = (),
    priors: bool = False,
    **settings: Unpack[TableImportSettings],
) -> Cohort:
    """Import NIH ChestX-ray14; with `priors`, earlier normal films of positive patients are kept for the strategy ``prior``.

    With `findings` (names, or ``all``) each is a question of its own; an image that is no clean control has the label ``other``.
    """
    if findings and (priors or positive != "Pneumonia"):
        raise InputError(f"--findings: is not for --{'priors' if priors else 'positive'}; give only one of the two")
    import pandas as pd

    root = require_folder(root)
    entries = read_csv(_table_path(root), (*NEEDED, VISIT) if priors else NEEDED, key="Image Index")
    refuse_unsafe_names(entries["Image Index"])
    if "Patient Sex" not in entries:  # Data_Entry_2017_v2020.csv and the earlier table spell it differently
        entries = entries.rename(columns={"Patient Gender": "Patient Sex"})
    say_absent(entries, [theirs for theirs, _ in FACTS.values()], "table", settings.get("quiet", False))
    labels = _label_all(entries) if findings else label_rows(entries, positive)
    earlier = earlier_normals(entries, labels, positive) if priors else labels == "never"
    counts = {"rows_in_table": len(entries), **_left_out(entries, labels, OTHER if findings else positive)}
    counts |= {"normal_rows_kept_as_priors": int(earlier.sum())} if priors else {}
    kept = (labels != "") | earlier
    table = _tidy(entries[kept], labels[kept], earlier[kept])
    images = _list_images(root)
    table["image"] = find_by_name(table["item_id"], images, root)
    counts |= {"images_not_used": len(images) - int((table["image"] != "").sum())}
    if "age" in table:
        counts |= {"implausible_ages": int((table["age"] > OLDEST).sum())}
        table["age"] = table["age"].where(table["age"] <= OLDEST, np.nan)
    if findings:
        said = entries.loc[kept, "Finding Labels"].str.split("|")
        named = choose_findings(
            findings, sorted({label for labels in entries["Finding Labels"].str.split("|") for label in labels} - {NO_FINDING})
        )
        answers = {name: said.map(lambda labels, name=name: YES_NO[name not in labels]) for name in named}
        questions = pd.concat([ask_finding(table["item_id"], answers[name], name) for name in named], ignore_index=True)
        info = CohortInfo("NIH ChestX-ray14", "nih", NO_FINDING, [OTHER], "chest X-ray", "an abnormality", licence=LICENCE)
        draft = CohortDraft(root, info, table, counts, {"findings": list(findings)}, questions=questions)
        return finish_import(draft, out, **settings)
    info = CohortInfo("NIH ChestX-ray14", "nih", NO_FINDING, [positive], "chest X-ray", positive.replace("_", " ").lower(), licence=LICENCE)
    return finish_import(CohortDraft(root, info, table, counts, {"positive": positive, "priors": priors}), out, **settings)


def label_rows(entries: pd.DataFrame, positive: str) -> pd.Series:
    """Label rows `positive`, ``'No Finding'`` (a clean control), or ``''`` to leave them out.

    A control's patient has no finding in any row of the whole table. A normal film of a patient with findings at other times is left out.
    """
    findings = entries["Finding Labels"].str.split("|")
    refuse_labels_alike(findings.explode().rename("Finding Labels"), "table")
    named = findings.map(lambda labels: positive in labels)
    if not named.any() or positive == NO_FINDING:
        known = sorted({label for labels in findings for label in labels} - {NO_FINDING})
        raise InputError(f"--positive {positive}: not a finding of the table (findings: {first_few(known, 20)})")
    normal = entries["Finding Labels"] == NO_FINDING
    clean = normal.groupby(entries["Patient ID"]).transform("all")
    labels = named.map({True: positive, False: ""})
    return labels.mask(clean, NO_FINDING)


def _label_all(entries: pd.DataFrame) -> pd.Series:
    """Label clean controls as `label_rows` does, and every image with a finding ``other``; other normal films are left out as there."""
    normal = entries["Finding Labels"] == NO_FINDING
    clean = normal.groupby(entries["Patient ID"]).transform("all")
    return normal.map({True: "", False: OTHER}).mask(clean, NO_FINDING)


def earlier_normals(entries: pd.DataFrame, labels: pd.Series, positive: str) -> pd.Series:
    """Find the normal films that precede a patient's last positive one."""
    visit = parse_number(entries[VISIT])
    last = visit.where(labels == positive).groupby(entries["Patient ID"]).transform("max")
    return (entries["Finding Labels"] == NO_FINDING) & (visit < last)


def _left_out(entries: pd.DataFrame, labels: pd.Series, positive: str) -> dict[str, int]:
    normal = entries["Finding Labels"] == NO_FINDING
    return {
        "rows_with_other_findings_only": int(((labels == "") & ~normal).sum()),
        "normal_rows_of_patients_with_findings": int(((labels == "") & normal).sum()),
        f"rows_with_{positive.lower()}": int((labels == positive).sum()),
        "rows_of_clean_controls": int((labels == NO_FINDING).sum()),
    }


def _tidy(entries: pd.DataFrame, labels: pd.Series, earlier: pd.Series) -> pd.DataFrame:
    import pandas as pd

    facts = {ours: read(entries[theirs]) for ours, (theirs, read) in FACTS.items() if theirs in entries}
    originals = {ours: parse_number(entries[theirs]) for theirs, ours in ORIGINALS.items() if theirs in entries}
    return pd.DataFrame(
        {
            "item_id": entries["Image Index"],
            "label": labels.mask(earlier, NO_FINDING),
            "patient_id": entries["Patient ID"],
            "serves": earlier.map({True: "prior", False: ""}),
            **facts,
            **originals,
        }
    ).reset_index(drop=True)


def _table_path(root: Path) -> Path:
    found = [root / name for name in TABLES if (root / name).is_file()]
    if not found:
        raise InputError(f"{root}: no {TABLES[0]}; --root must be the folder with this table and images/")
    return found[0]


def _list_images(root: Path) -> list[Path]:
    """List the images in all folders of images."""
    parts = [folder for folder in entries_of(root)[0] if folder.name == "images" or folder.name.startswith("images_")]
    folders = [folder for part in parts for folder in ([part] if part.name == "images" else entries_of(part)[0]) if folder.name == "images"]
    if not folders:
        raise InputError(f"{root}: no folder images/ (or images_001/images/ and so on)")
    return [path for folder in folders for path in entries_of(folder)[1] if path.suffix.lower() in IMAGE_SUFFIXES]
