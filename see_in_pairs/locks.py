"""One command at a time in a folder: a lock that the operating system takes back when its process ends, however it ends."""

from __future__ import annotations

import os
import platform
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO

from see_in_pairs.errors import InputError

LOCK = ".in-use"

_held: weakref.WeakValueDictionary[str, FolderLock] = weakref.WeakValueDictionary()


class FolderLock:
    """A folder in use by this process; given back when nobody here holds it any more, or when the process ends.

    The lock is the system's (``fcntl``), on the file ``.in-use``: what a killed process leaves behind is a file without a lock, which stops
    nobody. Where a file system knows no locks, nothing is locked.
    """

    def __init__(self, file: IO[str]) -> None:
        self.release = weakref.finalize(self, _release, file, os.getpid())


def in_use(folder: Path) -> FolderLock | None:
    """Say that this process writes into a folder.

    Returns to be kept while the folder is in use. One process may ask several times. None for all but the first process of one launch
    (``accelerate launch``, ``torchrun``), which share a folder, and where locks are not known.
    """
    if int(os.environ.get("RANK", "0")) > 0:
        return None
    key = f"{os.getpid()}:{folder.resolve()}"  # a fork knows of its parent's locks, and holds none of them
    held = _held.get(key)
    if held is not None and held.release.alive:
        return held
    file = _locked(folder / LOCK)
    if file is not None:
        _held[key] = held = FolderLock(file)
        return held
    return None


def _locked(path: Path) -> IO[str] | None:
    """Lock a file, and write into it whose it is."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return None
    while True:
        file = path.open("a+")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            owner = file.read().strip() or "another process"
            file.close()
            raise InputError(f"--out {path.parent}: in use by {owner}; wait for it to end, or choose another folder") from None
        except OSError:
            file.close()
            return None
        if _is_still(path, file):  # else it was given back, and taken away, between opening and locking
            break
        file.close()
    with suppress(OSError):  # whose it is serves the message only
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
    return file


def _is_still(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _release(file: IO[str], owner: int) -> None:
    if os.getpid() == owner:
        with suppress(OSError):
            os.unlink(file.name)
    file.close()
