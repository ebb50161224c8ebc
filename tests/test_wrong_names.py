"""A wrong name at any level is one line that tells the likeliest name, with exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from empirical.prompts.templates import prompt_text
from empirical.vlm.hub import _not_found
from paper_figures.cli import app
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError, close_name, did_you_mean

OUT = ["--out", "out"]
WRONG = {
    "command": (["evalute", "x"], "evaluate"),
    "group": (["sweeps", "gain"], "sweep"),
    "subcommand": (["theory", "lst"], "list"),
    "subcommand of cohort": (["cohort", "phantm"], "phantom"),
    "option": (["finetune", "pair-lora", *OUT, "--sed", "3"], "--seed"),
    "option of a group's command": (["sweep", "gain", *OUT, "--replicate", "3"], "--replicates"),
    "choice": (["cohort", "import", "--kind", "nhi", "--root", ".", *OUT], "nih"),
    "statement": (["theory", "value", "T66", "error"], "T6"),
    "statement of show": (["theory", "show", "T111"], "T11"),
    "statement of verify": (["theory", "verify", "T77"], "T7"),
    "quantity": (["theory", "value", "T1", "eror"], "error"),
    "parameter": (["theory", "value", "T1", "error", "rhoo=0.5"], "rho"),
    "simulation study": (["sweep", "gian", *OUT], "gain"),
    "simulation study of run": (["sweep", "run", "gian", *OUT], "gain"),
    "key of a simulation study": (["sweep", "gain", *OUT, "--set", "replicate=3"], "replicates"),
    "method of a simulation study": (["sweep", "gain", *OUT, "--set", "methods=[same patient]"], "same patients"),
    "backend": (["sweep", "gain", *OUT, "--backend", "loki"], "loky"),
    "measure": (["sweep", "plan", "--measure", "coverag", "--mcse", "0.01"], "coverage"),
    "assumption": (["sweep", "plan", "--measure", "coverage", "--mcse", "0.01", "--assume", "shar=0.9"], "share"),
    "config": (["finetune", "pair-lara", *OUT], "pair-lora"),
    "config as a file": (["evaluate", "pair-test.yaml", *OUT], "pair-test"),
    "config of a training study": (["study", "fantom", *OUT], "phantom"),
    "config to copy": (["configs", "copy", "pocket_grid"], "pocket-grid"),
    "config of a phantom": (["cohort", "phantom", "default", *OUT], "default-phantom"),
    "key of a config": (["finetune", "pair-lora", *OUT, "--set", "step=3"], "steps"),
    "arm": (["finetune", "pair-lora", *OUT, "--set", "arm.arm=pairs"], "pair"),
    "strategy": (["finetune", "pair-lora", *OUT, "--set", "arm.references.strategy=demografic"], "demographic"),
    "model": (["doctor", "--model", "./pockett"], "pocket"),
    "figure": (["figures", "--only", "phase_diagramm"], "phase_diagram"),
}


@pytest.mark.parametrize("place", WRONG)
def test_a_wrong_name_is_told_the_likeliest(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words, meant = WRONG[place]
    assert run_app(app, words) == 2
    error = capsys.readouterr().err
    assert [line for line in error.splitlines() if "error: " in line] == error.splitlines()[-1:]  # the last line, and no other
    assert f"did you mean '{meant}'?" in error
    assert not (tmp_path / "out").exists()


def test_a_prompt_that_is_not_there() -> None:
    with pytest.raises(InputError, match="did you mean 'pair_mark'"):
        prompt_text("pear_mark")


def test_a_model_that_the_hub_does_not_know_either() -> None:
    assert "did you mean 'pocket-random'?" in str(_not_found("pocket-rando", OSError("offline")))


def test_case_and_underscores_do_not_matter_and_nothing_is_guessed_from_afar() -> None:
    assert close_name("T1B", ["T1", "T1b", "T2"]) == "T1b"
    assert close_name("site-shift", ["gain", "site_shift"]) == "site_shift"
    assert did_you_mean("volcano", ["gain", "faulty"]) == "" and did_you_mean("", []) == ""
