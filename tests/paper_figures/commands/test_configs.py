"""Packaged configs: found by name by the command that takes them, listed, copied, and valid."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from empirical.analysis.crossed import CrossedConfig
from empirical.cohorts.insertion import InsertConfig
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
from paper_figures.study.design import design_points
from paper_figures.study.parts import part_of_blocks
from see_in_pairs.configs import load_config
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.packaged import find_config, packaged_config, packaged_paths
from tests.helpers.processes import in_this_process
from theory.sweeps.packaged import FOLDER as SWEEPS
from theory.sweeps.study import Study

KINDS = {
    "finetune": FinetuneConfig, "evaluate": EvaluateConfig, "pretrain": PretrainConfig, "pretrain-grid": GridConfig,
    "analyse crossed": CrossedConfig, "cohort phantom": PhantomConfig, "cohort references": ReferenceConfig, "study": StudyConfig,
    "sweep": Study, "observers": ObserversConfig, "cohort insert": InsertConfig,
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

    kept = {"real-sets": "pocket-real", "phantom": "pocket-few-patients", "phantom-off-the-shelf": "pocket-off-the-shelf"}
    for name, folder in kept.items():
        assert content(all_configs()[name].path) == content(RESULTS / folder / "study.yaml"), name


def test_the_parts_of_the_phantom_study_fit_into_75_minutes_of_two_cores() -> None:
    """At 80 s a training of one image and 140 s of two: a slow core."""
    config = load_config(StudyConfig, all_configs()["phantom"].path)
    seconds: Counter[str] = Counter()
    for number, part in enumerate(part_of_blocks(config)):
        for point in design_points(config, number):
            seconds[part] += 10 if point.n_train == 0 else 80 if config.arms[point.arm].arm == "single" else 140
    assert len(seconds) == 13 and max(seconds.values()) / 2 < 75 * 60, seconds
    assert {len(block.seeds) for block in config.blocks if block.n_train != [0]} == {5}
    sizes: dict[str, set[int | str]] = {}
    for block in config.blocks:
        for arm in block.arms or ():
            sizes.setdefault(arm, set()).update(block.n_train)
    few = {25, 50, 100, 200, 500}
    assert sizes["single"] == sizes["pair"] == few | {0, 1000, 2000}
    assert all(few <= sizes[arm] for arm in ("duplicate", "blank", "reference-only", "random", "copies", "single-healthy"))
    rhos = {source.phantom.rho for source in config.cohorts.values() if source.phantom is not None}
    assert rhos == {0, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95}


def test_the_parts_of_the_bridge_fit_too_even_if_every_arm_of_the_reference_alone_stays_on_the_plateau() -> None:
    config = load_config(StudyConfig, all_configs()["bridge"].path)
    assert config.restarts is not None
    seconds: Counter[str] = Counter()
    for number, part in enumerate(part_of_blocks(config)):
        for point in design_points(config, number):
            attempts = config.restarts.attempts if config.arms[point.arm].arm == "reference_only" else 1
            seconds[part] += 80 if config.arms[point.arm].arm == "single" else 140 * attempts
    assert set(seconds) == {f"{field}{more}" for field in config.cohorts for more in ("", "-more")}
    assert max(seconds.values()) / 2 < 75 * 60, seconds
    asked = {(cohort, arm) for block in config.blocks for cohort in block.cohorts or () for arm in block.arms or ()}
    pairs = {arm for arm, one in config.arms.items() if one.arm in ("pair", "duplicate")}
    assert pairs | {"single"} == {a for a, _ in config.comparisons} | {b for _, b in config.comparisons}
    assert {arm for _, arm in asked} == set(config.arms)
    assert all({(cohort, arm) for arm in ("single", "duplicate", "made", "random")} <= asked for cohort in config.cohorts)
    assert {tuple(block.seeds) for block in config.blocks} == {(0, 1, 2, 3, 4)}


def test_a_part_of_the_phantom_study_runs_at_toy_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paper_figures.study.run.run_in_processes", in_this_process)
    config = yaml.safe_load(all_configs()["phantom"].path.read_text(encoding="utf-8"))
    for source in config["cohorts"].values():
        source["phantom"] |= {"n_train": 8, "n_test": 8}
    config["training"] |= {"steps": 1, "batch_size": 4}
    config |= {"model": {"name": "pocket-random"}, "restarts": None}
    for block in config["blocks"]:
        block |= {"n_train": [4 if block["n_train"] != [0] else 0], "seeds": [0]}
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    for part in ("controls-few", "curve", "curve-500", "curve-blank", "curve-reference-only"):
        assert run_app(app, ["study", str(file), "--part", part, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    areas = pd.read_csv(tmp_path / "out" / "study.csv")
    arms = ["single", "pair", "random", "duplicate", "blank", "reference-only", "copies", "single-healthy"]
    assert areas["arm"].tolist() == arms and set(areas["n_train"]) == {4}
    gains = pd.read_csv(tmp_path / "out" / "comparisons.csv")
    assert {("pair", "single-healthy"), ("pair", "random"), ("pair", "copies")} <= set(zip(gains["a"], gains["b"], strict=True))


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


def test_wordings_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["configs", "wordings", "--quiet"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == 75 and listed[0].split() == ["chest/plain-1", "plain", "pair,", "question_only,", "reversed,", "single"]
    assert run_app(app, ["configs", "wordings", "skin/clinical-2", "--json", "-"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["kind"] == "clinical" and "{reference}" in one["texts"]["pair"]
    assert run_app(app, ["configs", "wordings", "skin/clinic"]) == 2
    assert "skin has no 'clinic'" in capsys.readouterr().err
