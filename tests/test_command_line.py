"""The command line as a user meets it: help everywhere, and one line with exit code 2 for every bad input."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from paper_figures.cli import app
from see_in_pairs.console import run_app

COMMANDS = [
    "reproduce", "finetune", "evaluate", "doctor", "pretrain", "pretrain-grid", "study", "compare", "claims", "figures", "report",
    "methods", "verify",
    "theory list", "theory verify", "theory value", "sweep run",
    "cohort phantom", "cohort import", "cohort audit", "cohort show", "cohort references",
]  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "cohort"
    sizes = ["--set", "n_train=8", "--set", "n_val=0", "--set", "n_test=6"]
    assert run_app(app, ["cohort", "phantom", "--out", str(folder), "--quiet", *sizes]) == 0
    return folder


def test_a_new_cohort_is_counted_and_its_audit_is_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--set", "n_train=8", "--set", "n_val=0", "--set", "n_test=6"]
    assert run_app(app, ["cohort", "phantom", "--out", str(tmp_path / "my cohort"), *sizes]) == 0
    assert next_command(capsys, expected="healthy") == ["cohort", "audit", str(tmp_path / "my cohort")]


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail, and give its one line."""
    capsys.readouterr()
    assert run_app(app, words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(lines) == 1, lines
    assert "Traceback" not in lines[0]
    return lines[0]


def next_command(capsys: pytest.CaptureFixture[str], expected: str = "") -> list[str]:
    """Give the words of the command that the last one told to type next; what it told before holds a word."""
    error = capsys.readouterr().err
    line = error.splitlines()[-1]
    assert line.startswith("next: see-in-pairs ") and expected in error
    return shlex.split(line)[2:]


def config(folder: Path, **content: object) -> str:
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(content))
    return str(file)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_a_seed_and_quiet(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, [*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage: see-in-pairs" in text
    assert command in ("theory list", "theory value") or ("--seed" in text and "--quiet" in text)


def test_help_and_closed_forms_start_fast_and_without_torch() -> None:
    heavy = ("torch", "transformers", "pandas", "sympy", "scipy.stats", "matplotlib")
    script = f"import sys; from paper_figures.cli import app; print([name for name in {heavy} if name in sys.modules])"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.perf_counter() - began < 30  # a hang, not a benchmark


def test_finetune_and_evaluate_from_the_command_line(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = {"arm": "pair", "references": {"strategy": "demographic", "columns": ["family"], "caliper": {}}}
    training = config(tmp_path, cohort=str(cohort), arm=pair, method="full", steps=1, batch_size=2)
    out = tmp_path / "a run"
    assert run_app(app, ["finetune", training, "--out", str(out), "--seed", "3"]) == 0
    model = str(out / "model")
    following = next_command(capsys)
    assert following[:2] == ["evaluate", "pair-test"] and f"model.name={model}" in following and following[-1] == f"{out}-test"
    assert run_app(app, [*following, "--quiet"]) == 0
    scoring = config(tmp_path, cohort=str(cohort), arms=[{"arm": "single"}, pair])
    capsys.readouterr()
    assert run_app(app, ["evaluate", scoring, "--out", str(tmp_path / "eval"), "--set", f"model.name={model}"]) == 0
    following = next_command(capsys, expected="AUROC")
    assert following == ["compare", str(tmp_path / "eval"), "--arm", "single", "--arm", "pair"]
    assert run_app(app, following) == 0
    assert "--out DIR" in capsys.readouterr().err
    assert run_app(app, [*following, "--out", str(tmp_path / "compared")]) == 0
    assert run_app(app, next_command(capsys)) == 0
    records = str(tmp_path / "eval" / "records.parquet")
    capsys.readouterr()
    assert run_app(app, ["compare", records, records, "--arm-a", "pair", "--arm-b", "single", "--json", "--quiet"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["items"] == 6 and content["arms"] == ["pair", "single"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["seed"] == 3 and manifest["finished"] is not None


@pytest.mark.parametrize("command", ["finetune", "evaluate"])
def test_bad_configs_are_one_line(command: str, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out")]
    arm = {"arm": {"arm": "single"}} if command == "finetune" else {"arms": [{"arm": "single"}]}
    assert "no such config" in refused([command, str(tmp_path / "none.yaml"), *out], capsys)
    assert "unknown key 'epochs'" in refused([command, config(tmp_path, cohort="x", epochs=3, **arm), *out], capsys)
    assert "is not a cohort" in refused([command, config(tmp_path, cohort=str(tmp_path / "none"), **arm), *out], capsys)
    assert "no such folder" in refused([command, config(tmp_path, cohort=str(cohort), model={"name": "./none"}, **arm), *out], capsys)
    assert "write key=value" in refused([command, config(tmp_path, cohort=str(cohort), **arm), *out, "--set", "steps"], capsys)


@pytest.mark.parametrize("command", ["finetune", "evaluate"])
@pytest.mark.parametrize("kept", ["nothing", "healthy", "one patient"])
def test_cohorts_that_cannot_answer_are_one_line(
    command: str, kept: str, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_parquet(cohort / "cohort.parquet")
    if kept == "nothing":
        table = table.iloc[:0]
    elif kept == "healthy":
        table = table[table["label"] == "healthy"]
    else:
        table["patient_id"] = table["patient_id"].where(table["split"] == "reference", "somebody")
    poor = tmp_path / "poor"
    poor.mkdir()
    table.to_parquet(poor / "cohort.parquet")
    facts = json.loads((cohort / "cohort.json").read_text()) | {"image_root": str(cohort)}
    (poor / "cohort.json").write_text(json.dumps(facts))
    arm = {"arm": {"arm": "single"}} if command == "finetune" else {"arms": [{"arm": "single"}]}
    message = refused([command, config(tmp_path, cohort=str(poor), **arm), "--out", str(tmp_path / "out")], capsys)
    assert {"nothing": "empty", "healthy": "both classes", "one patient": "one patient"}[kept] in message


def test_a_broken_image_and_a_missing_one_are_one_line(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(cohort, broken)
    victim = sorted((broken / "images").glob("test-*0.png"))[0]
    scoring = config(tmp_path, cohort=str(broken), arms=[{"arm": "single"}])
    victim.write_bytes(victim.read_bytes()[:60])
    for out in ("a", "b"):
        code = run_app(app, ["evaluate", scoring, "--out", str(tmp_path / out), "--quiet"])
        error = capsys.readouterr().err.strip()
        assert code in (1, 2) and victim.stem in error and "\n" not in error  # the audit (exit 1) or the reader (exit 2) names it
        victim.unlink(missing_ok=True)


def test_an_output_folder_of_another_config_is_one_line(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scoring = config(tmp_path, cohort=str(cohort), arms=[{"arm": "single"}])
    assert run_app(app, ["evaluate", scoring, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    message = refused(["evaluate", scoring, "--out", str(tmp_path / "out"), "--set", "batch_size=3"], capsys)
    assert "config.batch_size: 16 there, 3 now" in message
    assert "holds the run of another config" in refused(["reproduce", "--smoke", "--out", str(tmp_path / "out")], capsys)


def test_outputs_that_are_not_there_name_the_command_that_makes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("claims", "figures", "report"):
        assert "reproduce" in refused([command, "--out", str(tmp_path / "none")], capsys)
    assert "none.png" in refused(["verify", str(tmp_path / "none.png")], capsys)
    assert "none" in refused(["compare", str(tmp_path / "none"), str(tmp_path / "none")], capsys)
    assert "none" in refused(["doctor", "--model", "./none"], capsys)
    assert "none" in refused(["cohort", "audit", str(tmp_path / "none")], capsys)
