"""Commands that score end in one line when memory runs out; an evaluation keeps what it has and goes on with smaller batches."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from empirical.cohorts import Cohort
from empirical.vlm.inference import batch_scorer as scorer_module
from see_in_pairs.console import run_app

ARM = {"arm": "pair", "references": {"strategy": "demographic", "columns": ["family"], "caliper": {}}}


class SmallDevice:
    """Takes two activations a row and forward pass, and holds as many as are really alive."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plain, self.capacity = scorer_module.answer_scores, 10**6
        self.alive: list[tuple[weakref.ref[torch.Tensor], int]] = []
        self.passes: list[int] = []
        monkeypatch.setattr(scorer_module, "answer_scores", self.score)

    def take(self, rows: int) -> torch.Tensor:
        if rows + sum(size for reference, size in self.alive if reference() is not None) > self.capacity:
            raise torch.OutOfMemoryError("no more")
        made = torch.ones(rows)
        self.alive.append((weakref.ref(made), rows))
        return made

    def score(self, model: Any, encoder: Any, rows: Sequence[Any], *rest: Any, **options: Any) -> torch.Tensor:
        first = self.take(len(rows))
        second = self.take(len(rows))  # raised here, the error's traceback holds the first
        self.passes.append(len(rows))
        return self.plain(model, encoder, rows, *rest, **options) + 0 * float(first.sum() + second.sum())


def command(cohort: Cohort, tmp_path: Path, words: list[str], *more: str) -> int:
    from paper_figures.cli import app

    config = {"cohort": str(cohort.folder), "arms": [ARM], "doctor": False, "threads": 1, "batch_size": 4, "split": "test"}
    (tmp_path / "config.yaml").write_text(json.dumps(config | {"model": {"dtype": "float32"}}))  # whatever the device: scores are compared
    return run_app(app, [*words, str(tmp_path / "config.yaml"), "--quiet", *more])


def test_an_evaluation_keeps_its_scores_and_goes_on_with_smaller_batches(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("empirical.evaluation.shards.BATCHES_PER_SHARD", 1)  # a shard for each batch
    assert command(phantom, tmp_path, ["evaluate"], "--out", str(tmp_path / "whole")) == 0
    device = SmallDevice(monkeypatch)
    plain = device.score

    def full_after_one_batch(*arguments: Any, **options: Any) -> torch.Tensor:
        device.capacity = 4 if device.passes else 8  # what a batch of 2 takes just where nothing of the failed one is left
        return plain(*arguments, **options)

    monkeypatch.setattr(scorer_module, "answer_scores", full_after_one_batch)
    words = ["evaluate"], "--out", str(tmp_path / "short")
    capsys.readouterr()
    assert command(phantom, tmp_path, *words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    n = len(phantom.queries("test"))
    assert line.endswith(
        f"out of memory with batch_size 4; 2 fits: run again with --set batch_size=2 and the same --out (8 of {n} scores are kept)"
    )
    assert device.passes == [4, 2, 2]
    for _ in range(2):  # the second finds all done, and is no other run
        assert command(phantom, tmp_path, *words, "--set", "batch_size=2") == 0
        assert sum(device.passes) == n and set(device.passes[1:]) == {2}
    whole, short = (pd.read_parquet(tmp_path / name / "records.parquet") for name in ("whole", "short"))
    assert (whole["item_id"] == short["item_id"]).all() and np.allclose(whole["p_positive"], short["p_positive"], atol=1e-5)
    manifest = json.loads((tmp_path / "short" / "manifest.json").read_text())
    assert (manifest["config"]["batch_size"], manifest["batch_size_used"]) == (4, 2)
    assert command(phantom, tmp_path, *words, "--set", "batch_size=1") == 2  # that one is finished
    assert "config.batch_size: 4 there, 1 now" in capsys.readouterr().err


def test_an_evaluation_that_fits_with_no_batch_says_what_else_to_lower(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    SmallDevice(monkeypatch).capacity = 1
    assert command(phantom, tmp_path, ["evaluate"], "--out", str(tmp_path / "run")) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "even with batch_size 1; show fewer pixels (model.image_processor.size)" in line and "(0 of " in line
    monkeypatch.setattr("empirical.vlm.loading.load_vlm", out_of_memory)
    assert command(phantom, tmp_path, ["evaluate"], "--out", str(tmp_path / "other")) == 2
    assert "out of memory before the first item: the model itself hardly fits" in capsys.readouterr().err


def out_of_memory(*_: Any, **__: Any) -> Any:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


@pytest.mark.parametrize("analysis", ["alignment", "attribution"])
def test_an_analysis_names_the_setting_to_lower(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], analysis: str
) -> None:
    names = {"alignment": "empirical.analysis.alignment.representations", "attribution": "empirical.analysis.attribution.occlusion"}
    monkeypatch.setattr(names[analysis], out_of_memory)
    monkeypatch.setattr("empirical.analysis.attribution.integrated_gradients", out_of_memory)
    assert command(phantom, tmp_path, ["analyse", analysis], "--out", str(tmp_path / "run")) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith("out of memory with batch_size 4; lower it: --set batch_size=2, with another --out")


def test_crossed_scoring_names_the_setting_to_lower(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from paper_figures.cli import app

    config = {"cohort": str(phantom.folder), "models": [{"name": "pocket"}], "patients": 2, "references": 2, "batch_size": 4}
    (tmp_path / "crossed.yaml").write_text(json.dumps(config))
    SmallDevice(monkeypatch).capacity = 1
    words = ["analyse", "crossed", str(tmp_path / "crossed.yaml"), "--quiet", "--out", str(tmp_path / "run")]
    assert run_app(app, words) == 2
    assert "out of memory with batch_size 4; lower it: --set batch_size=2" in capsys.readouterr().err
