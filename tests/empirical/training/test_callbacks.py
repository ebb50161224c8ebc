"""What a tracker is told can be read back, also after a kill; one that is not installed is named before anything is done."""

from __future__ import annotations

import importlib
import importlib.util
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from empirical.cohorts import Cohort
from empirical.training import trainer as trainer_module
from empirical.training.finetune import finetune
from see_in_pairs.console import run_app
from tests.helpers.configs import finetune_config

settings = finetune_config


def event_class() -> Any:
    for module in ("tensorboard.compat.proto.event_pb2", "tensorboardX.proto.event_pb2"):
        try:
            return importlib.import_module(module).Event
        except ImportError:
            continue
    return pytest.skip("neither tensorboard nor tensorboardX is installed (pip install 'see-in-pairs[trackers]')")


def events(folder: Path) -> Iterator[Any]:
    """Read the files in the order in which they were begun: records of a length, its checksum, the event, its checksum."""
    for file in sorted(folder.glob("events.out.tfevents.*")):
        content = file.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            yield event_class().FromString(content[12 : 12 + length])
            content = content[12 + length + 4 :]


def told(folder: Path, tag: str) -> dict[int, list[float]]:
    """Give what TensorBoard shows: the start of a session takes back what was told from its step on."""
    shown: dict[int, list[float]] = {}
    for event in events(folder):
        if event.session_log.status == 1:
            shown = {step: values for step, values in shown.items() if step < event.step}
        for value in event.summary.value:
            if value.tag == tag:
                shown.setdefault(event.step, []).append(value.simple_value)
    return shown


def check(run: Path) -> None:
    history = pd.read_csv(run / "history.csv")
    for column in ("loss", "learning_rate"):
        shown = told(run / "tensorboard", f"train/{column}")
        assert list(shown) == history["step"].tolist()
        expected = history[column].tolist()
        assert [value for (value,) in shown.values()] == pytest.approx(expected, rel=1e-6)  # once each; events hold float32


def test_tensorboard_is_told_every_step_and_keeps_it_when_the_checkpoints_go(phantom: Cohort, tmp_path: Path) -> None:
    event_class()
    finetune(settings(phantom, steps=3, report_to=["tensorboard"]), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run" / "checkpoints").exists()
    check(tmp_path / "run")


def test_a_resumed_run_shows_every_step_once(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event_class()
    config, plain, calls = settings(phantom, report_to=["tensorboard"]), trainer_module.token_log_probabilities, []

    def dying_in_the_sixth_step(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(trainer_module, "token_log_probabilities", dying_in_the_sixth_step)
    with pytest.raises(KeyboardInterrupt):
        finetune(config, tmp_path / "run", quiet=True)
    finetune(config, tmp_path / "run", quiet=True)
    assert len(calls) == 8  # it went on after step 4; step 5 had been told, though a writer may not have written it
    begun = [event.step for event in events(tmp_path / "run" / "tensorboard") if event.session_log.status == 1]
    assert begun == [1, 5] and len(list((tmp_path / "run" / "tensorboard").iterdir())) == 2
    check(tmp_path / "run")


@pytest.mark.parametrize("spec", [None, importlib.util.spec_from_loader("wandb", None)], ids=["nothing", "a folder of that name"])
@pytest.mark.parametrize("tracker", ["tensorboard", "wandb"])
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_done(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tracker: str, spec: Any
) -> None:
    from paper_figures.cli import app

    plain = importlib.util.find_spec
    absent = {"tensorboard", "tensorboardX", "wandb"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: spec if name in absent else plain(name, *rest))
    (tmp_path / "config.yaml").write_text(json.dumps(settings(phantom, report_to=[tracker]).model_dump(exclude_none=True)))
    assert run_app(app, ["finetune", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "run"), "--quiet"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith(f"report_to: {tracker} is not installed; 'pip install {tracker}', or leave it out")
    assert not (tmp_path / "run").exists()


WANDB = """
import json, os
from types import SimpleNamespace
run = None
def _tell(*words):
    with open(os.environ["TOLD"], "a") as stream:
        stream.write(json.dumps(words) + "\\n")
class _Run(SimpleNamespace):
    def _label(self, **_):
        pass
class Settings(dict):
    pass
def init(**options):
    global run
    assert run is None
    run = _Run(summary={}, id=options["id"])
    _tell("init", options)
def finish():
    global run
    _tell("finish", run.summary)
    run = None
def log(values, step):
    _tell("log", step, values)
class _Config(dict):
    def update(self, values, **_):
        pass
config = _Config()
termwarn = print
"""


@pytest.fixture
def wandb_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in for W&B, as far as it is used: what it is told is written down."""
    package = tmp_path / "site" / "wandb"
    for part, content in {"": WANDB, "sdk": "", "sdk/lib": "", "sdk/lib/config_util": "class ConfigError(Exception): pass"}.items():
        (package / part).mkdir(parents=True, exist_ok=True)
        (package / part / "__init__.py").write_text(content)
    monkeypatch.syspath_prepend(str(package.parent))
    for name in [name for name in sys.modules if name.partition(".")[0] == "wandb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    yield tmp_path / "told"
    for name in [name for name in sys.modules if name.partition(".")[0] == "wandb"]:
        del sys.modules[name]


def test_a_resumed_training_goes_on_in_its_wandb_run_and_another_begins_its_own(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wandb_told: Path
) -> None:
    config, plain, calls = settings(phantom, report_to=["wandb"]), trainer_module.token_log_probabilities, []

    def dying_in_the_sixth_step(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(trainer_module, "token_log_probabilities", dying_in_the_sixth_step)
    with pytest.raises(KeyboardInterrupt):
        finetune(config, tmp_path / "pair", quiet=True)
    finetune(config, tmp_path / "pair", quiet=True)
    finetune(settings(phantom, report_to=["wandb"], steps=1), tmp_path / "other", quiet=True)
    told = [json.loads(line) for line in wandb_told.read_text().splitlines()]
    begun = [words[1] for words in told if words[0] == "init"]
    assert [run["name"] for run in begun] == ["pair", "pair", "other"] and all(run["resume"] == "allow" for run in begun)
    assert begun[0]["id"] == begun[1]["id"] != begun[2]["id"] and begun[0]["dir"] == str(tmp_path / "pair")
    assert begun[0]["config"]["see_in_pairs"]["arm"]["arm"] == "pair" and begun[0]["settings"] == {"silent": True, "console": "off"}
    assert [words[0] for words in told if words[0] != "log"] == ["init", "finish", "init", "finish", "init", "finish"]
    logs = [words for words in told[: told.index(["init", begun[2]])] if words[0] == "log"]
    losses = {step: values["train/loss"] for _, step, values in logs if "train/loss" in values}
    history = pd.read_csv(tmp_path / "pair" / "history.csv")
    assert losses == dict(zip(history["step"], history["loss"], strict=True))
    assert "train_loss" in next(words[1] for words in reversed(told) if words[0] == "finish")
