"""The whole chain at toy size, and the plan behind it."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from empirical.evaluation.records import read_records
from paper_figures.cli import app
from paper_figures.reproduce import ReproduceConfig, _Chain, _run_and_analyse, load_reproduce_config, plan_comparisons, plan_runs
from paper_figures.study.restarts import Attempt
from see_in_pairs.configs import parse_config
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from tests.helpers.processes import in_this_process

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reproduce") / "out"
    assert run_app(app, ["reproduce", "--smoke", "--out", str(out), "--quiet"]) == 0
    return out


def test_everything_promised_is_there(smoke: Path) -> None:
    for name in (
        "claims.json",
        "manifest.json",
        "report/index.html",
        "trainings.csv",
        "records/records.parquet",
        "tests/comparisons.json",
        "theory/verify.parquet",
    ):
        assert (smoke / name).is_file(), name
    figures = {path.stem for path in (smoke / "figures").glob("*.png")}
    assert {"when_comparison_helps", "phantom_pairs", "auroc_by_arm", "predicted_gain"} <= figures
    for stem in figures:
        assert (smoke / "figures" / f"{stem}.pdf").is_file() and (smoke / "figures" / f"{stem}.csv").is_file()
    manifest = json.loads((smoke / "manifest.json").read_text())
    assert manifest["finished"] is not None and manifest["counts"] == {"not_scored": 0}


def test_every_arm_scored_the_same_items(smoke: Path) -> None:
    table = read_records(smoke / "records").table
    items = table.groupby("run_id")["item_id"].apply(lambda ids: tuple(sorted(ids)))
    assert items.nunique() == 1 and len(items) == 15
    labels = table.groupby("item_id")["label"].nunique()
    assert (labels == 1).all()


def test_queries_are_the_same_pictures_at_every_rho(smoke: Path) -> None:
    near, far = (pd.read_parquet(smoke / "cohorts" / name / "cohort.parquet").set_index("item_id") for name in ("rho-0.90", "rho-0.50"))
    queries = near.index[near["split"] == "test"]
    assert (near.loc[queries, "sha256"] == far.loc[queries, "sha256"]).all()
    relatives = far.index[far["split"] == "reference"]  # the second cohort holds test patients only: nothing is trained on it
    assert (near.loc[relatives, "sha256"] != far.loc[relatives, "sha256"]).all()


def test_what_a_kill_has_lost_comes_back_the_same_and_nothing_else_is_made_again(smoke: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paper_figures.reproduce.run_in_processes", in_this_process)
    before = read_records(smoke / "records").table.drop(columns="score_seconds")
    for lost in ("models/duplicate", "evaluations/duplicate", "evaluations/pair-0.90-shown-0.50"):
        shutil.rmtree(smoke / lost)
    (report := smoke / "report" / "index.html").unlink()
    kept = {path: path.stat().st_mtime_ns for path in smoke.glob("models/*/seed0/model/*.safetensors")}
    assert run_app(app, ["reproduce", "--smoke", "--out", str(smoke), "--quiet"]) == 0
    pd.testing.assert_frame_equal(read_records(smoke / "records").table.drop(columns="score_seconds"), before, check_exact=True)
    assert report.is_file()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_every_figure_knows_where_it_came_from(smoke: Path) -> None:
    for figure in (smoke / "figures").glob("*.png"):
        assert run_app(app, ["verify", str(figure), "--quiet"]) == 0, figure.name


def test_runs_say_which_trainings_they_are_of_and_where_the_models_and_their_analyses_lie(smoke: Path) -> None:
    table, runs = read_records(smoke / "records").table, json.loads((smoke / "records" / "runs.json").read_text())
    for run in runs:
        rows = table[table["run_id"] == run["run_id"]]
        assert sorted(rows["train_seed"].dropna().unique()) == run["train_seeds"] == ([] if run["train_arm"] == "" else [0])
        assert all((smoke / run["model"] / f"seed{seed}" / "model" / "training.json").is_file() for seed in run["train_seeds"])
        own = run["run_id"] == Path(run["model"]).name
        for seed, kind in product(run["train_seeds"], ("alignment", "attribution")):
            assert (smoke / "analysis" / f"{kind}-{run['run_id']}-seed{seed}").is_dir() == own
    assert sum(run["run_id"] == Path(run["model"]).name for run in runs) == 3
    trained = pd.read_csv(smoke / "trainings.csv")
    assert trained["arm"].tolist() == ["pair-0.90", "single", "duplicate"] and trained["counts"].all()


def _chain(out: Path, seed: int) -> _Chain:
    config = load_reproduce_config(smoke=False)
    return _Chain(config, out, plan_runs(config.rhos, config.second_series.name, config.shown), seed, 2, True)


def test_every_seed_trains_each_arm_three_times_on_samples_and_seeds_of_its_own(tmp_path: Path) -> None:
    seeds = [[cell.finetuning.seed for cell in _chain(tmp_path, seed)._cells() if cell.finetuning] for seed in range(3)]
    assert [sorted(set(found)) for found in seeds] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]] and all(len(found) == 9 for found in seeds)
    config = load_reproduce_config(smoke=False)
    assert config.phantom["n_train"] >= 2 * config.training["n_train"]  # else the samples would be nearly the same


def test_all_models_are_scored_with_one_evaluation_seed_and_the_same_references(tmp_path: Path) -> None:
    evaluations = [config for cell in _chain(tmp_path, 1)._cells() for config in cell.evaluations.values()]
    assert {config.seed for config in evaluations} == {1} and len(evaluations) == 1 + 3 * (1 + 1 + 3)  # a model and a cohort each
    embedding = [arm.references.model for config in evaluations for arm in config.arms if arm.strategy == "embedding"]
    assert len(embedding) == 3 and all(model is not None and model.name == "pocket" for model in embedding)  # not each its own tower


def test_a_training_that_is_begun_again_lies_under_its_own_seed(tmp_path: Path) -> None:
    (cell,) = [cell for cell in _chain(tmp_path, 0)._cells() if cell.name == "single, seed 1"]
    again = Attempt(cell.training, 1)
    (evaluation,) = cell.evaluations
    seed = again.seed(1)
    assert again.training == tmp_path / "models" / "single" / f"seed{seed}" and seed not in (0, 1, 2)
    assert again.beside(evaluation) == tmp_path / "evaluations" / "single" / f"seed{seed}"


def test_the_plan_compares_only_what_is_run() -> None:
    config = load_reproduce_config(smoke=False)
    runs = {run.run_id for run in plan_runs(config.rhos, config.second_series.name, config.shown)}
    plans = plan_comparisons(config.rhos, config.second_series.name, config.shown)
    for plan in plans:
        assert {plan["run_a"], plan["run_b"]} <= runs
    primary = [plan["name"] for plan in plans if plan["family"] == "primary"]
    assert primary == ["pair-0.90 against single", "pair-0.90 against duplicate"]
    compared = {plan[side] for plan in plans for side in ("run_a", "run_b")}
    assert compared == runs  # nothing is scored in vain


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shown": ["blank", "blank"]}, "shown: .*blank, blank: name each once"),
        ({"rhos": [0.9, 0.904]}, "rhos: .*0.90, 0.90: name each once"),
        ({"shown": ["banana"]}, "shown.0: .*'duplicate'"),
        ({"train_seeds": 0}, "train_seeds: "),
        ({"analysis": {"saliency": {}}}, "'alignment' or 'attribution'"),
    ],
)
def test_what_the_chain_cannot_do_is_refused_in_one_line(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_config(ReproduceConfig, load_reproduce_config(smoke=False).model_dump() | changes, source="changed")
    assert len(str(caught.value).splitlines()) == 1


def test_only_the_analyses_that_are_named_are_done(smoke: Path, tmp_path: Path) -> None:
    config = load_reproduce_config(smoke=True)
    runs = plan_runs(config.rhos, config.second_series.name, config.shown)
    (cell,) = [one for one in _Chain(config, smoke, runs, 0, 1, True)._cells() if one.name == "pair-0.90, seed 0"]
    _run_and_analyse({"alignment": {"items": 24}}, tmp_path, cell)
    assert [folder.name for folder in tmp_path.iterdir()] == ["alignment-pair-0.90-seed0"]
