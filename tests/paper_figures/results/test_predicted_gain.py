"""Predicted beside observed gains: predictions against known truth, and what is undefined said so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical.evaluation.records import Records, read_records, write_records
from paper_figures.results.patient_bootstrap import PatientBootstrap
from paper_figures.results.predicted_gain import gain_table, log_separation_ratio, scaled_gain
from paper_figures.results.runs import Run, RunResults, RunScores
from see_in_pairs.errors import InputError
from tests.paper_figures.conftest import record_rows
from theory import PairedModel

D = 0.95  # separation of the simulated observers of the fixture


def test_predictions_cover_the_truth(finished: Path) -> None:
    table = gain_table(RunResults(finished)).set_index("run_id")
    assert list(table["rho"]) == [0.0, 0.5, 0.9]
    for run_id, rho in (("pair-0.50", 0.5), ("pair-0.90", 0.9)):
        row, model = table.loc[run_id], PairedModel(delta=D, rho=rho)
        assert row["ideal"] == pytest.approx(model.auc("optimal") - model.auc("single"), abs=1e-6)
        assert row["observed_low"] < row["ideal"] < row["observed_high"]  # the fixture's observers are ideal
        assert row["log_ratio_low"] < -np.log(1 - rho**2) < row["log_ratio_high"]
        assert row["excess_low"] < 0 < row["excess_high"]
        assert row["excess"] == pytest.approx(row["log_ratio"] + np.log(1 - rho**2))
    assert table.loc["pair-random", "ideal"] == 0


def test_scaled_gain_is_the_plug_in_gain_of_t10() -> None:
    assert scaled_gain(np.array([1.0]), 0.6)[0] == pytest.approx(0.05137, abs=5e-6)
    assert scaled_gain(np.array([1.0]), 0.3)[0] == pytest.approx(0.01048, abs=5e-6)


def test_the_leak_of_the_reference_alone_is_taken_off_the_prediction(out: Path) -> None:
    records, runs = read_records(out / "records" / "records.parquet"), json.loads((out / "records" / "runs.json").read_text())
    items = records.table[records.table["run_id"] == "single"]
    positive = items["label"].isin(records.positive).to_numpy()
    alone = {**next(run for run in runs if run["run_id"] == "pair-0.90"), "run_id": "alone-0.90", "arm": "reference_only"}
    rows = record_rows(alone, items, 0.5 * D * positive + np.random.default_rng(8).standard_normal(len(items)))
    table = pd.concat([records.table, rows], ignore_index=True)
    write_records(out / "records" / "records.parquet", Records(table, records.positive, records.healthy))
    before = gain_table(RunResults(out)).set_index("run_id")
    assert (before["leak"] == 0).all()  # the run is not listed yet
    (out / "records" / "runs.json").write_text(json.dumps([*runs, alone]))
    after = gain_table(RunResults(out)).set_index("run_id")
    row = after.loc["pair-0.90"]
    assert row["leak_low"] < 0.5 < row["leak_high"]
    assert row["log_ratio_ideal"] == pytest.approx(np.log1p((0.9 - row["leak"]) ** 2 / (1 - 0.81)))
    assert row["excess"] == pytest.approx(row["log_ratio"] - row["log_ratio_ideal"])
    assert row["scaled"] < before.loc["pair-0.90", "scaled"] - 0.05
    assert after.loc["pair-0.50", "scaled"] == before.loc["pair-0.50", "scaled"]


def test_log_ratio_where_an_arm_does_not_separate() -> None:
    ratio = log_separation_ratio(np.array([2.0, 1.0, -1.0]), np.array([1.0, -1.0, -1.0]))
    assert ratio[0] == pytest.approx(np.log(4))
    assert ratio[1] == np.inf
    assert np.isnan(ratio[2])


def scores(positive: np.ndarray, logit: np.ndarray, patients: np.ndarray) -> RunScores:
    names = np.array([f"i{n}" for n in range(len(positive))])
    return RunScores(Run("r", "single", ""), names, patients.astype(str), positive, logit)


def test_interval_widens_when_items_share_patients() -> None:
    rng = np.random.default_rng(5)
    patients, effect = np.repeat(np.arange(60), 6), np.repeat(rng.standard_normal(60), 6)
    positive = np.repeat(np.arange(60) % 2 == 0, 6)
    item = scores(positive, positive + 2 * effect + 0.3 * rng.standard_normal(360), patients)
    alone = scores(positive, item.logit, np.arange(360))
    widths = []
    for one in (item, alone):
        bootstrap = PatientBootstrap(one, resamples=500, seed=1)
        found = bootstrap.estimate(bootstrap.auroc(one), "AUROC", "")
        widths.append(found.high - found.low)
    assert widths[0] > 1.8 * widths[1]  # six near copies of each patient: sqrt(6) = 2.4 times as wide


def test_separation_is_brute_force() -> None:
    rng = np.random.default_rng(2)
    positive = rng.random(50) < 0.4
    one = scores(positive, rng.standard_normal(50) + positive, np.arange(50))
    bootstrap = PatientBootstrap(one, resamples=20, seed=0)
    for weights, value in zip(bootstrap.weights, bootstrap.separation(one), strict=True):
        drawn = np.repeat(np.arange(50)[np.unique(one.patients, return_inverse=True)[1].argsort()], weights.astype(int))
        x1, x0 = one.logit[drawn][positive[drawn]], one.logit[drawn][~positive[drawn]]
        pooled = ((x1 - x1.mean()) ** 2).sum() + ((x0 - x0.mean()) ** 2).sum()
        assert value == pytest.approx((x1.mean() - x0.mean()) / np.sqrt(pooled / (len(drawn) - 2)))


def test_unscored_items_count_as_wrong_and_leave_no_separation() -> None:
    positive = np.array([True, True, False, False])
    one = scores(positive, np.array([np.nan, 2.0, 0.0, 1.0]), np.arange(4))
    bootstrap = PatientBootstrap(one, resamples=10)
    assert bootstrap.auroc(one)[0] == 0.5  # the lost positive item loses both of its comparisons
    assert "undefined" in bootstrap.estimate(bootstrap.separation(one), "d'", "the separation").reason


def test_one_class_or_one_patient_is_refused() -> None:
    for positive, patients in ((np.ones(4, bool), np.arange(4)), (np.array([True, False]), np.zeros(2))):
        with pytest.raises(InputError, match="both classes and more than one patient"):
            PatientBootstrap(scores(positive, np.zeros(len(positive)), patients))


def test_runs_are_needed(out: Path) -> None:
    runs = json.loads((out / "records" / "runs.json").read_text())
    (out / "records" / "runs.json").write_text(json.dumps([run for run in runs if run["run_id"] != "single"]))
    with pytest.raises(InputError, match="no finetuned run of the arm single"):
        gain_table(RunResults(out))
