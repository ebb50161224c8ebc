"""The kept error rates of the estimator over all random factors: the rule of `compare` names the designs where it keeps its level."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from paper_figures.error_rates import critical_values
from paper_figures.error_rates.factors import (
    NAMES,
    accuracy,
    accuracy_hillis,
    accuracy_procedure,
    admitted,
    area,
    area_hillis,
    looked_at_again,
    random_factors,
    shares,
    study,
    summary,
    true_difference,
)
from paper_figures.error_rates.tables import with_tables
from paper_figures.statistics import mrmc, procedure
from see_in_pairs.errors import InputError

TABLES = Path(__file__).resolve().parents[3] / "docs" / "results" / "factors"


@pytest.mark.parametrize("measure", ["accuracy", "auroc"])
def test_every_admissible_cell_keeps_its_level(measure: str) -> None:
    table = pd.read_csv(TABLES / f"factors_{measure}.csv")
    cells = study(measure).all_cells
    assert len(table[["measure", *cells[0].factors]].drop_duplicates()) == len(table) == 2 * len(cells)
    nulls = table[table["measure"] == "type_1_error"]
    fine = nulls[[admitted(row) for row in nulls.to_dict("records")]]
    above = fine[fine["value"] > 0.05 + 3 * np.sqrt(0.05 * 0.95 / fine["replicates"])]
    names = list(cells[0].factors)
    again = pd.read_csv(TABLES / f"factors_again_{measure}.csv")  # with 8,000 fresh studies, which decide
    again = again[again["measure"] == "type_1_error"]
    assert (again["replicates"] == 8000).all()
    kept = again["value"] <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 8000)
    assert kept.tolist() == [admitted(row) for row in again.to_dict("records")]
    assert len(above.merge(again[kept], on=names)) == len(above)
    middle = nulls[(nulls["seeds"] >= 3) & (nulls["patients"] >= 100) & (nulls["prevalence"] == 0.5) & ~nulls["shared"]]
    asked = middle[[not r or 1 / (shares(r, use) ** 2).sum() >= 8 for r, use in zip(middle["references"], middle["use"], strict=True)]]
    assert set(asked.index) <= set(fine.index)  # what must be admissible


@pytest.mark.parametrize("measure", ["accuracy", "auroc"])
def test_intervals_hold_the_truth_where_the_arms_differ(measure: str) -> None:
    """4,000 studies of every design with a difference; what is above .97 is in bold on the page."""
    table = pd.read_csv(TABLES / f"factors_off_null_{measure}.csv")
    own = table[(table["measure"] == "coverage") & (table["method"] == "all factors")]
    assert len(own) == len(study(f"off_null_{measure}").all_cells) == 14
    assert (own["replicates"] == 4000).all()
    assert (own["truth"] > 0).all()
    good = own[[admitted(row) for row in own.to_dict("records")]]
    assert (good["value"] >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 4000)).all()
    others = table[table["method"] != "all factors"]
    assert ((others["references"] == 0) & (others["seeds"] > 1)).all()  # what the published intervals are for


def test_the_page_has_the_tables_of_the_csv_files() -> None:
    page = (TABLES / "README.md").read_text(encoding="utf-8")
    assert with_tables(page, summary(TABLES)) == page
    with pytest.raises(InputError, match="no marks"):
        with_tables("nothing", {"sizes": ""})


def test_what_the_page_says_in_words() -> None:
    tables = {measure: pd.read_csv(TABLES / f"factors_{measure}.csv") for measure in ("accuracy", "auroc")}
    shared = tables["accuracy"].query("measure == 'type_1_error' and shared and seeds == 3")
    assert round(shared["value"].max(), 3) in (0.073, 0.074)
    rare = tables["auroc"].query("measure == 'type_1_error' and prevalence == 0.02 and patients == 100")
    assert rare["value"].max() > 0.09
    assert {looked_at_again(cell.factors) for cell in study("again_auroc").all_cells} == {True}
    assert 1 / (shares(50, "zipf") ** 2).sum() == pytest.approx(12.5, abs=0.05)


def test_the_critical_values_on_the_statistics_page_are_those_of_the_csv_file() -> None:
    table = pd.read_csv(TABLES / "critical_values.csv")
    page = (TABLES.parents[1] / "explanation" / "statistics" / "random_factors.md").read_text(encoding="utf-8")
    assert with_tables(page, {"critical values": critical_values.summary(table)}) == page
    spreads, own = (1.0, 20.0), critical_values.OURS
    kept = table.query("trainings == 'independent' and rule == @own and ratio == 1 and spread == 20 and not arms_alike")["value"].iloc[0]
    assert critical_values.rejection(own, spreads, 1.0) == pytest.approx(kept, abs=1e-5)


@pytest.mark.parametrize("rule", ["ours", "Obuchowski-Rockette"])
def test_sizes_of_critical_values_are_what_drawn_studies_give(rule: str) -> None:
    """One mean square of 2 degrees of freedom, 200,000 draws: within 5 MCSE."""
    rng = np.random.default_rng(0)
    squares, estimate = 2 * rng.chisquare(2, size=(1, 200_000)) / 2, math.sqrt(3) * rng.standard_normal(200_000)
    drawn = (estimate**2 > critical_values.squared_bounds(rule, squares, 1.0)).mean()
    assert critical_values.rejection(rule, (2.0,), 1.0) == pytest.approx(drawn, abs=5 * math.sqrt(drawn / 200_000))


def test_no_rule_of_that_size_is_more_powerful_than_the_bound() -> None:
    """Normal theory: with very many degrees of freedom the bound is that of a known variance, .50; with two it is far lower."""
    assert (
        critical_values.most_power(2, cells=30)
        < critical_values.most_power(4, cells=30)
        < critical_values.most_power(4000, cells=60)
        < 0.52
    )


def test_the_published_intervals_of_the_study_are_those_of_the_package() -> None:
    cell = {
        "seeds": 4, "patients": 60, "images": 1, "sizes": "balanced", "prevalence": 0.5, "references": 0, "use": "evenly",
        "training_sd": 0.3, "reference_sd": 0.0, "shift": 0.3, "shared": False, "of": "accuracy",
    }  # fmt: skip
    data = random_factors(rng=np.random.default_rng(3), **cell)
    right = data.evidence > 0
    seeds, items = (axis.ravel() for axis in np.indices((4, 60)))
    ours = procedure(right[0].ravel(), right[1].ravel(), items, seeds)
    assert accuracy_procedure(data)["p"] == pytest.approx(ours.p)
    assert accuracy_procedure(data)["width"] == pytest.approx(ours.interval[1] - ours.interval[0])
    arms, readers, cases = (axis.ravel() for axis in np.indices((2, 4, 60)))
    scores = np.where(data.labels, data.evidence, -data.evidence)
    for values, measure, method in ((scores, "auroc", area_hillis), (right.astype(float), "mean", accuracy_hillis)):
        found = mrmc(values.ravel(), data.labels[cases], cases, readers, arms, measure=measure)
        assert method(data)["p"] == pytest.approx(found.obuchowski_rockette.p, rel=1e-6)


def test_power_without_variance_between_trainings() -> None:
    """Three trainings, no variance between them; recomputed by `compare`'s estimator in the kept study."""
    table = pd.read_csv(TABLES / "factors_accuracy.csv")
    rows = table[(table["measure"] == "power") & (table["seeds"] == 3) & (table["training_sd"] == 0) & ~table["shared"]]
    assert (rows["value"] > 0.2).all()


def test_the_manifest_names_versions_and_no_folder() -> None:
    text = (TABLES / "manifest.json").read_text(encoding="utf-8")
    assert set(json.loads(text)["studies"]) == {f"factors_{name}" for name in NAMES}
    assert "/" not in text.replace("python -m", "")


@pytest.mark.parametrize(("measure", "method"), [("accuracy", accuracy), ("auroc", area)])
def test_the_truth_is_what_many_studies_average_to(measure: str, method: Any) -> None:
    """References and trainings are shared by items of both classes; 300 studies, within 4 MCSE."""
    cell = {
        "seeds": 2, "patients": 60, "images": 1, "sizes": "balanced", "prevalence": 0.5, "references": 6, "use": "zipf", "training_sd": 0.3,
        "reference_sd": 0.4, "shift": 0.4, "shared": False, "of": measure,
    }  # fmt: skip
    rng = np.random.default_rng(8)
    found = [method(random_factors(rng=rng, **cell))["estimate"] for _ in range(300)]
    assert abs(np.mean(found) - true_difference(**cell)) < 4 * np.std(found) / math.sqrt(300)
