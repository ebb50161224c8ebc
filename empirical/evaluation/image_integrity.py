"""Whether the images that finished scores stand on are still the ones that were imported."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from empirical.arms.images import image_file
from empirical.cohorts import Cohort
from empirical.cohorts.images import HOW_TO_REPLACE
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import read_json, sha256, write_json

SEEN = "images.json"
YOUNG = 2.0
"""Seconds: two writes so close to each other may bear the same time, so a file that was just written is hashed the next time, too."""

FileStamps = dict[str, list[int]]


def verify_images(cohort: Cohort, names: Iterable[str], pieces: Path) -> FileStamps:
    """Check images before finished pieces are taken over; those that are read anyway are checked as they are read.

    A file is hashed again only when its size, inode, or time of change is not the one under which it was last found in order. The time
    of change (``ctime``) is the system's own: unlike the time of modification it cannot be set back.

    Returns marks of all files as they stand before any is read, for `save_stamps`.
    """
    files = {str(path): known for path, known in (image_file(cohort, name) for name in set(names)) if known}
    marks = {path: mark for path in files if (mark := _mark(Path(path)))}
    if not any(pieces.glob("*.parquet")):
        return marks
    before = _remembered(pieces / SEEN)
    doubtful = [path for path in marks if before.get(path) != marks[path]]
    with ThreadPoolExecutor() as pool:
        changed = [path for path, now in zip(doubtful, pool.map(sha256, doubtful), strict=True) if now != files[path]]
    if changed:
        raise InputError(f"{first_few(sorted(changed))}: not the image that was imported; {HOW_TO_REPLACE}")
    return marks


def save_stamps(marks: FileStamps, pieces: Path) -> None:
    """Put down that images were found in order, so that they need not be hashed the next time."""
    limit = (time.time() - YOUNG) * 1e9
    write_json(pieces / SEEN, {path: mark for path, mark in marks.items() if max(mark[2:]) < limit})


def _mark(path: Path) -> list[int]:
    try:
        facts = path.stat()
    except OSError:
        return []  # who reads it will say so
    return [facts.st_size, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns]


def _remembered(file: Path) -> FileStamps:
    try:
        content = read_json(file)
    except InputError:
        return {}
    return content if isinstance(content, dict) else {}
