"""Whether the images of finished shards are still those that were imported."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from empirical.arms.images import source_files
from empirical.cohorts import Cohort
from empirical.cohorts.images import HOW_TO_REPLACE
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import files_in, read_json, sha256, write_json

STAMPS = "images.json"
YOUNG = 2.0
"""Seconds: two writes so close together may have the same time, so a file that was just written is hashed again the next time."""

FileStamps = dict[str, list[int]]
"""Size, inode, time of modification and time of change (nanoseconds) of each file, by its path."""


def verify_images(cohort: Cohort, names: Iterable[str], folder: Path) -> FileStamps:
    """Check images before finished shards in a folder are reused; those that are read anyway are checked as they are read.

    Returns the stamps of all files, taken before any is read, for `save_stamps`.
    """
    files = {str(path): known for name in set(names) for path, known in source_files(cohort, name) if known}
    stamps = {path: stamp for path in files if (stamp := _stamp(Path(path)))}
    if not files_in(folder, "*.parquet"):
        return stamps
    # Hashing all images would take as long as reading them. A file is hashed again only where its stamp is not the one under which it was
    # last found correct. Its time of change (ctime) is set by the system: unlike the time of modification it cannot be set back.
    before = _saved_stamps(folder / STAMPS)
    doubtful = [path for path in stamps if before.get(path) != stamps[path]]
    with ThreadPoolExecutor() as pool:
        changed = [path for path, now in zip(doubtful, pool.map(sha256, doubtful), strict=True) if now != files[path]]
    if changed:
        raise InputError(f"{first_few(sorted(changed))}: not the image that was imported; {HOW_TO_REPLACE}")
    return stamps


def save_stamps(stamps: FileStamps, folder: Path) -> None:
    """Record the stamps of images found correct, so that they need not be hashed the next time."""
    limit = (time.time() - YOUNG) * 1e9
    write_json(folder / STAMPS, {path: stamp for path, stamp in stamps.items() if max(stamp[2:]) < limit})


def _stamp(path: Path) -> list[int]:
    try:
        facts = path.stat()
    except OSError:
        return []  # reading it will fail, and name it
    return [facts.st_size, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns]


def _saved_stamps(file: Path) -> FileStamps:
    try:
        content = read_json(file)
    except InputError:
        return {}
    return content if isinstance(content, dict) else {}
