"""Reader of a plain CSV or Parquet table with named columns, for every set without its own reader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Unpack

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.images import DICOM_SUFFIXES, IMAGE_SUFFIXES, is_safe_path, is_text
from empirical.cohorts.importing import CohortDraft, finish_import, require_folder
from empirical.cohorts.readers.folder import FilePatterns, files_below
from empirical.cohorts.readers.labelled_tables import LabelledTableSettings, import_settings, number_columns, read_labelled, tidy_facts
from empirical.cohorts.schema import CohortInfo
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (*IMAGE_SUFFIXES, *DICOM_SUFFIXES)


def import_table(
    root: Path | str,
    out: Path | str,
    *,
    table: Path | str,
    healthy: str,
    positive: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    name: str = "",
    modality: str = "medical image",
    finding: str = "",
    findings: Sequence[str] = (),
    **settings: Unpack[LabelledTableSettings],
) -> Cohort:
    """Import the images that a table lists, in the table's splits if it has both train and test, else split by patient.

    `include` and `exclude` are patterns of files (`FilePatterns`); the import ignores all other files.
    With `findings` (names of labels, or ``all``) each is a question of its own; an image that is not healthy has the label ``other``.
    """
    if findings and (positive or settings.get("positive_name")):
        raise InputError(f"--findings: is not for --{'positive' if positive else 'positive-name'}; give only one of the two")
    root = require_folder(root)
    rows, chosen, counts, options, _, _, questions = read_labelled(root, table, healthy, positive, settings, findings=findings)
    source = options["table"]
    patterns = FilePatterns(root, include, exclude) if include or exclude else None
    rows["image"] = find_images(root, rows["image"], source, patterns, counts)
    unnamed = "rows that name no patient" if "patient_id" in rows else "no column for the patient (--column patient_id=NAME)"
    rows = rows if "patient_id" in rows else rows.assign(patient_id=rows["item_id"])
    rows = tidy_facts(number_columns(rows), counts, source)
    info = CohortInfo(
        name or root.name, "table", healthy, chosen, modality, finding or ("an abnormality" if findings else " or ".join(chosen))
    )
    options |= {"include": list(include), "exclude": list(exclude)} | ({"findings": list(findings)} if findings else {})
    return finish_import(CohortDraft(root, info, rows, counts, options, unnamed, questions), out, **import_settings(settings))


def find_images(root: Path, names: pd.Series, source: str, patterns: FilePatterns | None, counts: dict[str, int]) -> pd.Series:
    """Find each image by its name in the table: as a path below the root, or as the end of exactly one file's path.

    The table may omit the suffix or write it in upper case, and may use backslashes; an absolute path must lead below the
    root. A name that several files have is an error.
    """
    relative = names.map(lambda name: _below(root, name))
    unsafe = [name for name in relative if name and not is_safe_path(name)]
    if unsafe:
        raise InputError(f"{source}: {len(unsafe)} image paths lead out of {root}: {first_few(unsafe)}; paths must be relative to --root")
    there = {name: name for name in relative.unique() if name and patterns is None and _is_entry(root / name)}
    missing = [name for name in relative.unique() if name and name not in there]
    if missing or patterns is not None:
        files: dict[str, list[str]] = {}
        for path in files_below(root):
            if (patterns is None or patterns.keep(path)) and is_text(below := path.relative_to(root).as_posix()):
                files.setdefault(_stem(path.name), []).append(below)
        counts |= patterns.counts() if patterns is not None else {}
        found = {name: _search(name, files) for name in missing}
        doubtful = [name for name, paths in found.items() if len(paths) > 1]
        if doubtful:
            raise InputError(
                f"{source}: {len(doubtful)} names of images fit several files: '{doubtful[0]}' fits {first_few(found[doubtful[0]])}; "
                "give paths below --root, or leave files out (--exclude)"
            )
        there |= {name: paths[0] for name, paths in found.items() if paths}
        elsewhere = {name for name in missing if name in there and there[name].rpartition("/")[0] != name.rpartition("/")[0]}
        counts |= {"images_found_by_name": int(relative.isin(elsewhere).sum())} if elsewhere else {}
    return relative.map(lambda name: there.get(name, ""))


def _below(root: Path, name: str) -> str:
    if "\\" in name and not _is_entry(root / name):  # the table comes from Windows
        name = name.replace("\\", "/")
    if Path(name).is_absolute():
        return Path(name).relative_to(root).as_posix() if Path(name).is_relative_to(root) else name
    return PurePosixPath(name).as_posix() if name else ""


def _is_entry(path: Path) -> bool:
    return path.is_file() or path.is_symlink()  # a link that leads nowhere is reported when it is opened


def _stem(name: str) -> str:
    """Remove the suffix of a file name, if it is an image suffix."""
    stem, point, ending = name.rpartition(".")
    return stem if point and f".{ending.lower()}" in ENDINGS else name


def _search(name: str, files: dict[str, list[str]]) -> list[str]:
    """Find the files whose path ends with a name: first in the exact folder, and first with the exact suffix.

    `files` are paths by their name without ending. The name may lack the suffix, or have it in another case than the file.
    """
    place, _, base = name.rpartition("/")
    written = [path for path in files.get(_stem(base), ()) if path.rpartition("/")[2] == base]
    others = [path for path in files.get(_stem(base), ()) if path.rpartition("/")[2].lower() == base.lower()]
    for paths in (written, others + files.get(base, [])):
        if there := [path for path in paths if path.rpartition("/")[0] == place]:
            return there
        if elsewhere := [path for path in paths if not place or f"/{path.rpartition('/')[0]}".endswith(f"/{place}")]:
            return elsewhere
    return []
