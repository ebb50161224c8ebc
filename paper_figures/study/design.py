"""The design of a study, written out: from its blocks to cells, each with the settings of its finetuning and its evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from empirical.evaluation.config import EvaluateConfig
from empirical.training.config import FinetuneConfig
from paper_figures.study.cells import TrainingCell, with_weights
from paper_figures.study.config import ALL, StudyConfig
from see_in_pairs.configs import parse_config
from see_in_pairs.files import content_hash

SOURCE = "study"


@dataclass(frozen=True)
class DesignPoint:
    """One combination of the factors of a study; cohort and arm by their names in it."""

    cohort: str
    arm: str
    n_train: int | str  # training patients; 0: off the shelf
    seed: int  # of everything random in the cell
    block: int  # number of the block that asks for it

    @property
    def folder(self) -> Path:
        """Its folder, below the study's ``cells``."""
        return Path(self.cohort) / self.arm / f"n{self.n_train}-seed{self.seed}"

    def __str__(self) -> str:
        size = f"{self.n_train} patients" if self.n_train else "off the shelf"
        return f"{self.cohort}, {self.arm}, {size}, seed {self.seed}"


def design_points(config: StudyConfig, block: int) -> list[DesignPoint]:
    """List the new points of a block, in the order in which they start: one seed of everything, then the next."""
    before = {point.folder for earlier in range(block) for point in _all_points(config, earlier)}
    return [point for point in _all_points(config, block) if point.folder not in before]


def _all_points(config: StudyConfig, number: int) -> Iterator[DesignPoint]:
    block = config.blocks[number]
    for seed, size, cohort, arm in product(block.seeds, block.n_train, block.cohorts or config.cohorts, block.arms or config.arms):
        yield DesignPoint(cohort, arm, size, seed, number)


def training_cell(config: StudyConfig, point: DesignPoint, cohort: Path, folder: Path) -> TrainingCell:
    """Write out the cell of a design point; raises if its settings cannot be read."""
    both = {"model": config.model, "prompts": config.prompts, "cohort": str(cohort), "seed": point.seed}
    arm, finetuning = config.arms[point.arm], None
    if point.n_train != 0:
        own: dict[str, Any] = both | {"arm": arm, "n_train": None if point.n_train == ALL else point.n_train}
        finetuning = parse_config(FinetuneConfig, config.training | config.blocks[point.block].training | own, source=SOURCE)
    evaluation = parse_config(EvaluateConfig, config.evaluation | both | {"arms": [arm]}, source=SOURCE)
    evaluations = {folder / "evaluation": evaluation}
    return TrainingCell(str(point), finetuning, folder / "training", evaluations, config.restarts, config.keep_models)


def cell_identity(cell: TrainingCell, cohort_hash: str) -> str:
    """Hash what decides a cell: all settings, and the cohort's content, but not the folders' paths."""
    nowhere = {"cohort": "cohort"}
    (evaluation,), finetuning = cell.evaluations.values(), None
    if cell.finetuning is not None:
        finetuning = cell.finetuning.model_copy(update=nowhere).model_dump()
        evaluation = with_weights(evaluation, Path("model"))
    return content_hash([cohort_hash, evaluation.model_copy(update=nowhere).model_dump(), finetuning])
