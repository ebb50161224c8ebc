"""The folder of a sweep, in which a design may grow but not change."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import content_hash, read_json, write_json, write_parquet
from see_in_pairs.locks import LOCK, lock_folder, unlock_folder
from see_in_pairs.runs import RunFolder, begun_before, run_identity
from theory.sweeps.resolved import ResolvedStudy
from theory.sweeps.scenarios import Cell, named, plain
from theory.sweeps.study import Study

STUDY, CELLS, LOOKS = "study.yaml", "cells.parquet", "looks.json"
ADDED = "methods_added"


def open_folder(resolved: ResolvedStudy, out: Path) -> RunFolder:
    """Open a folder for a study, new or begun before, and write the study and its cells beside the manifest."""
    truths = [resolved.truth(cell) for cell in resolved.study.all_cells]
    if (out / CELLS).is_file():
        _refuse_lost_cells(Study.load(out / STUDY), resolved.study, out)
    elif not (out / "manifest.json").is_file() and any(path.name != LOCK for path in out.iterdir()):
        raise InputError(f"--out {out}: holds something that is not a sweep; choose another folder")
    _add_methods(resolved, out)
    folder = RunFolder(out, "sweep", identity(resolved), resolved.study.entropy)
    resolved.study.save(out / STUDY)
    _write_cells(out / CELLS, resolved.study.all_cells, truths)
    return folder


def identity(resolved: ResolvedStudy) -> dict[str, Any]:
    """The settings that may not change in a folder.

    These are all settings except those that may grow (cells, replicates, the precision to stop at; methods by `_add_methods`) and those
    that no number depends on (aims, limits, allowed failures).
    """
    study = resolved.study
    pieces = {resolved.generate.name: resolved.generate.source, **{m.piece.name: m.piece.source for m in resolved.methods}}
    return {
        "study": study.name,
        "generate": study.generate,
        "methods": {use.name: {"use": use.use, **use.parameters} for use in study.methods},
        "estimand": study.estimand,
        "block": study.block,
        "null": study.null,
        "stop.measure": study.stop.measure if study.stop else None,
        "code": {**pieces, **({resolved.estimand.name: resolved.estimand.source} if resolved.estimand else {})},
    }


def _add_methods(resolved: ResolvedStudy, out: Path) -> None:
    """Add methods to a folder: the manifest records them, and older blocks count as incomplete (`added_methods`)."""
    before, now, entropy = begun_before(out), identity(resolved), resolved.study.entropy
    then = before.get("config")
    if not isinstance(then, dict) or not all(isinstance(then.get(key), dict) for key in ("methods", "code")):
        return
    added = [label for label in now["methods"] if label not in then["methods"]]
    kept = {key: {name: here for name, here in now[key].items() if name in then[key]} for key in ("methods", "code")}
    if added and content_hash(run_identity("sweep", now | kept, entropy)) == before["config_hash"]:
        (out / LOOKS).unlink(missing_ok=True)  # the new methods are to be as precise as the others
        grown = {"config": now, "config_hash": content_hash(run_identity("sweep", now, entropy)), ADDED: [*added_methods(out), added]}
        write_json(out / "manifest.json", before | grown, durable=True)


def added_methods(folder: Path) -> list[list[str]]:
    """The methods of each addition to a folder; a block that is older than the last addition lacks some."""
    added = begun_before(folder).get(ADDED, [])
    if not isinstance(added, list) or not all(isinstance(part, list) and all(isinstance(name, str) for name in part) for part in added):
        raise InputError(f"{folder / 'manifest.json'}: '{ADDED}' is damaged; run the sweep again in another folder")
    return added


def _refuse_lost_cells(before: Study, now: Study, out: Path) -> None:
    if (before.generate, before.name) != (now.generate, now.name):
        return  # the manifest's comparison names it
    here = {cell.hash for cell in now.all_cells}
    lost = [f"({named(cell.factors)})" for cell in before.all_cells if cell.hash not in here]
    if lost:
        raise InputError(
            f"--out {out}: holds cells that this design has not: {first_few(lost, 2)}; a folder's design may grow, not change: "
            "put them back or choose another folder"
        )
    _refuse_fewer(before, now, out)


def _refuse_fewer(before: Study, now: Study, out: Path) -> None:
    there, here = _sizes(before), _sizes(now)
    for what, size in there.items():
        if here.get(what, 0) < size:
            grown = f"--out {out}: {what} is {size:g} there, {here.get(what, 0):g} now"
            raise InputError(f"{grown}; a folder's design may grow, not shrink: choose another folder")


def _sizes(study: Study) -> dict[str, float]:
    """Quantities that may grow but not shrink."""
    stop = study.stop
    return {"replicates": study.replicates, **({"stop.cap": stop.cap, "1 / stop.mcse": 1 / stop.mcse} if stop else {})}


def read_looks(folder: Path) -> dict[str, Any]:
    """Read the results of the looks at the cells; empty if there was none."""
    path = folder / LOOKS
    content = read_json(path) if path.is_file() else {"cells": {}}
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, dict) or not all(isinstance(looked, dict) and _is_look(looked) for looked in cells.values()):
        raise InputError(f"{path}: damaged; delete it and run the sweep again: it follows from the results")
    return content


def _is_look(looked: dict[str, Any]) -> bool:
    return type(looked.get("replicates")) is int and isinstance(looked.get("finished"), bool)


def _write_cells(path: Path, cells: Sequence[Cell], truths: Sequence[float]) -> None:
    import pandas as pd

    factors = [json.dumps(plain(cell.factors)) for cell in cells]
    write_parquet(path, pd.DataFrame({"cell": [cell.hash for cell in cells], "factors": factors, "truth": truths}))


def is_locked(out: Path) -> bool:
    """Whether a process (this one included) is running a sweep in a folder."""
    if not (out / LOCK).is_file():
        return False
    from filelock import FileLock, Timeout

    try:
        with FileLock(out / LOCK, timeout=0):  # not the singleton of `lock_folder`, which this process may take twice
            return False
    except Timeout:
        return True


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Make a folder and lock it against other writers. The system releases the lock when the process ends in any way."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file, not a folder")
    out.mkdir(parents=True, exist_ok=True)
    if is_locked(out):
        raise InputError(f"--out {out}: another process is running a sweep there; wait for it or choose another folder")
    lock = lock_folder(out)
    try:
        yield
    finally:
        if lock is not None:
            unlock_folder(lock)
