"""``see-in-pairs sweep`` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paper_figures.cli import app
from see_in_pairs.console import run_app
from theory.sweeps import Results

Write = Callable[..., Path]


def sweep(*words: object) -> int:
    return run_app(app, ["sweep", *map(str, words)])


def refused(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    capsys.readouterr()
    assert sweep(*words) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(lines) == 1 and "Traceback" not in lines[0]
    return lines[0]


@pytest.mark.parametrize(
    "words", [["CONFIG", "--out", "OUT"], ["run", "CONFIG", "--out", "OUT"], ["--out", "OUT", "CONFIG", "--seed", "7"]]
)
def test_a_file_as_first_word_means_run(write_study: Write, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    named = {"CONFIG": str(write_study()), "OUT": str(tmp_path / "out")}
    assert sweep(*(named.get(word, word) for word in words)) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].split()[:4] == ["all", "50", "0", "50"]
    assert "2 cells, 25 replicates each" in printed.err
    assert Results.open(tmp_path / "out").cells["done"].tolist() == [25, 25]


def test_the_manifest_counts(write_study: Write, tmp_path: Path) -> None:
    assert sweep(write_study(generate="simple_failing", fixed={"n": 8, "share": 0.2}), "--out", tmp_path / "out", "--quiet") == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    failed = int(Results.open(tmp_path / "out").cells["failed"].sum())
    assert manifest["counts"] == {"cells": 2, "replicates attempted": 50, "replicates failed": failed, "cells stopped by failures": 0}
    assert manifest["seed"] == 7 and manifest["finished"] and failed > 0


def test_status_of_a_finished_and_of_an_unfinished_sweep(write_study: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = write_study(), tmp_path / "out"
    assert sweep(config, "--out", out, "--quiet") == 0
    next((out / "blocks").iterdir()).unlink()
    assert sweep("status", out) == 0
    assert capsys.readouterr().out.count("under way") == 2
    assert sweep(write_study("slow.yaml", fixed={"n": 8, "pause": 0.01}), "--out", tmp_path / "slow", "--replicates", 25, "--quiet") == 0
    study = (tmp_path / "slow" / "study.yaml").read_text()
    (tmp_path / "slow" / "study.yaml").write_text(study.replace("replicates: 25", "replicates: 125"))  # as if killed early on
    assert 2 <= Results.open(tmp_path / "slow").seconds_left < 10  # 2 cells x 100 replicates x 10 ms
    capsys.readouterr()
    assert sweep("status", tmp_path / "slow") == 0
    assert "s of processor time left" in capsys.readouterr().out.splitlines()[-1]
    assert sweep(config, "--out", out, "--replicates", 30, "--quiet") == 0
    capsys.readouterr()
    assert sweep("status", out, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["running"] is False and [cell["done"] for cell in told["cells"]] == [30, 30]
    assert {"cell", "n", "mean", "truth", "wanted", "attempted", "done", "failed", "stopped"} == set(told["cells"][0])


def test_failures_are_listed_and_replayed(write_study: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = write_study(methods=["simple_mean", "simple_picky"]), tmp_path / "out"
    assert sweep(config, "--out", out, "--quiet") == 0
    capsys.readouterr()
    assert sweep("replay", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(Results.open(out).failures()) and "ArithmeticError: below zero" in lines[1]
    assert sweep("replay", out, "--failure", 1) == 1
    replayed = capsys.readouterr()
    assert "simple_mean" in replayed.out and "simple_picky" not in replayed.out
    assert "SeedSequence(7, spawn_key=(" in replayed.err and 'raise ArithmeticError("below zero")' in replayed.err
    assert replayed.err.splitlines()[-1] == "see-in-pairs: error: simple_picky fails again: ArithmeticError: below zero"
    cell = Results.open(out).study.all_cells[1].hash
    good = Results.open(out).to_frame().query("cell == @cell and method == 'simple_picky'").iloc[0]
    assert sweep("replay", out, "--cell", cell[:5], "--replicate", good["replicate"]) == 0
    assert f"{good['estimate']:.6f}" in capsys.readouterr().out


def test_too_many_failures_are_a_failed_check(write_study: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_study(generate="simple_failing", fixed={"n": 8, "share": 1.0}, max_failures=3)
    assert "2 of 2 cells stopped by too many failures" in refused(capsys, config, "--out", tmp_path / "out", code=1)


def test_bad_words_are_one_line(write_study: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = write_study(), tmp_path / "out"
    assert "did you mean 'status'?" in refused(capsys, "staus", out)
    assert "no such config file" in refused(capsys, "nowhere.yaml", "--out", out)
    assert "--out" in refused(capsys, config)
    assert "loky, dask, ray" in refused(capsys, config, "--out", out, "--backend", "slurm")
    assert "--workers 0" in refused(capsys, config, "--out", out, "--workers", 0)
    assert "ask for 1 or more" in refused(capsys, config, "--out", out, "--replicates", 0)
    assert "unknown key 'blok'" in refused(capsys, config, "--out", out, "--set", "blok=3")
    assert "holds no sweep" in refused(capsys, "status", tmp_path)
    assert not out.exists() or not (out / "manifest.json").exists()
    assert sweep(config, "--out", out, "--quiet") == 0
    assert "this sweep has 0 failures" in refused(capsys, "replay", out, "--failure", 0)
    assert "--failure N, or by --cell" in refused(capsys, "replay", out, "--cell", "ab")
    assert "replicates 0 to 24" in refused(capsys, "replay", out, "--cell", Results.open(out).study.all_cells[0].hash, "--replicate", 25)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"grid": {"mean": [0], "rhoo": [1]}}, "unknown factor 'rhoo'"),
        ({"grid": {"mean": []}}, "grid is empty"),
        ({"generate": "simple_nothing", "methods": ["simple_mean"]}, "returned nothing"),
    ],
)
def test_bad_designs_are_one_line(
    write_study: Write, tmp_path: Path, changes: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in refused(capsys, write_study(**changes), "--out", tmp_path / "out")


def test_help_is_there_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["run"], ["status"], ["replay"]):
        assert sweep(*words, "--help") == 0
        assert "Usage: see-in-pairs sweep" in capsys.readouterr().out
