"""Predicted beside observed gains: predictions against known truth, and what is undefined said so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paper_figures.results.estimates import auroc_difference, auroc_of, da_of
from paper_figures.results.predicted_gain import ABOVE_IDEAL, above_ideal, gain_table, scaled_gain
from paper_figures.results.runs import RunResults
from see_in_pairs.errors import InputError
from tests.paper_figures.conftest import TRAININGS, change_runs, rescored
from theory import PairedModel

D = 0.95  # separation of the simulated observers of the fixture


def test_predictions_cover_the_truth(finished: Path) -> None:
    table = gain_table(RunResults(finished)).set_index("run_id")
    assert list(table["rho"]) == [0.0, 0.5, 0.9]
    assert list(table.index) == ["pair-0.90-shown-random", "pair-0.90-shown-0.50", "pair-0.90"]
    for run_id, rho in (("pair-0.90-shown-0.50", 0.5), ("pair-0.90", 0.9)):
        row, model = table.loc[run_id], PairedModel(delta=D, rho=rho)
        assert row["ideal"] == pytest.approx(model.auc("optimal") - model.auc("single"), abs=1e-6)
        assert row["observed_low"] < row["ideal"] < row["observed_high"]  # the fixture's observers are ideal
        assert row["log_ratio_low"] < -np.log(1 - rho**2) < row["log_ratio_high"]
        assert row["excess_low"] < 0 < row["excess_high"]
        assert row["excess"] == pytest.approx(row["log_ratio"] - row["log_ratio_ideal"])
        assert row["log_ratio_ideal"] == pytest.approx(np.log1p((rho - row["leak"]) ** 2 / (1 - rho**2)))
    assert table.loc["pair-0.90-shown-random", "ideal"] == 0
    leak = table.loc["pair-0.90"]
    assert leak["leak_low"] < 0 < leak["leak_high"]  # A2 holds: the references alone tell nothing
    assert (table.loc[["pair-0.90-shown-random", "pair-0.90-shown-0.50"], "leak"] == 0).all()  # those were not shown alone


def test_scaled_gain_is_the_plug_in_gain_of_t10() -> None:
    assert scaled_gain(np.array([1.0]), 0.6)[0] == pytest.approx(0.05137, abs=5e-6)
    assert scaled_gain(np.array([1.0]), 0.3)[0] == pytest.approx(0.01048, abs=5e-6)


def test_the_leak_of_the_reference_alone_is_taken_off_the_prediction(out: Path) -> None:
    results = RunResults(out)
    positive = results.scores(results.runs[3]).positive
    without = RunResults(change_runs(out, lambda run: None if run["arm"] == "reference_only" else run))
    before = gain_table(without).set_index("run_id")
    assert (before["leak"] == 0).all()
    assert before.loc["pair-0.90", "log_ratio_ideal"] == pytest.approx(-np.log(1 - 0.81))
    alone = next(run for run in results.runs if run.arm == "reference_only")
    (out / "records" / "runs.json").write_text(json.dumps([vars(run) for run in (*without.runs, alone)]))
    noise = np.random.default_rng(8).standard_normal((TRAININGS, len(positive)))
    after = gain_table(RunResults(rescored(out, {alone.run_id: 0.5 * D * positive + noise}))).set_index("run_id")
    row = after.loc["pair-0.90"]
    assert 0 < row["leak_low"] < 0.5 < row["leak_high"] and row["leak_p"] < 0.05
    assert row["log_ratio_ideal"] == pytest.approx(np.log1p((0.9 - row["leak"]) ** 2 / (1 - 0.81)))
    assert row["excess"] == pytest.approx(row["log_ratio"] - row["log_ratio_ideal"])
    assert row["scaled"] < before.loc["pair-0.90", "scaled"] - 0.05
    assert after.loc["pair-0.90-shown-0.50", "scaled"] == before.loc["pair-0.90-shown-0.50", "scaled"]


def test_where_an_arm_does_not_separate_the_reason_is_a_gap(out: Path) -> None:
    positive = RunResults(out).scores(RunResults(out).runs[3]).positive
    noise = np.random.default_rng(0).standard_normal((TRAININGS, 240))
    table = gain_table(RunResults(rescored(out, {"single": -4.0 * positive + noise})))
    assert table[["log_ratio", "log_ratio_low", "log_ratio_high", "excess", "excess_p"]].isna().all(axis=None)
    assert np.isfinite(table["observed"]).all()


def test_the_gain_of_a_pair_is_that_over_the_single_image_with_its_interval(finished: Path) -> None:
    results = RunResults(finished)
    row = gain_table(results).set_index("run_id").loc["pair-0.90"]
    pair, single = (results.find(run_id=name) for name in ("pair-0.90", "single"))
    assert pair is not None and single is not None
    found = auroc_difference(*results.aligned([pair, single]))
    assert (row["observed"], row["observed_low"], row["observed_high"]) == (found.value, found.low, found.high)
    areas = [auroc_of(results.scores(run)).value for run in (pair, single)]
    assert row["log_ratio"] == pytest.approx(2 * np.log(da_of(areas[0]) / da_of(areas[1])))
    assert (row["trainings"], row["patients"], row["flag"]) == (3, 240, "")


def test_an_area_above_the_ideal_observers_is_flagged_and_one_that_may_be_by_chance_is_not(out: Path) -> None:
    results = RunResults(out)
    for run in results.runs:
        assert above_ideal(results, results.scores(run)) == ""
    positive = results.scores(results.runs[3]).positive
    noise = np.random.default_rng(0).standard_normal((TRAININGS, 240))
    for pair, single, flagged in ((4.0, 1.1, True), (2.3, 2.0, False)):
        again = RunResults(rescored(out, {"pair-0.90": pair * positive + noise, "single": single * positive + noise}))
        for name, expected in (("pair-0.90", flagged), ("single", not flagged)):
            run = again.find(run_id=name)
            assert run is not None and bool(above_ideal(again, again.scores(run))) == expected, (name, pair, single)
        assert ABOVE_IDEAL in set(gain_table(again)["flag"])
    assert "look for a leak" in ABOVE_IDEAL
    name = "pair-0.90-shown-reference-only"  # its bound is chance
    leaking = RunResults(rescored(out, {name: 0.6 * positive + noise}))
    run = leaking.find(run_id=name)
    assert run is not None and above_ideal(leaking, leaking.scores(run)) == ABOVE_IDEAL
    several = replace(leaking.scores(run), run=replace(run, arm="multi"))
    assert above_ideal(leaking, several) == ""  # no bound of several references is known


def test_runs_are_needed(out: Path) -> None:
    runs = json.loads((out / "records" / "runs.json").read_text())
    (out / "records" / "runs.json").write_text(json.dumps([run for run in runs if run["run_id"] != "single"]))
    with pytest.raises(InputError, match="no finetuned run of the arm single"):
        gain_table(RunResults(out))
