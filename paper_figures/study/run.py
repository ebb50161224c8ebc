"""Run a study or a part of it: cohorts, then the cells block by block, several at a time; tables and figures after every block."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paper_figures.study.cells import TrainingCell, run_cell
from paper_figures.study.config import SETTINGS, StudyConfig
from paper_figures.study.confounding import arms_without_their_check
from paper_figures.study.design import DesignPoint, cell_identity, design_points, training_cell
from paper_figures.study.parts import PartTimes, blocks_of, part_of_blocks
from see_in_pairs.console import log
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, write_json, write_text
from see_in_pairs.processes import run_in_processes
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from empirical.cohorts import Cohort
    from empirical.references import ReferenceConfig

NOT_ALONE = "no arm reference_only shows the references of '{}' alone; without it nothing says what a trained model can tell from them"
MAY_CHANGE = {"title", "arms", "blocks", "comparisons", "restarts", "keep_models"}
"""Settings that may change when a study is run again; other changes are refused, and so is a cell whose own arm has changed."""


def study(config: StudyConfig, out: Path | str, *, part: str | None = None, workers: int = 1, quiet: bool = False) -> None:
    """Run a study, or a part of it; called again after a kill, or with more blocks, it continues.

    Parameters
    ----------
    config : StudyConfig
        Model, cohorts, arms, and the blocks of trainings to run.
    out : Path or str
        Folder for cohorts, cells, ``study.json`` (all settings, as of the last run), ``study.csv``, ``comparisons.csv``,
        ``trainings.csv``, ``adjusted.csv`` (areas within site and adjusted for age, sex and site), ``leak.csv`` (of arms
        ``reference_only``), ``audit.csv``, ``references-COHORT.csv`` (whether references alone tell the class), ``parts.csv`` (cells and
        wall time of each part), ``study.md``, ``figures/``. Tables have all cells that are finished, of whichever part.
    part : str, optional
        Run the blocks of this part only, and make no phantom that they do not need.
    workers : int, default 1
        Cells at a time; results do not depend on it where ``training.threads`` and ``evaluation.threads`` are fixed.
    quiet : bool, default False
        Print no messages about the progress.

    Raises
    ------
    InputError
        When settings, cohorts or model do not fit, or `out` contains another study.
    CheckFailed
        When the audit of a cohort finds leakage.
    """
    from empirical.vlm.model_id import weights_hash
    from paper_figures.study.outputs import write_outputs

    out = Path(out)
    blocks = [design_points(config, number) for number in range(len(config.blocks))]
    wanted, names = blocks_of(config, part), part_of_blocks(config)
    identity = config.model_dump(exclude=MAY_CHANGE) | {"weights_hash": weights_hash(config.model.name, config.model.revision)}
    with RunFolder(out, "study", identity) as folder:
        write_json(out / SETTINGS, config.model_dump(mode="json"))
        needed = {point.cohort for number in wanted for point in blocks[number]}
        cohorts = _cohorts(config, set(config.cohorts) if part is None else needed, folder.path, quiet)
        # Every cell is written out here: settings that cannot be read stop the study before any training.
        planned: dict[DesignPoint, _PlannedCell] = {}
        for point in (point for block in blocks for point in block):
            if point.cohort in cohorts:
                planned[point] = _planned(config, point, cohorts[point.cohort], folder.path)
            else:
                training_cell(config, point, Path("cohort"), folder.path)
        total, times, done = sum(len(blocks[number]) for number in wanted), PartTimes(config, folder.path), 0
        log(f"study: {total} cells in {len(wanted)} blocks, {workers} at a time", quiet)
        for number in wanted:
            points, name, began = blocks[number], names[number], time.monotonic()
            before = times.minutes.get(name, 0.0)
            todo = [planned[point] for point in points if not planned[point].is_finished()]
            if len(todo) < len(points):
                log(f"block {number + 1}: {len(points) - len(todo)} of {len(points)} cells are finished already", quiet)
            for count, (job, seconds) in enumerate(run_in_processes(_run_noted, todo, workers), start=done + len(points) - len(todo) + 1):
                log(f"[{count}/{total}] {job.cell.name} ({seconds:.0f} s)", quiet)
                times.save(name, before + (time.monotonic() - began) / 60, workers)  # after each cell: a kill loses only those that run
            done += len(points)
            write_outputs(config, folder.path, cohorts, {point: one.cell for point, one in planned.items() if one.is_finished()})
            if todo:
                log(f"part '{name}': {times.minutes[name]:.1f} minutes so far, {workers} at a time", quiet)
        folder.count("cells", sum(one.is_finished() for one in planned.values()))
    log(f"tables: {out / 'study.csv'}, {out / 'comparisons.csv'}; to read: {out / 'study.md'}", quiet)


@dataclass(frozen=True)
class _PlannedCell:
    """A cell of the study, its folder, and the hash of its settings, which is recorded there at the start."""

    cell: TrainingCell
    folder: Path
    identity: str

    def is_finished(self) -> bool:
        note = self.folder / "cell.json"  # the study's own identity does not cover a cell: its arms and blocks may change
        if not note.is_file():
            return False
        noted = read_json(note)
        if not isinstance(noted, dict) or noted.get("settings") != self.identity:
            raise InputError(f"{self.folder}: was run with other settings; choose another --out, or delete this folder to run it again")
        return self.cell.records() is not None


def _planned(config: StudyConfig, point: DesignPoint, cohort: Cohort, out: Path) -> _PlannedCell:
    folder = out / "cells" / point.folder
    cell = training_cell(config, point, cohort.folder, folder)
    return _PlannedCell(cell, folder, cell_identity(cell, cohort.hash))


def _run_noted(planned: _PlannedCell) -> float:
    write_json(planned.folder / "cell.json", {"settings": planned.identity})
    return run_cell(planned.cell)


def _cohorts(config: StudyConfig, needed: set[str], out: Path, quiet: bool) -> dict[str, Cohort]:
    """Make the phantoms that are needed and missing, load all cohorts that there are, and audit those from a folder."""
    import pandas as pd

    from empirical.arms.build import require_one_question
    from empirical.audit import audit
    from empirical.audit.reference_leak import audit_strategies, reference_findings
    from empirical.cohorts import Cohort
    from empirical.cohorts.phantom import make_phantom

    loaded: dict[str, Cohort] = {}
    findings: list[tuple[str, ...]] = []
    for name, source in config.cohorts.items():
        folder = Path(source.folder) if source.folder is not None else out / "cohorts" / name
        if source.phantom is not None and not (folder / "cohort.parquet").is_file():
            if name not in needed:
                continue
            log(f"make phantom '{name}'", quiet)
            make_phantom(source.phantom, folder, seed=config.phantom_seed, quiet=quiet)
        loaded[name] = Cohort.load(folder)
        require_one_question(loaded[name], "study")
        if source.folder is not None:
            shown: dict[str, ReferenceConfig] = {}
            for arm, one in config.arms.items():
                if one.references is not None and one.references not in shown.values():
                    shown[arm] = one.references
            told = audit_strategies(loaded[name], shown, model=config.model)
            write_text(out / f"references-{name}.csv", told.to_csv(index=False))
            found = [*audit(loaded[name], seed=0), *reference_findings(told)]
            findings += [(name, finding.severity, finding.name, finding.message) for finding in found]
            findings += [(name, "warn", "no_reference_only", NOT_ALONE.format(arm)) for arm in arms_without_their_check(config.arms)]
    table = pd.DataFrame(findings, columns=["cohort", "severity", "finding", "message"])
    write_text(out / "audit.csv", table.to_csv(index=False))
    return loaded
