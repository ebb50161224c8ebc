"""Reader of image folders, ``[train|val|test/]LABEL/file``: how people keep their own images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.cohorts.cohort import Cohort, CohortInfo
from empirical.cohorts.intake import IMAGE_SUFFIXES, assemble, look_at_images, require_folder
from empirical.cohorts.splits import DEFAULT_FRACTIONS, Fractions, split_by_patient
from see_in_pairs.console import say
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

SPELLINGS = {"train": ("train", "training"), "val": ("val", "valid", "validation", "dev"), "test": ("test", "testing")}
SPLIT_NAMES = {spelling: split for split, spellings in SPELLINGS.items() for spelling in spellings}


def import_folder(
    root: Path | str,
    out: Path | str,
    *,
    healthy: str,
    positive: Sequence[str] = (),
    patient_pattern: str | None = None,
    name: str = "",
    modality: str = "medical image",
    finding: str = "",
    fractions: Fractions = DEFAULT_FRACTIONS,
    seed: int = 0,
    quiet: bool = False,
) -> Cohort:
    """Import a folder of images.

    Parameters
    ----------
    root : Path or str
        Holds one folder for each label, or ``train/``, ``val/``, ``test/`` that do.
    out : Path or str
        The cohort's folder. Images are not copied; their folder and hashes are recorded.
    healthy : str
        Name of the healthy label's folder.
    positive : sequence of str, optional
        Labels to detect; by default all others. Labels that are in neither are left out and counted.
    patient_pattern : str, optional
        Regular expression searched for in each file name: its group, or with no or several groups all that it matches, is the patient.
        Without it each file is its own patient, and a warning says so.
    name, modality, finding : str
        What to call the set, its images, and what to look for, in the words of the prompt.
    fractions : tuple of float
        Shares of patients for train, val, test, where the folders do not give splits.
    seed : int, default 0
        Seed of the split.
    quiet : bool, default False
        Say nothing but warnings.

    Returns
    -------
    Cohort
        Where ``train/`` and ``test/`` are both there, splits are kept as they are given. A set with one split folder, or none, is split
        anew by patient.

    Raises
    ------
    InputError
        When folders, labels or images are missing or broken, or the pattern does not fit the file names.
    """
    root = require_folder(root)
    table, counts = _list_files(root)
    positive = list(positive) or sorted(set(table["label"]) - {healthy})
    _require_labels(table, healthy, positive, root)
    used = table["label"].isin([healthy, *positive])
    counts["files_of_other_labels"] = int((~used).sum())
    table = table[used].reset_index(drop=True)
    table["patient_id"] = _patients(table["image"], patient_pattern)
    if patient_pattern is None:
        counts["files_taken_as_patients"] = len(table)
        say(f"warning: no --patient-pattern, so each of the {len(table)} files counts as a patient of its own")
    if not {"train", "test"} <= set(table["split"]):
        say("no train/ and test/ both: split anew by patient", quiet)
        table["split"] = split_by_patient(table["patient_id"], table["label"] != healthy, fractions, seed)
    table = table.join(look_at_images(root, list(table["image"]), quiet))
    say("; ".join(f"{what.replace('_', ' ')}: {number}" for what, number in counts.items()), quiet)
    parameters = {"patient_pattern": patient_pattern, "fractions": list(fractions), "seed": seed}
    info = CohortInfo(
        name or root.name,
        "folder",
        healthy,
        positive,
        modality,
        finding or " or ".join(positive),
        str(root),
        counts=counts,
        parameters=parameters,
    )
    return assemble(out, info, table)


def patient_of(file_name: str, pattern: re.Pattern[str]) -> str:
    """Take the patient from a file name.

    Parameters
    ----------
    file_name : str
        Without its folder.
    pattern : re.Pattern
        Searched for.

    Returns
    -------
    str
        The pattern's group when it has exactly one, else all that it matches; ``''`` when it does not match.

    Examples
    --------
    >>> patient_of("person12_bacteria_30.jpeg", re.compile(r"(person[0-9]+)_"))
    'person12'
    >>> patient_of("NORMAL2-IM-0341-0001.jpeg", re.compile(r"person[0-9]+|IM-[0-9]+"))
    'IM-0341'
    """
    found = pattern.search(file_name)
    if found is None:
        return ""
    return (found.group(1) if pattern.groups == 1 else found.group(0)) or ""


def _patients(images: pd.Series, text: str | None) -> pd.Series:
    if text is None:
        return images
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise InputError(f"--patient-pattern {text}: not a regular expression ({error})") from None
    patients = images.map(lambda image: patient_of(Path(image).name, pattern))
    if (patients == "").any():
        lost = list(images[patients == ""])
        raise InputError(f"--patient-pattern {text}: finds no patient in {len(lost)} of {len(images)} file names: {first_few(lost)}")
    return patients


def _list_files(root: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    import pandas as pd

    rows, counts = [], {"other_files": 0}
    for split, folder in _split_folders(root):
        for label in _folders_in(folder):
            for path in _files_below(label):
                if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
                    relative = path.relative_to(root).as_posix()
                    rows.append({"item_id": relative, "image": relative, "label": label.name, "split": split})
                else:
                    counts["other_files"] += 1
    if not rows:
        raise InputError(f"{root}: no image found; expected [train|val|test/]LABEL/file with {', '.join(IMAGE_SUFFIXES)}")
    return pd.DataFrame(rows), counts


def _split_folders(root: Path) -> Iterator[tuple[str, Path]]:
    folders = _folders_in(root)
    if folders and all(folder.name.lower() in SPLIT_NAMES for folder in folders):
        yield from ((SPLIT_NAMES[folder.name.lower()], folder) for folder in folders)
    else:
        yield "", root


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def _files_below(folder: Path) -> Iterator[Path]:
    """Walk without following links to folders, which could lead out or in circles."""
    for place, folders, files in os.walk(folder, followlinks=False):
        folders.sort()
        yield from (Path(place) / name for name in sorted(files))


def _require_labels(table: pd.DataFrame, healthy: str, positive: Sequence[str], root: Path) -> None:
    known = sorted(table["label"].unique())
    for label in (healthy, *positive):
        if label not in known:
            raise InputError(f"{root}: no folder of label '{label}' (found: {first_few(known, 8)})")
    if not positive or healthy in positive:
        raise InputError(f"{root}: needs a label other than the healthy '{healthy}' (found: {first_few(known, 8)})")
