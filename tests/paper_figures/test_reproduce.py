"""The whole chain at toy size, and the plan behind it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from empirical.evaluation.records import read_records
from paper_figures.cli import app
from paper_figures.reproduce import load_reproduce_config, plan_comparisons, plan_runs
from see_in_pairs.console import run_app
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


def test_claims_that_need_runs_of_their_own_are_judged(smoke: Path) -> None:
    claims = {claim["id"]: claim["verdicts"]["phantom"] for claim in json.loads((smoke / "claims.json").read_text())}
    for claim in ("C4", "C6", "C8"):  # every strategy; what is inside the models
        assert claims[claim]["verdict"] != "not tested", claims[claim]["reason"]


def test_every_arm_scored_the_same_items(smoke: Path) -> None:
    table = read_records(smoke / "records").table
    items = table.groupby("run_id")["item_id"].apply(lambda ids: tuple(sorted(ids)))
    assert items.nunique() == 1 and len(items) == 12
    labels = table.groupby("item_id")["label"].nunique()
    assert (labels == 1).all()


def test_queries_are_the_same_pictures_at_every_rho(smoke: Path) -> None:
    near, far = (pd.read_parquet(smoke / "cohorts" / name / "cohort.parquet").set_index("item_id") for name in ("rho-0.90", "rho-0.50"))
    queries = near.index[near["split"] == "test"]
    assert (near.loc[queries, "sha256"] == far.loc[queries, "sha256"]).all()
    relatives = near.index[near["split"] == "reference"]
    assert (near.loc[relatives, "sha256"] != far.loc[relatives, "sha256"]).all()


def test_what_a_kill_has_lost_comes_back_the_same_and_nothing_else_is_made_again(smoke: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paper_figures.reproduce.run_in_processes", in_this_process)
    before = read_records(smoke / "records").table.drop(columns="score_seconds")
    for lost in ("models/duplicate", "evaluations/duplicate", "evaluations/pair-0.90-eval-random"):
        shutil.rmtree(smoke / lost)
    (report := smoke / "report" / "index.html").unlink()
    kept = {path: path.stat().st_mtime_ns for path in smoke.glob("models/*/model/*.safetensors")}
    assert run_app(app, ["reproduce", "--smoke", "--out", str(smoke), "--quiet"]) == 0
    pd.testing.assert_frame_equal(read_records(smoke / "records").table.drop(columns="score_seconds"), before, check_exact=True)
    assert report.is_file()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_every_figure_knows_where_it_came_from(smoke: Path) -> None:
    for figure in (smoke / "figures").glob("*.png"):
        assert run_app(app, ["verify", str(figure), "--quiet"]) == 0, figure.name


def test_the_plan_compares_only_what_is_run() -> None:
    config = load_reproduce_config(smoke=False)
    runs = {run.run_id for run in plan_runs(config.rhos, config.second_series.name)}
    for plan in plan_comparisons(config.rhos, config.second_series.name):
        assert {plan["run_a"], plan["run_b"]} <= runs
    primary = [plan["name"] for plan in plan_comparisons(config.rhos, config.second_series.name) if plan["family"] == "primary"]
    assert primary[0] == "pair-0.90 against single"
