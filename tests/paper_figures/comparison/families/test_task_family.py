"""Folders of evaluation harnesses with a log for each task: one declared family."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paper_figures.comparison.formats.folders import logs_in
from paper_figures.comparison.formats.harness_logs import task_of
from see_in_pairs.errors import InputError

Run = Callable[..., tuple[int, str, str]]


def lm_eval_log(folder: Path, task: str, seed: int, metric: str = "acc", date: str = "2026-05-01T10-00-00.123456", **more: Any) -> Path:
    """A log as lm-evaluation-harness names and writes it."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    values = rng.random(40).round(2) if metric == "f1" else (rng.random(40) < 0.5 + 0.1 * seed).astype(float)
    rows = [
        {"doc_id": i, "doc": {"patient_id": i // 2}, "target": "t", "filter": "none", "metrics": [metric], metric: value} | more
        for i, value in enumerate(values)
    ]
    path = folder / f"samples_{task}_{date}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for seed, arm in enumerate("ab"):
        lm_eval_log(tmp_path / arm / "model", "chest_xray", seed)
        lm_eval_log(tmp_path / arm / "model", "squad", seed + 2, "f1")
        lm_eval_log(tmp_path / arm / "model", "brain", seed + 4, "exact_match", contains=0.0)
    return tmp_path / "a", tmp_path / "b"


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("samples_chest_xray_2026-05-01T10-00-00.123456.jsonl", "chest_xray"),
        ("20260501_100000_samples_chest_xray.jsonl.gz", "chest_xray"),
        ("samples_mmlu_2_2026-05-01T10-00-00.jsonl", "mmlu_2"), ("samples_chest.jsonl", "chest"), ("chest.jsonl", "chest"),
    ],
)  # fmt: skip
def test_the_task_of_a_log_is_in_its_name(name: str, task: str) -> None:
    assert task_of(Path(name)) == task


def test_every_task_as_its_own_comparison_and_one_family(run: Run, folders: tuple[Path, Path]) -> None:
    words = ("--metric", "exact_match", "--metric", "acc", "--metric", "f1", "--cluster", "patient_id", "--resamples", 100)
    code, out, err = run(*folders, *words, "--json", "--out", folders[0].parent / "out")
    assert code == 0, err
    found = json.loads(out)
    assert (found["arms"], list(found["tasks"])) == (["a", "b"], ["brain", "chest_xray", "squad"])
    tests = {(one["name"], one["measure"]): one for one in found["family"]["tests"]}
    assert set(tests) == {("brain", "accuracy"), ("chest_xray", "accuracy"), ("squad", "mean")}
    from statsmodels.stats.multitest import multipletests

    assert [one["adjusted"] for one in tests.values()] == pytest.approx(
        multipletests([one["p"] for one in tests.values()], method="holm")[1]
    )
    for task in ("brain", "chest_xray", "squad"):
        logs = [next(folder.rglob(f"*{task}*")) for folder in folders]
        alone = json.loads(run(*logs, *words, "--json", "--quiet")[1])
        same = {key: value for key, value in alone.items() if key not in ("threshold", "seed", "arms")}
        assert {key: value for key, value in found["tasks"][task].items() if key != "arms"} == same
    for text in ("A = a, B = b, on 3 tasks.", "chest_xray, Accuracy", "squad, mean f1", "p (Holm)", "3 tests"):
        assert text in err
    assert (folders[0].parent / "out" / "comparison.csv").read_text().count("True") == 3


def test_tasks_are_declared_or_the_same(run: Run, folders: tuple[Path, Path]) -> None:
    lm_eval_log(folders[1] / "model", "skin", 0)
    code, _, err = run(*folders, "--metric", "acc")
    assert (code, err.count("\n"), "1 tasks of" in err, "skin" in err) == (2, 1, True, True)
    words = ("--metric", "acc", "--metric", "f1", "--resamples", 100, "--json", "--quiet")
    code, out, err = run(*folders, "--task", "squad", "--task", "chest_xray", *words)
    assert list(json.loads(out)["tasks"]) == ["chest_xray", "squad"], err
    code, out, err = run(*folders, "--task", "squad", *words)
    assert json.loads(out)["metric"] == "f1", err
    code, _, err = run(*folders, "--task", "eye")
    assert (code, err.count("\n"), "no log of samples of the task 'eye'" in err) == (2, 1, True)
    code, _, err = run(*folders, folders[0])
    assert (code, err.count("\n"), "3 logs of samples" in err, "--task" in err) == (2, 1, True, True)


def test_two_runs_of_a_task_are_not_mixed(folders: tuple[Path, Path]) -> None:
    lm_eval_log(folders[0] / "model", "squad", 0, date="2026-06-01T10-00-00")
    with pytest.raises(InputError, match="several logs of samples of the task squad"):
        logs_in(folders[0])
    assert list(logs_in(folders[0], ["brain"])) == ["brain"]


def test_logs_of_inspect_ai_by_the_task_of_their_header(tmp_path: Path) -> None:
    for number, task in enumerate(("chest", "brain")):
        with zipfile.ZipFile(tmp_path / f"2026-05-01_{number}.eval", "w") as archive:
            archive.writestr("header.json", json.dumps({"status": "success", "eval": {"task": task}}))
    (tmp_path / "broken.eval").write_bytes(b"no zip")
    assert {task: path.name for task, path in logs_in(tmp_path).items()} == {
        "chest": "2026-05-01_0.eval", "brain": "2026-05-01_1.eval", "broken": "broken.eval"
    }  # fmt: skip
