"""Packaged configs: found by name by the command that takes them, listed, copied, and valid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from empirical.analysis.crossed import CrossedConfig
from empirical.cohorts.phantom import PhantomConfig
from empirical.evaluation.config import EvaluateConfig
from empirical.pretraining.config import PretrainConfig
from empirical.pretraining.grid import GridConfig
from empirical.references import ReferenceConfig
from empirical.training.config import FinetuneConfig
from paper_figures.cli import app
from paper_figures.commands.configs import all_configs
from paper_figures.observers.config import ObserversConfig
from paper_figures.study import StudyConfig
from see_in_pairs.configs import load_config
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.packaged import find_config, packaged_config, packaged_paths
from theory.sweeps.packaged import FOLDER as SWEEPS
from theory.sweeps.study import Study

KINDS = {
    "finetune": FinetuneConfig, "evaluate": EvaluateConfig, "pretrain": PretrainConfig, "pretrain-grid": GridConfig,
    "analyse crossed": CrossedConfig, "cohort phantom": PhantomConfig, "cohort references": ReferenceConfig, "study": StudyConfig,
    "sweep": Study, "observers": ObserversConfig,
}  # fmt: skip
RESULTS = Path(__file__).parents[3] / "docs" / "results"


@pytest.mark.parametrize("name", sorted(all_configs()))
def test_every_packaged_config_names_its_command_and_is_one_that_the_command_takes(name: str) -> None:
    config = all_configs()[name]
    load_config(KINDS[config.command], config.path)
    assert config.summary.endswith((".", "?")) and len(config.summary) <= 110


def test_names_are_told_apart_over_all_commands() -> None:
    folders = {config.path.parent for config in all_configs().values()}
    assert len(folders) == 4 and sum(len(packaged_paths(folder)) for folder in folders) == len(all_configs())


def test_packaged_studies_are_those_whose_results_are_kept() -> None:
    def content(path: Path) -> dict[str, object]:
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    real, phantom = content(all_configs()["real-sets"].path), content(all_configs()["phantom"].path)
    assert real == content(RESULTS / "pocket-real" / "study.yaml")
    kept = content(RESULTS / "pocket-phantom" / "study.yaml")
    assert phantom.pop("restarts") == {"attempts": 3} and kept.pop("restarts") == {"above": 0.25, "attempts": 3}
    assert phantom == kept


def test_a_word_with_a_suffix_or_a_slash_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("gain", "gain.yaml", "own"):
        (tmp_path / name).write_text("name: mine\n")
    assert find_config("gain", SWEEPS, "sweep") == SWEEPS / "gain.yaml"
    for word in ("gain.yaml", "./gain", "own"):
        assert find_config(word, SWEEPS, "sweep") == Path(word)
    with pytest.raises(InputError, match=r"faulty.yaml: no such config file; did you mean 'faulty'\?"):
        find_config("faulty.yaml", SWEEPS, "sweep")
    with pytest.raises(InputError, match="is a config of 'see-in-pairs sweep', not of 'study'"):
        find_config("gain", SWEEPS, "study")


def test_list_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["configs", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} == set(all_configs())
    assert all(Path(row["path"]).is_file() and row["summary"] and row["command"] for row in rows)
    assert run_app(app, ["configs", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [row["name"] for row in rows]


def test_copy_writes_a_file_that_can_be_used_and_refuses_to_overwrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_app(app, ["configs", "copy", "pair-lora"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "pair-lora.yaml\n" and "give pair-lora.yaml to 'see-in-pairs finetune'" in captured.err
    source = all_configs()["pair-lora"].path.read_text()
    assert (tmp_path / "pair-lora.yaml").read_text() == source
    (tmp_path / "pair-lora.yaml").write_text("mine")
    assert run_app(app, ["configs", "copy", "pair-lora"]) == 2
    assert "--force" in capsys.readouterr().err and (tmp_path / "pair-lora.yaml").read_text() == "mine"
    assert run_app(app, ["configs", "copy", "pair-lora", "--force"]) == 0
    assert (tmp_path / "pair-lora.yaml").read_text() == source
    assert run_app(app, ["configs", "copy", "single-lora", "new/of me"]) == 0
    assert "give 'new/of me' to" in capsys.readouterr().err and (tmp_path / "new" / "of me").is_file()
    assert run_app(app, ["configs", "copy", "pair-lorra", "--quiet"]) == 2
    assert "did you mean 'pair-lora'?" in capsys.readouterr().err


def test_a_config_without_comments_has_neither_command_nor_summary(tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("a: 1\n")
    found = packaged_config(tmp_path / "bare.yaml")
    assert (found.command, found.summary) == ("", "")
