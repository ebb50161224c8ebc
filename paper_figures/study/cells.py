"""Training cells: one finetuning, with its restarts, and the evaluations of its model. Studies and `reproduce` use them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.study.config import Restarts
from paper_figures.study.restarts import Attempt, attempts_needed, selected_attempt
from see_in_pairs.runs import is_unfinished

if TYPE_CHECKING:
    from empirical.evaluation.config import EvaluateConfig
    from empirical.training.config import FinetuneConfig


@dataclass(frozen=True)
class TrainingCell:
    """One finetuning and the evaluations of its model; without a finetuning, evaluations of the model off the shelf."""

    name: str  # in log lines
    finetuning: FinetuneConfig | None
    training: Path  # folder of the finetuning (as all folders here, that of the first attempt)
    evaluations: Mapping[Path, EvaluateConfig]  # by folder; after a finetuning, its model replaces the one named here
    restarts: Restarts | None = None
    keep_models: bool = True  # whether finetuned weights are kept after the evaluations

    def attempts(self) -> list[Attempt]:
        """List the finetunings that the rule of restarts asks for so far."""
        return [] if self.finetuning is None else attempts_needed(self.training, self.restarts)

    def selected(self) -> Attempt | None:
        """Select the attempt that counts; None while a finetuning is missing."""
        return Attempt(self.training, 0) if self.finetuning is None else selected_attempt(self.attempts())

    def records(self) -> list[Path] | None:
        """List the records of the evaluations, of the attempt that counts; None while some are missing or not finished."""
        attempt = self.selected()
        files = [] if attempt is None else [attempt.beside(folder) / "records.parquet" for folder in self.evaluations]
        return files if attempt is not None and all(file.is_file() and not is_unfinished(file.parent) for file in files) else None


def attempt_rows(cell: TrainingCell) -> list[dict[str, Any]]:
    """Rows of ``trainings.csv``: each attempt with its seed, its final loss, the loss of the plateau, and whether it counts."""
    assert cell.finetuning is not None
    return [
        {
            "try": attempt.number + 1, "train_seed": attempt.seed(cell.finetuning.seed), "loss": attempt.loss, "plateau": attempt.plateau,
            # without restarts a training of an earlier version is valid too
            "stayed": None if attempt.plateau is None else attempt.stayed(cell.restarts or Restarts(attempts=2)),
            "counts": attempt == cell.selected(),
        }
        for attempt in cell.attempts()
    ]  # fmt: skip


def run_cell(cell: TrainingCell) -> float:
    """Finetune and evaluate; called again after a kill, it continues. Returns the seconds it took."""
    from empirical.analysis.reports import evaluate_with_reports

    began = time.monotonic()
    while (attempt := cell.selected()) is None:
        _finetune(cell, cell.attempts()[-1])
    if cell.finetuning is not None and not (attempt.training / "model").is_dir():
        # Its weights were deleted: by keep_models after scoring, or because it did not count under another rule of restarts.
        if cell.records() is not None:
            return time.monotonic() - began
        shutil.rmtree(attempt.training)
    if cell.finetuning is not None:
        _finetune(cell, attempt)  # for a finished one this only checks that settings, cohort and weights are unchanged
    for folder, config in cell.evaluations.items():
        own = config if cell.finetuning is None else with_weights(config, attempt.training / "model")
        evaluate_with_reports(own, attempt.beside(folder), quiet=True)
    if not cell.keep_models:
        for attempt in cell.attempts():
            shutil.rmtree(attempt.training / "model", ignore_errors=True)
    return time.monotonic() - began


def with_weights(config: EvaluateConfig, model: Path) -> EvaluateConfig:
    """Evaluate finetuned weights instead of the model off the shelf."""
    return config.model_copy(update={"model": config.model.model_copy(update={"name": str(model), "revision": None})})


def _finetune(cell: TrainingCell, attempt: Attempt) -> None:
    from empirical.training.finetune import finetune

    assert cell.finetuning is not None
    finetune(cell.finetuning.model_copy(update={"seed": attempt.seed(cell.finetuning.seed)}), attempt.training, quiet=True)
