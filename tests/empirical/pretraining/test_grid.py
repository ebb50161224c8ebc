"""The grid of pretraining runs: what it writes, that it goes on, and what it refuses."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pydantic import ValidationError
from scipy import stats

from empirical.pretraining import grid as grids
from empirical.pretraining import pretrain as pretraining
from empirical.pretraining.evaluation import eval_conditions
from empirical.pretraining.grid import GridConfig, GridRun, cells, summarise
from paper_figures.cli import app
from see_in_pairs.console import run_app
from see_in_pairs.files import read_json
from tests.helpers.processes import in_this_process

TINY = {"vision_width": 32, "vision_layers": 1, "width": 32, "layers": 1, "heads": 2, "image_size": 32, "patch_size": 16}
BASE = {"kinds": {"new": 1}, "steps": 2, "batch_size": 2, "questions": 20, "examine_every": 2, "save_every": 2, "threads": 1}
GRID: dict[str, Any] = {"base": BASE, "models": {"tiny": TINY}, "learning_rates": [1e-3], "seeds": [0, 1]}
KEYS = ["model", "learning_rate", "kind", "test", "change", "measure"]


def run(folder: Path, out: Path, *options: str, **changes: object) -> int:
    """Run the command on a grid."""
    (folder / "grid.yaml").write_text(yaml.safe_dump(GRID | changes))
    return run_app(app, ["pretrain-grid", str(folder / "grid.yaml"), "--out", str(out), *options])


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished grid of two runs."""
    folder = tmp_path_factory.mktemp("grid")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grids, "run_in_processes", in_this_process)
        assert run(folder, folder / "out", "--quiet") == 0
    return folder / "out"


def test_every_run_is_in_the_table_and_the_summary_is_over_seeds(out: Path) -> None:
    table = pd.read_csv(out / "grid.csv", keep_default_na=False)
    asked = list(eval_conditions(("new",)))
    assert list(table["seed"]) == [0] * len(asked) + [1] * len(asked)
    assert list(zip(table["kind"], table["test"], table["change"], strict=True)) == [(s.kind, s.test, s.change) for s in asked] * 2
    assert (table["seconds"] >= 0).all()
    for seed in (0, 1):
        own = pd.read_csv(out / f"tiny-0.001-{seed}" / "examination.csv", keep_default_na=False)
        assert list(table.loc[table["seed"] == seed, "value"]) == list(own["value"])
        assert read_json(out / f"tiny-0.001-{seed}" / "manifest.json")["config"]["model"]["seed"] == seed
    summary = pd.read_csv(out / "summary.csv", keep_default_na=False)
    assert len(summary) == len(asked)
    assert (summary["seeds"] == 2).all()
    means = table.groupby(KEYS, sort=False)["value"].mean()
    assert list(summary["value"]) == pytest.approx(list(means))


def test_run_again_it_trains_nothing_and_leaves_the_same_tables(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(*_: object) -> None:
        raise AssertionError("a finished run was trained again")

    monkeypatch.setattr(grids, "run_in_processes", in_this_process)
    monkeypatch.setattr(pretraining, "_train", trained)
    before = {path: path.read_bytes() for path in out.glob("*.csv")}
    models = {path: path.stat().st_mtime_ns for path in out.glob("*/model/*")}
    assert len(before) == 2
    assert models
    assert run(tmp_path, out, "--quiet") == 0
    assert {path: path.read_bytes() for path in out.glob("*.csv")} == before
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/model/*")} == models


def test_only_what_is_missing_is_trained(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, trained = tmp_path / "out", []
    shutil.copytree(out, copy)
    shutil.rmtree(copy / "tiny-0.001-1" / "model")
    train = pretraining._train
    monkeypatch.setattr(pretraining, "_train", lambda config, *rest: (trained.append(config.seed), train(config, *rest)))
    monkeypatch.setattr(grids, "run_in_processes", in_this_process)
    assert run(tmp_path, copy, "--quiet") == 0
    assert trained == [1]
    assert (copy / "summary.csv").read_bytes() == (out / "summary.csv").read_bytes()


def test_another_grid_in_the_same_folder_is_one_line(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (out / "grid.csv").read_bytes()
    assert run(tmp_path, out, "--quiet", learning_rates=[2e-3]) == 2
    error = capsys.readouterr().err.strip()
    assert "another config (config.learning_rates: [0.001] there, [0.002] now)" in error
    assert "\n" not in error
    assert run(tmp_path, out, "--quiet", "--seed", "5") == 2
    assert "config.seeds: [0, 1] there, [5] now" in capsys.readouterr().err
    assert (out / "grid.csv").read_bytes() == before


def test_a_run_has_a_process_of_its_own_which_ends_in_the_same_table(out: Path, tmp_path: Path) -> None:
    """One seed in a new folder, through the processes that users get; alone it has no interval."""
    assert run(tmp_path, tmp_path / "one", "--quiet", "--seed", "1") == 0
    one, both = (pd.read_csv(folder / "grid.csv", keep_default_na=False).drop(columns="seconds") for folder in (tmp_path / "one", out))
    pd.testing.assert_frame_equal(one, both[both["seed"] == 1].reset_index(drop=True))
    summary = pd.read_csv(tmp_path / "one" / "summary.csv")
    assert (summary["seeds"] == 1).all()
    assert summary["value"].notna().all()
    assert summary[["low", "high"]].isna().all(axis=None)


def test_the_interval_over_seeds_is_that_of_t_by_hand() -> None:
    row = {"kind": "new", "test": "pictures", "change": "", "measure": "AUROC"}
    values = {1e-3: [0.6, 0.7, 0.8], 2e-3: [0.55]}
    rows = [row | {"model": "a", "learning_rate": rate, "value": value} for rate, found in values.items() for value in found]
    three, one = summarise(pd.DataFrame(rows)).to_dict("records")
    half = 4.302653 * 0.1 / math.sqrt(3)  # the 97.5 % point of t with 2 degrees of freedom, from a table; the deviation of .6, .7, .8 is .1
    assert (three["seeds"], three["learning_rate"]) == (3, 1e-3)
    assert [three["value"], three["low"], three["high"]] == pytest.approx([0.7, 0.7 - half, 0.7 + half], abs=1e-6)
    assert stats.ttest_1samp([0.6, 0.7, 0.8], three["low"]).pvalue == pytest.approx(0.05)
    assert one["seeds"] == 1
    assert one["value"] == 0.55
    assert math.isnan(one["low"]) and math.isnan(one["high"])


def test_cells_are_one_seed_of_everything_then_the_next_and_differ_in_what_they_name() -> None:
    grid = GridConfig.model_validate(GRID | {"models": {"a": TINY, "b": TINY | {"layers": 2}}, "learning_rates": [1e-3, 5e-4]})
    found = cells(grid)
    assert found[:4] == [GridRun("a", 1e-3, 0), GridRun("b", 1e-3, 0), GridRun("a", 5e-4, 0), GridRun("b", 5e-4, 0)]
    assert len({cell.folder for cell in found}) == len(found) == 8
    settings = found[-1].settings(grid)
    assert (settings.model.layers, settings.model.seed, settings.learning_rate, settings.seed) == (2, 1, 5e-4, 1)
    assert settings.steps == BASE["steps"]


def test_a_seed_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="name each once"):
        GridConfig.model_validate(GRID | {"seeds": [1, 1]})
