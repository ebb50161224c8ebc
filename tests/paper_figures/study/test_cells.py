"""Training cells: where their folders lie, and which of them count."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from empirical.arms import ArmConfig
from empirical.evaluation.config import EvaluateConfig
from empirical.training.config import FinetuneConfig
from empirical.vlm.config import ModelConfig
from paper_figures.study.cells import TrainingCell, with_weights
from paper_figures.study.config import Restarts

EVALUATION = EvaluateConfig(cohort="c", arms=[ArmConfig(arm="single")], model=ModelConfig(name="pocket", revision="main"))


def cell(folder: Path, *, trained: bool, restarts: Restarts | None = None) -> TrainingCell:
    finetuning = FinetuneConfig(cohort="c", arm=ArmConfig(arm="single"), steps=20) if trained else None
    evaluations = {folder / "own": EVALUATION, folder / "control": EVALUATION}
    return TrainingCell("a cell", finetuning, folder / "training", evaluations, restarts)


def finish_training(folder: Path, loss: float) -> None:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"finished": "2026-01-01", "plateau_loss": 0.35}), encoding="utf-8")
    pd.DataFrame({"step": range(1, 21), "loss": loss}).to_csv(folder / "history.csv", index=False)


def score(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "records.parquet").touch()
    return folder / "records.parquet"


def test_off_the_shelf_nothing_is_trained_and_every_evaluation_is_needed(tmp_path: Path) -> None:
    one = cell(tmp_path, trained=False)
    assert one.attempts() == [] and one.selected() is not None and one.records() is None
    own = score(tmp_path / "own")
    assert one.records() is None
    control = score(tmp_path / "control")
    assert one.records() == [own, control]


def test_records_are_those_of_the_attempt_that_counts(tmp_path: Path) -> None:
    one = cell(tmp_path, trained=True, restarts=Restarts(attempts=3))
    assert one.selected() is None
    finish_training(tmp_path / "training", 0.345)
    for name in ("own", "control"):
        score(tmp_path / name)
    assert one.selected() is None and one.records() is None  # a second attempt is asked for
    finish_training(tmp_path / "training-try2", 0.1)
    assert one.records() is None
    assert [attempt.loss for attempt in one.attempts()] == [0.345, 0.1]
    assert [score(tmp_path / name) for name in ("own-try2", "control-try2")] == one.records()


def test_finetuned_weights_take_the_place_of_the_model_and_nothing_else_changes() -> None:
    found = with_weights(EVALUATION, Path("training") / "model")
    assert (found.model.name, found.model.revision) == ("training/model", None)
    assert found.model_dump(exclude={"model"}) == EVALUATION.model_dump(exclude={"model"})
