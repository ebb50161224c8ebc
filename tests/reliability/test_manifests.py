"""A manifest holds what its run recorded, however often the run is killed or run again after its end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from empirical.cohorts import Cohort
from empirical.cohorts.phantom import PhantomConfig, make_phantom
from empirical.evaluation.config import EvaluateConfig
from empirical.evaluation.evaluate import evaluate
from empirical.evaluation.shards import ShardScorer
from empirical.training.config import FinetuneConfig
from empirical.training.finetune import finetune
from paper_figures.results.runs import RunResults
from paper_figures.study.cells import TrainingCell
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_json, write_parquet
from see_in_pairs.runs import RunFolder
from tests.helpers.configs import finetune_config


class Killed(BaseException):
    """As a signal: no handler of errors catches it."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    settings = {"n_train": 8, "n_val": 4, "n_test": 6, "relatives": 1}
    return make_phantom(PhantomConfig.model_validate(settings), tmp_path_factory.mktemp("cohort"), seed=1)


@pytest.fixture(scope="module")
def training(cohort: Cohort) -> FinetuneConfig:
    stop = {"every": 1, "patience": 3}
    return finetune_config(cohort, steps=2, batch_size=2, save_every=1, doctor=True, early_stopping=stop, model={"name": "pocket"})


def manifest(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    return content


def recorded(run: Path) -> dict[str, Any]:
    """What a run recorded beside times, which differ from run to run."""
    times = ("started", "finished", "resumed", "command_line", "hardware")
    return {key: value for key, value in manifest(run).items() if key not in times}


def test_a_training_that_is_run_again_or_killed_once_its_model_is_there_keeps_its_manifest(
    training: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def rename_and_die(self: Path, target: Path) -> Path:
        done = rename(self, target)
        if self.name == ".model":
            raise Killed
        return done

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "rename", rename_and_die)
        finetune(training, tmp_path, quiet=True)
    before = recorded(tmp_path)
    assert {"audit", "parity", "weights", "doctor", "n_train", "n_validation", "gradient_checkpointing"} <= before.keys()
    assert manifest(tmp_path)["finished"] is None and (tmp_path / "checkpoints").is_dir()
    for _ in range(2):
        finetune(training, tmp_path, quiet=True)
        assert recorded(tmp_path) == before and manifest(tmp_path)["finished"] is not None
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("when", ["scored", "written"])
def test_an_evaluation_that_is_killed_keeps_what_the_doctor_found(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    config = EvaluateConfig.model_validate({"cohort": str(cohort.folder), "arms": [{"arm": "single"}], "threads": 1})
    plain = ShardScorer.score_arms

    def score_and_die(self: ShardScorer, examples: Any) -> dict[str, pd.DataFrame]:
        plain(self, examples)
        raise Killed

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        if when == "scored":
            patch.setattr(ShardScorer, "score_arms", score_and_die)
        evaluate(config, tmp_path / "run", report=die, quiet=True)
    evaluate(config, tmp_path / "run", quiet=True)
    assert manifest(tmp_path / "run")["doctor"] and manifest(tmp_path / "run")["finished"] is not None


def test_a_cell_whose_evaluation_was_killed_behind_its_records_is_not_finished(tmp_path: Path) -> None:
    cell = TrainingCell("cell", None, tmp_path / "training", {tmp_path / "run": None})  # type: ignore[dict-item]
    with pytest.raises(Killed), RunFolder(tmp_path / "run", "evaluate", {}) as run:
        write_parquet(run.path / "records.parquet", pd.DataFrame({"a": [1]}))
        raise Killed
    assert cell.records() is None
    with RunFolder(tmp_path / "run", "evaluate", {}):
        pass
    assert cell.records() == [tmp_path / "run" / "records.parquet"]


def test_who_finds_a_run_finished_without_loading_torch_does_not_say_that_it_had_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunFolder(tmp_path, "demo", {}) as run:
        pass
    write_json(tmp_path / "manifest.json", run.manifest | {"hardware": run.manifest["hardware"] | {"gpu": "NVIDIA H200"}})
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with RunFolder(tmp_path, "demo", {}):
        pass
    assert manifest(tmp_path)["hardware"]["gpu"] == "NVIDIA H200"


@pytest.mark.parametrize("content", ["null", "[]", '"x"', "[[1, 2]]", '["ab"]'])
def test_a_manifest_that_is_no_object_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match="no JSON object"):
        _ = RunResults(tmp_path).manifest
