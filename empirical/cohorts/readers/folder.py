"""Reader of image folders, ``[train|val|test/]LABEL/file``: how people keep their own images."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Unpack

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.csv_io import refuse_labels_alike
from empirical.cohorts.images import IMAGE_SUFFIXES, is_text
from empirical.cohorts.importing import CohortDraft, ImportSettings, finish_import, require_folder
from empirical.cohorts.readers.findings import choose_labels
from empirical.cohorts.schema import CohortInfo
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.limits import TimeLimit, time_limit

if TYPE_CHECKING:
    import pandas as pd

PATTERN_SECONDS = 60.0
"""Time limit of a pattern for all file names; a sensible pattern takes a second for a million names."""

LONGEST_PATTERN = 1000  # letters; fnmatch takes time in proportion to pattern and name

SPELLINGS = {"train": ("train", "training"), "val": ("val", "valid", "validation", "validate", "dev"), "test": ("test", "testing")}
SPLIT_NAMES = {spelling: split for split, spellings in SPELLINGS.items() for spelling in spellings}


def import_folder(
    root: Path | str,
    out: Path | str,
    *,
    healthy: str,
    positive: Sequence[str] = (),
    patient_pattern: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    name: str = "",
    modality: str = "medical image",
    finding: str = "",
    **settings: Unpack[ImportSettings],
) -> Cohort:
    """Import a folder of images, labelled by the names of folders; `include` and `exclude` are patterns of files (`FilePatterns`).

    If ``train/`` and ``test/`` both exist, these splits are kept unless ``resplit`` is given; otherwise the set is split by patient.
    """
    root = require_folder(root)
    patterns = FilePatterns(root, include, exclude)
    table, counts = list_files(root, lambda path: path.suffix.lower() in IMAGE_SUFFIXES, ", ".join(IMAGE_SUFFIXES), patterns)
    table, positive = keep_labels(table, healthy, positive, counts, str(root))
    table["patient_id"] = patients_by_pattern(table["image"], patient_pattern)
    info = CohortInfo(name or root.name, "folder", healthy, positive, modality, finding or " or ".join(positive))
    options = {"patient_pattern": patient_pattern, "include": list(include), "exclude": list(exclude)}
    return finish_import(CohortDraft(root, info, table, counts, options, "no --patient-pattern"), out, **settings)


def patient_of(file_name: str, pattern: re.Pattern[str]) -> str:
    """Find the patient in a file name: the pattern's group if it has exactly one, else the whole match; ``''`` without a match.

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


