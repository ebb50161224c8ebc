"""One command at a time in a folder, by a lock that the operating system releases when its process ends in any way."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.errors import InputError
from see_in_pairs.files import remove_leftovers

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".in-use"


def lock_folder(folder: Path) -> BaseFileLock | None:
    """Lock a folder for this process, which may lock it several times, and remove half-written files of a killed process.

    Returns None for all but the first process of one launch (``accelerate launch``, ``torchrun``), which share a folder. Another process
    that holds the lock is an InputError that names it.
    """
    rank = os.environ.get("RANK", "0")
    if not rank.isdecimal():
        raise InputError(f"RANK={rank}: launchers set it to the number of a process; unset it")
    if int(rank) > 0:
        return None
    from filelock import FileLock, Timeout

    path = folder / LOCK
    lock = FileLock(path, timeout=0, thread_local=False, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        with suppress(OSError):
            if owner := path.read_text(encoding="utf-8").strip():
                raise InputError(f"--out {folder}: in use by {owner}; wait for it to end, or choose another folder") from None
        raise InputError(f"--out {folder}: in use by another process; wait for it to end, or choose another folder") from None
    with suppress(OSError):  # the owner's name is only used in the message; Windows does not allow writing to a locked file
        path.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
    if lock.lock_counter == 1:
        remove_leftovers(folder)
    return lock


def unlock_folder(lock: BaseFileLock) -> None:
    """Release a lock once; the last release also removes its file."""
    if lock.lock_counter == 1:
        with suppress(OSError):  # before the release: whoever locks an unlinked file notices (filelock looks), and tries again
            os.unlink(lock.lock_file)
    lock.release()
