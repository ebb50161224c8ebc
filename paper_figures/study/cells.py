"""Training cells: one finetuning, with its restarts, and the evaluations of its model. Studies and `reproduce` run on them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paper_figures.study.config import Restarts
from paper_figures.study.restarts import Attempt, attempts_needed, selected_attempt

if TYPE_CHECKING:
    from empirical.evaluation.config import EvaluateConfig
    from empirical.training.config import FinetuneConfig


@dataclass(frozen=True)
class TrainingCell:
    """One finetuning and the evaluations of its model; without a finetuning, evaluations of the model off the shelf."""

    name: str  # in log lines
    finetuning: FinetuneConfig | None
    training: Path  # folder of the finetuning (as all folders here, that of the first attempt)
    evaluations: Mapping[Path, EvaluateConfig]  # by folder; where there is a finetuning, its model takes the place of the one named here
    restarts: Restarts | None = None
    keep_models: bool = True  # whether finetuned weights stay when the evaluations are done

    def attempts(self) -> list[Attempt]:
        """List the finetunings that the rule of restarts asks for, as far as is known."""
        return [] if self.finetuning is None else attempts_needed(self.training, self.restarts)

    def selected(self) -> Attempt | None:
        """Select the attempt that counts; None while a finetuning is missing."""
        return Attempt(self.training, 0) if self.finetuning is None else selected_attempt(self.attempts())

    def records(self) -> list[Path] | None:
        """List the records of the evaluations, of the attempt that counts; None while some are missing."""
        attempt = self.selected()
        files = [] if attempt is None else [attempt.beside(folder) / "records.parquet" for folder in self.evaluations]
        return files if attempt is not None and all(file.is_file() for file in files) else None


def cells(config: StudyConfig, block: int) -> list[TrainingCell]:
    """List the cells of a block: one seed of everything, then the next.

    Returns in the order in which they are begun, without those that an earlier block has asked for.
    """
    before = {cell.folder for earlier in range(block) for cell in _every(config, earlier)}
    return [cell for cell in _every(config, block) if cell.folder not in before]


def _every(config: StudyConfig, number: int) -> Iterator[TrainingCell]:
    block = config.blocks[number]
    for seed, size, cohort, arm in product(block.seeds, block.n_train, block.cohorts or config.cohorts, block.arms or config.arms):
        yield TrainingCell(cohort, arm, size, seed, number)


def finetune_config(config: StudyConfig, cell: TrainingCell, cohort: Path, *, seed: int | None = None) -> FinetuneConfig:
    """Spell out the finetuning of a cell."""
    from empirical.training.config import FinetuneConfig

    own: dict[str, Any] = {"cohort": str(cohort), "n_train": None if cell.n_train == ALL else cell.n_train}
    own["seed"] = cell.seed if seed is None else seed
    settings = _common(config, cell) | config.training | config.blocks[cell.block].training | own
    return parse_config(FinetuneConfig, settings | {"arm": config.arms[cell.arm]}, source=SOURCE)


def evaluate_config(config: StudyConfig, cell: TrainingCell, cohort: Path, model: Path) -> EvaluateConfig:
    """Spell out the evaluation of a cell."""
    from empirical.evaluation.config import EvaluateConfig

    own: dict[str, Any] = {"cohort": str(cohort), "arms": [config.arms[cell.arm]], "seed": cell.seed}
    if cell.trained:
        own["model"] = config.model.model_copy(update={"name": str(model), "revision": None})
    return parse_config(EvaluateConfig, _common(config, cell) | config.evaluation | own, source=SOURCE)


def _common(config: StudyConfig, cell: TrainingCell) -> dict[str, Any]:
    return {"model": config.model, "prompts": config.prompts}


def is_finished(config: StudyConfig, cell: TrainingCell, folder: Path, identity: str) -> bool:
    """Tell whether a cell has been run, with these settings, and as often as the study's rule of restarts asks for."""
    note = folder / "cell.json"
    if not note.is_file():
        return False
    if read_json(note).get("settings") != identity:
        raise InputError(f"{folder}: was run with other settings; choose another --out, or delete this folder to run it again")
    counts = selected_attempt(config, cell, folder)
    return counts is not None and counts.records.is_file()


def selected_attempt(config: StudyConfig, cell: TrainingCell, folder: Path) -> Attempt | None:
    """Find the attempt of a cell that counts.

    Returns None while a finetuning is missing.
    """
    return kept(attempts_needed(folder, config.restarts)) if cell.trained else Attempt(folder, 0)


def identity_of(config: StudyConfig, cell: TrainingCell, cohort_hash: str) -> str:
    """Hash what decides a cell.

    Returns changes with any setting; not with where the folders lie.
    """
    nowhere = Path("cohort")
    training = finetune_config(config, cell, nowhere).model_dump() if cell.trained else None
    return content_hash([cohort_hash, evaluate_config(config, cell, nowhere, Path("model")).model_dump(), training])


def records_of(config: StudyConfig, cell: TrainingCell, folder: Path) -> Path:
    """Find the records of a finished cell.

    Returns of the attempt that counts.
    """
    counts = selected_attempt(config, cell, folder)
    if counts is None:
        raise InputError(f"{folder}: a training is missing; run the study again")
    return counts.records


def run_cell(config: StudyConfig, cell: TrainingCell, cohort: Path, folder: Path, identity: str) -> Path:
    """Finetune and evaluate; called again after a kill, it goes on."""
    from empirical.analysis.reports import evaluate_with_reports

    write_json(folder / "cell.json", {"settings": identity})
    while (counts := selected_attempt(config, cell, folder)) is None:
        _train(config, cell, cohort, attempts_needed(folder, config.restarts)[-1])
    if not counts.records.is_file():
        if cell.trained and not (counts.training / "model").is_dir():  # gone, since under another rule of restarts it did not count
            shutil.rmtree(counts.training)
            _train(config, cell, cohort, counts)
        evaluate_with_reports(evaluate_config(config, cell, cohort, counts.training / "model"), counts.evaluation, quiet=True)
    if cell.trained and not config.keep_models:
        for one in attempts_needed(folder, config.restarts):
            shutil.rmtree(one.training / "model", ignore_errors=True)
    return counts.records


def with_weights(config: EvaluateConfig, model: Path) -> EvaluateConfig:
    """Evaluate finetuned weights instead of the model off the shelf."""
    return config.model_copy(update={"model": config.model.model_copy(update={"name": str(model), "revision": None})})


def _finetune(cell: TrainingCell, attempt: Attempt) -> None:
    from empirical.training.finetune import finetune

    assert cell.finetuning is not None
    finetune(cell.finetuning.model_copy(update={"seed": attempt.seed(cell.finetuning.seed)}), attempt.training, quiet=True)