class FilePatterns:
    """The options ``--include`` and ``--exclude``: which files below a root are read; the others are counted.

    A pattern (``*``, ``?``, ``[abc]``) without ``/`` is compared with the file name, a pattern with ``/`` with the path below the root.
    """

    def __init__(self, root: Path, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        if long := [pattern for pattern in (*include, *exclude) if len(pattern) > LONGEST_PATTERN]:
            raise InputError(
                f"--include, --exclude {long[0][:60]}...: longer than {LONGEST_PATTERN} letters; write several shorter patterns"
            )
        self.root = root
        self._patterns = [("include", pattern) for pattern in include] + [("exclude", pattern) for pattern in exclude]
        self._hits = dict.fromkeys(self._patterns, 0)
        self._left_out = {f"left_out_by_{option}": 0 for option, given in (("include", include), ("exclude", exclude)) if given}

    def keep(self, path: Path) -> bool:
        """Tell whether a file is to be read."""
        below = path.relative_to(self.root).as_posix()
        fitting = {(option, text) for option, text in self._patterns if fnmatchcase(below if "/" in text else path.name, text)}
        for pattern in fitting:
            self._hits[pattern] += 1
        options = {option for option, _ in fitting}
        if "left_out_by_include" in self._left_out and "include" not in options:
            self._left_out["left_out_by_include"] += 1
            return False
        if "exclude" in options:
            self._left_out["left_out_by_exclude"] += 1
            return False
        return True

    def counts(self) -> dict[str, int]:
        """Count the files left out, after all files have been checked; refuse a pattern that fits no file."""
        idle = [f"--{option} {text}" for (option, text), hits in self._hits.items() if not hits]
        if idle:
            raise InputError(f"{idle[0]}: fits no file below {self.root}; '*' stands for any letters, as in --exclude '*_mask*'")
        return dict(self._left_out)


def list_files(
    root: Path, wanted: Callable[[Path], bool], kinds: str, patterns: FilePatterns | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """List the images of a folder with the label and split that their folders name, and count the other files.

    Columns ``item_id, image, label, split``; the first two are the path below the root.
    """
    import pandas as pd

    rows, counts = [], {"other_files": 0}
    for split, folder in _split_folders(root):
        counts["other_files"] += sum(not path.name.startswith(".") for path in entries_of(folder)[1])
        for label in _folders_in(folder):
            for path in files_below(label):
                if patterns is not None and not patterns.keep(path):
                    continue
                if wanted(path) and not path.name.startswith("."):
                    relative = path_below(root, path)
                    rows.append({"item_id": relative, "image": relative, "label": label.name, "split": split})
                else:
                    counts["other_files"] += 1
    counts |= patterns.counts() if patterns is not None else {}
    if not rows:
        raise InputError(f"{root}: no image found; expected [train|val|test/]LABEL/file with {kinds}")
    return pd.DataFrame(rows), counts


def keep_labels(
    table: pd.DataFrame, healthy: str, positive: Sequence[str], counts: dict[str, int], source: str
) -> tuple[pd.DataFrame, list[str]]:
    """Keep the items of the labels asked for (by default of all), count the others, and list the positive labels."""
    refuse_labels_alike(table["label"], source)
    chosen = choose_labels(sorted(table["label"].unique()), healthy, positive, source)
    used = table["label"].isin([healthy, *chosen])
    counts["items_of_other_labels"] = int((~used).sum())
    return table[used].reset_index(drop=True), chosen


def files_below(folder: Path) -> Iterator[Path]:
    """Walk through a folder in the order of names; a link to a folder, which could lead out or loop, is listed as a file."""
    for place, folders, files in os.walk(folder, followlinks=False, onerror=_refuse_unreadable):
        folders.sort()
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        yield from (Path(place) / name for name in sorted([*files, *links]))


def entries_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """List the folders and the other entries of a folder, by name; a folder without permission to read is an error, as in `files_below`."""
    try:
        with os.scandir(folder) as entries:
            known = sorted((entry.name, entry.is_dir()) for entry in entries)
    except OSError as error:
        _refuse_unreadable(error)
    return [folder / name for name, is_folder in known if is_folder], [folder / name for name, is_folder in known if not is_folder]


def path_below(root: Path, path: Path) -> str:
    """Write a file's path below a root for a table, which must be UTF-8, while a file name may be any bytes."""
    relative = path.relative_to(root).as_posix()
    if not is_text(relative):
        raise InputError(
            f"{path}: the name is not UTF-8, so no table can hold it; rename the file or its folder, or leave it out (--exclude)"
        )
    return relative


def find_by_name(names: pd.Series, files: Sequence[Path], root: Path) -> pd.Series:
    """Find the file of each name, as the path below the root, ``''`` where there is none.

    A file with another suffix (``.PNG``, or ``.jpg`` for a smaller copy) counts if it is the only one with that stem.
    """
    exact = {path.name: path for path in files}
    stems: dict[str, list[Path]] = {}
    for path in files:
        stems.setdefault(path.stem, []).append(path)

    def _find(name: str) -> str:
        stem = Path(name).stem if Path(name).suffix.lower() in IMAGE_SUFFIXES else name
        found = [exact[name]] if name in exact else stems.get(stem, [])
        return found[0].relative_to(root).as_posix() if len(found) == 1 else ""

    return names.map(_find)


def _refuse_unreadable(error: OSError) -> NoReturn:
    """Refuse a folder that cannot be listed: its files would be left out silently."""
    raise InputError(
        f"{error.filename}: the folder cannot be read ({error.strerror or error}); give read permission, or move it away"
    ) from None


def patients_by_pattern(images: pd.Series, text: str | None) -> pd.Series:
    """Find the patients in the names of images, or in their paths where the pattern has a ``/``; without a pattern each is its own."""
    if text is None:
        return images
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"--patient-pattern {text}: not a regular expression ({error})") from None
    try:
        with time_limit(PATTERN_SECONDS, "it"):
            patients = images.map(lambda image: patient_of(image if "/" in text else Path(image).name, pattern))
    except TimeLimit:
        long = f"takes more than {PATTERN_SECONDS:g} s for {len(images)} file names"
        raise InputError(f"--patient-pattern {text}: {long}; avoid nested repetition such as (a+)+") from None
    if (patients == "").any():
        nameless = list(images[patients == ""])
        raise InputError(
            f"--patient-pattern {text}: finds no patient in {len(nameless)} of {len(images)} file names: {first_few(nameless)}"
        )
    return patients


def _split_folders(root: Path) -> Iterator[tuple[str, Path]]:
    folders = _folders_in(root)
    splits = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    others = [folder.name for folder in folders if folder not in splits]
    if splits and others:
        raise InputError(f"{root}: folders of splits ({splits[0].name}...) lie beside others ({first_few(others)}); move these away")
    if splits:
        yield from ((SPLIT_NAMES[folder.name.lower()], folder) for folder in splits)
    else:
        yield "", root


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in entries_of(folder)[0] if not path.name.startswith((".", "__"))]
