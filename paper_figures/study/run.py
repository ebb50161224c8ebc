"""Run a study: cohorts, then the cells block by block, several at a time; tables and figures after every block."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from paper_figures.study.cells import TrainingCell, cells, identity_of, is_finished, run_cell
from paper_figures.study.config import SETTINGS, StudyConfig
from see_in_pairs.console import log
from see_in_pairs.files import write_json, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from empirical.cohorts import Cohort

MAY_CHANGE = {"title", "arms", "blocks", "comparisons", "restarts", "keep_models"}
"""What a study may be given anew when it is run again; all else is refused, and so is a cell whose own arm has changed."""


def study(config: StudyConfig, out: Path, *, workers: int = 1, quiet: bool = False) -> None:
    """Run a study; called again after a kill, or with more blocks, it goes on.

    Parameters
    ----------
    config : StudyConfig
        What to run.
    out : Path
        Folder for cohorts, cells, ``study.json`` (all settings, as of the last run), ``study.csv``, ``comparisons.csv``,
        ``trainings.csv``, ``audit.csv``, ``study.md`` and ``figures/``.
    workers : int, default 1
        Cells at a time; results do not depend on it where ``training.threads`` and ``evaluation.threads`` are fixed.
    quiet : bool, default False
        No messages.

    Raises
    ------
    InputError
        When settings, cohorts or model do not fit, or `out` holds another study.
    CheckFailed
        When the audit of a cohort finds leakage.
    """
    from empirical.vlm.loading import weights_hash
    from paper_figures.study.outputs import write_outputs

    blocks = [cells(config, number) for number in range(len(config.blocks))]
    identity = config.model_dump(exclude=MAY_CHANGE) | {"weights_hash": weights_hash(config.model.name, config.model.revision)}
    with RunFolder(out, "study", identity) as folder:
        write_json(out / SETTINGS, config.model_dump(mode="json"))
        cohorts = _cohorts(config, folder.path, quiet)
        total, done = sum(map(len, blocks)), 0
        _check_settings(config, blocks, cohorts)
        log(f"study: {total} cells in {len(blocks)} blocks, {workers} at a time", quiet)
        for number, wanted in enumerate(blocks, start=1):
            todo = [cell for cell in wanted if not is_finished(config, cell, _place(folder.path, cell), _identity(config, cell, cohorts))]
            done += len(wanted) - len(todo)
            if len(todo) < len(wanted):
                log(f"block {number}: {len(wanted) - len(todo)} of {len(wanted)} cells are finished already", quiet)
            for cell, seconds in _run(config, todo, cohorts, folder.path, workers):
                done += 1
                log(f"[{done}/{total}] {cell.cohort}, {cell.arm}, {_size(cell)}, seed {cell.seed} ({seconds:.0f} s)", quiet)
            write_outputs(config, folder.path, cohorts, [cell for block in blocks[:number] for cell in block])
        folder.count("cells", total)
    log(f"tables: {out / 'study.csv'}, {out / 'comparisons.csv'}; to read: {out / 'study.md'}", quiet)


def _size(cell: TrainingCell) -> str:
    return f"{cell.n_train} patients" if cell.trained else "off the shelf"


def _place(out: Path, cell: TrainingCell) -> Path:
    return out / "cells" / cell.folder


def _identity(config: StudyConfig, cell: TrainingCell, cohorts: dict[str, Cohort]) -> str:
    return identity_of(config, cell, cohorts[cell.cohort].hash)


def _check_settings(config: StudyConfig, blocks: list[list[TrainingCell]], cohorts: dict[str, Cohort]) -> None:
    """Stop before anything is trained when the settings of a cell cannot be read."""
    for wanted in blocks:
        for cell in wanted:
            _identity(config, cell, cohorts)


def _cohorts(config: StudyConfig, out: Path, quiet: bool) -> dict[str, Cohort]:
    """Make the phantoms that are not there, load all cohorts, and audit those that come from a folder."""
    from empirical.audit import audit
    from empirical.cohorts import Cohort
    from empirical.cohorts.phantom import make_phantom

    loaded, findings = {}, ["cohort,severity,finding,message"]
    for name, source in config.cohorts.items():
        folder = Path(source.folder) if source.folder is not None else out / "cohorts" / name
        if source.phantom is not None and not (folder / "cohort.parquet").is_file():
            log(f"make phantom '{name}'", quiet)
            make_phantom(source.phantom, folder, seed=config.phantom_seed, quiet=quiet)
        loaded[name] = Cohort.load(folder)
        if source.folder is not None:
            found = audit(loaded[name], seed=0)
            findings += [",".join((name, one.severity, one.name, '"' + one.message.replace('"', "'") + '"')) for one in found]
    write_text(out / "audit.csv", "\n".join(findings) + "\n")
    return loaded


def _run(
    config: StudyConfig, todo: list[TrainingCell], cohorts: dict[str, Cohort], out: Path, workers: int
) -> Iterator[tuple[TrainingCell, float]]:
    """Run cells in processes of their own, and tell of each when it is finished."""
    with _pool(workers) as pool:
        running: dict[Future[float], TrainingCell] = {
            pool.submit(
                _timed, config, cell, cohorts[cell.cohort].folder, _place(out, cell), _identity(config, cell, cohorts)
            ): cell
            for cell in todo
        }  # fmt: skip
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Open a pool that drops what has not begun when something goes wrong."""
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _timed(config: StudyConfig, cell: TrainingCell, cohort: Path, folder: Path, identity: str) -> float:
    began = time.monotonic()
    run_cell(config, cell, cohort, folder, identity)
    return time.monotonic() - began
