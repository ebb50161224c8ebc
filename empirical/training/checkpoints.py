"""Checkpoints of a run: which one to go on from."""

from __future__ import annotations

import shutil
from pathlib import Path


def last_checkpoint(folder: Path) -> str | None:
    """Find the last checkpoint that was written to its end; a half-written one is removed.

    Parameters
    ----------
    folder : Path
        Holds ``checkpoint-<step>`` folders, each with a file ``complete`` once all of it is on disk.

    Returns
    -------
    str or None
        Its path; None where a run has to begin at the beginning.
    """
    finished = []
    for checkpoint in folder.glob("checkpoint-*"):
        if (checkpoint / "complete").is_file():
            finished.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    return str(max(finished, key=lambda path: int(path.name.rpartition("-")[2]))) if finished else None
