"""Checkpoints of a run: marking one as complete, and finding the one to continue from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PureWindowsPath

from see_in_pairs.console import log
from see_in_pairs.errors import InputError
from see_in_pairs.files import sha256, write_text

MARK = "complete"


def mark_whole(checkpoint: Path) -> None:
    """Mark that all of a checkpoint is on disk, with the size of each file."""
    # Sizes, not hashes: a checkpoint of a whole model has some hundred gigabytes, and the usual damage is a full disk or a
    # broken-off copy.
    files = [file for file in sorted(checkpoint.rglob("*")) if file.is_file() and file.name != MARK]
    sizes = {str(file.relative_to(checkpoint)): file.stat().st_size for file in files}
    write_text(checkpoint / MARK, json.dumps(sizes))


def last_checkpoint(folder: Path, quiet: bool = False) -> str | None:
    """Find the last complete checkpoint, and remove incomplete ones; None if a run has to start from the beginning."""
    whole = []
    for checkpoint in sorted(folder.glob("checkpoint-*")):
        damaged = _damaged(checkpoint)
        if damaged is None:
            whole.append(checkpoint)
            continue
        if damaged:
            log(f"{checkpoint.name} is left out: '{damaged}' has changed since it was written", quiet)
        shutil.rmtree(checkpoint)
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None


def _damaged(checkpoint: Path) -> str | None:
    """Name a file that has changed since the checkpoint was marked; empty if it was never marked, None if no file has changed."""
    mark = checkpoint / MARK
    if not mark.is_file():
        return ""
    try:
        sizes = json.loads(mark.read_text() or "{}")
    except (ValueError, RecursionError):
        return MARK
    if not isinstance(sizes, dict):
        return MARK
    for name, size in sizes.items():
        file = checkpoint / name
        if not file.is_file() or file.stat().st_size != size:
            return name
    return None


def still_whole(model: Path) -> None:
    """Check that a finished model's weights are those that were written."""
    from empirical.vlm.model_id import training_record

    for name, written in training_record(str(model)).get("files", {}).items():
        if PureWindowsPath(name).name != name:
            raise InputError(f"{model / 'training.json'}: names weights outside of the model's folder; delete {model} and run again")
        if not (model / name).is_file() or sha256(model / name) != written:
            raise InputError(f"{model / name}: has changed since it was written; delete {model} and run the same command again")
