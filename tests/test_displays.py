"""Results print what a person reads, show as a table in a notebook with every text escaped, and turn into a DataFrame."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import empirical
import paper_figures
import theory
from empirical.vlm.doctor import Check, Diagnosis
from see_in_pairs.display import MOST_ROWS, html_table
from see_in_pairs.errors import InputError
from theory.sweeps import Study, run

RNG = np.random.default_rng(3)
LABELS = np.arange(80) % 2
PATIENTS = np.arange(80) // 2
PAIR, SINGLE = RNG.normal(size=(2, 80)) + np.array([[1.6], [1.0]]) * LABELS


def throw(*, rng: np.random.Generator, p: float) -> Any:
    return rng.random(20) < p


def mean(data: Any) -> dict[str, float]:
    return {"estimate": float(data.mean())}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> empirical.Cohort:
    config = empirical.PhantomConfig(size=40, n_train=4, n_val=0, n_test=6)
    return empirical.make_phantom(config, tmp_path_factory.mktemp("phantom") / "cohort", seed=0)


def test_a_statement_shows_its_title_and_quantities() -> None:
    shown = theory.statement("T1")
    assert repr(shown).splitlines()[0] == f"T1 {shown.title}"
    assert "\n  error(d, rho" in repr(shown)
    assert shown.to_frame()["quantity"].tolist() == [one.name for one in shown.quantities]
    assert shown.quantity("error").signature in repr(shown)
    hostile = dataclasses.replace(shown, title="<script>x</script>")
    assert "<script>" not in hostile._repr_html_() and "&lt;script&gt;" in hostile._repr_html_()


def test_a_simulation_study_and_its_results_are_one_line(tmp_path: Path) -> None:
    study = Study(name="coins", generate=throw, methods=[mean], estimand=0.5, grid={"p": [0.5, 0.6]}, replicates=4, block=2)
    assert repr(study) == str(study) == "Study 'coins': 2 cells from p (2); methods mean; 4 replicates each in blocks of 2"
    one = Study(name="coins", generate=throw, methods=[mean], estimand=0.5, fixed={"p": 0.5}, replicates=1)
    assert "1 cell; " in repr(one) and "1 replicate each" in repr(one)
    results = run(study, tmp_path / "out")
    assert repr(results) == f"Results of 'coins' in {tmp_path / 'out'}: 2 cells, 8 of 8 replicates done; methods mean"
    assert results._repr_html_().count("<tr>") == 3


def test_a_cohort_says_how_many_of_what(cohort: empirical.Cohort) -> None:
    assert repr(cohort).startswith(f"Cohort '{cohort.info.name}' in {cohort.folder}: {len(cohort.table)} items of ")
    assert "train 4" in repr(cohort) and "test 6" in repr(cohort) and f"'{cohort.info.healthy}' against " in repr(cohort)
    assert "<td>test</td>" in cohort._repr_html_()
    truth = empirical.PhantomTruth.load(cohort.folder / "truth.npz")
    assert repr(truth).startswith("PhantomTruth: 40 x 40 pixels; gaussian lesion of width 3") and "\n" not in repr(truth)


def test_references_say_for_how_many_queries(cohort: empirical.Cohort) -> None:
    chosen = empirical.choose_references(cohort, "test", empirical.ReferenceConfig(strategy="random"), seed=0)
    assert repr(chosen).endswith(" beside 6 queries")
    assert chosen._repr_html_().count("<tr>") == 1 + len(chosen.table)


def test_records_count_items_patients_and_runs() -> None:
    rows = [{"run_id": arm, "arm": arm, "item_id": f"i{i}", "patient_id": f"p{i // 2}", "label": "lesion" if i % 2 else "healthy",
             "train_seed": seed} for arm in ("single", "pair") for seed in (0, 1) for i in range(4)]  # fmt: skip
    records = empirical.Records(pd.DataFrame(rows), ("lesion",), "healthy")
    assert repr(records) == "Records: 16 rows, 2 runs (single, pair); 4 items of 2 patients; 'lesion' against 'healthy'"
    assert records.summary().to_dict("list") == {
        "run_id": ["single", "pair"], "arm": ["single", "pair"], "trainings": [2, 2], "items": [4, 4], "patients": [2, 2],
        "positive_items": [2, 2],
    }  # fmt: skip
    assert "<td>pair</td>" in records._repr_html_()
    assert "classes not named" in repr(empirical.Records(records.table, (), ""))


def test_a_plan_is_a_table_and_gives_the_power_at_numbers_of_patients() -> None:
    plan = theory.plan_study(theory.Correlation(d=1.0, rho=0.6, m=1, rule="optimal"))
    assert list(plan) == ["auc", "sensitivity", "accuracy"]
    table = plan.to_frame()
    assert table["measure"].tolist() == list(plan) and table["patients"].tolist() == [one.patients for one in plan.values()]
    assert repr(plan).startswith("Plan at 80% power, two-sided 0.05\n") and "284" in repr(plan)
    power = plan.power([200, 284]).set_index(["measure", "patients"])["power"]
    assert power["auc", 284] == pytest.approx(0.8, abs=0.01)
    assert power["auc", 200] < power["auc", 284]
    assert plan["auc"].to_frame()["gain"].iloc[0] == plan["auc"].gain
    assert "<th>measure</th>" in plan._repr_html_()


def test_a_pilot_says_what_was_measured() -> None:
    found = theory.pilot(SINGLE, PAIR, LABELS, np.arange(80), resamples=50)
    assert repr(found).startswith("Pilot of 80 images, 80 patients: separation ")
    assert found.to_frame().loc[0, "pair"] == found.separations.pair


def test_a_comparison_is_a_table_in_a_notebook() -> None:
    found = paper_figures.compare_arms(PAIR, SINGLE, LABELS, PATIENTS, arms=("<b>pair</b>", "single"), resamples=100)
    shown = found._repr_html_()
    assert "<b>pair" not in shown and "&lt;b&gt;pair" in shown
    assert shown.count("<tr>") == 1 + min(len(found.to_frame()), MOST_ROWS)
    first = shown.split("<tbody>")[1].split("</tr>")[0]
    assert found.recommended["auroc"].test in first


def test_a_test_result_is_one_row_and_a_small_table() -> None:
    found = paper_figures.statistics.clustered_auroc_difference(PAIR, SINGLE, LABELS, clusters=PATIENTS)
    assert found.to_frame().shape[0] == 1
    assert f"<td>estimate</td><td>{found.estimate:.4g}</td>" in found._repr_html_()
    observer = theory.Detectability(1.0, 1.2, 1.3)
    assert repr(observer) == "Detectability\n  single      1\n  difference  1.2\n  joint       1.3"
    assert observer.to_frame().to_dict("records") == [{"single": 1.0, "difference": 1.2, "joint": 1.3}]


def test_a_diagnosis_lists_its_checks() -> None:
    found = Diagnosis("pocket", (Check("labels are right", True, "3 of 3"), Check("positions are right", False, "1 < 2")))
    assert repr(found).splitlines() == [
        "Diagnosis of 'pocket': 1 of 2 checks passed", "  passed  labels are right: 3 of 3", "  FAILED  positions are right: 1 < 2",
    ]  # fmt: skip
    assert found.to_frame()["passed"].tolist() == [True, False]
    assert "1 &lt; 2" in found._repr_html_()


def test_a_folder_without_records_prints_all_the_same(tmp_path: Path) -> None:
    results = paper_figures.RunResults(tmp_path)
    assert repr(results) == f"RunResults of {tmp_path}: no records"
    assert str(tmp_path) in results._repr_html_()


def test_a_long_table_says_how_much_it_leaves_out() -> None:
    shown = html_table("many", [(i, float("nan")) for i in range(MOST_ROWS + 2)])
    assert shown.count("<tr>") == MOST_ROWS and "2 more rows" in shown and "nan" not in shown


def test_the_model_takes_d_or_the_shift_in_the_unit_of_the_score() -> None:
    assert theory.PairedModel(d=0.5, sigma=2.0, rho=0.3) == theory.PairedModel(delta=1.0, sigma=2.0, rho=0.3)
    assert dataclasses.replace(theory.PairedModel(d=0.5), rho=0.4).d == 0.5
    for wrong in ({}, {"d": 1.0, "delta": 1.0}):
        with pytest.raises(InputError, match="give d"):
            theory.PairedModel(**wrong)
    with pytest.raises(InputError, match="d = -1"):
        theory.PairedModel(d=-1.0)
