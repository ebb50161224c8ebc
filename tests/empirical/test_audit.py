"""The audit: every kind of leakage stops, confounds warn, and a clean cohort passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from empirical.audit import Finding, audit, audit_references, stop_on_errors, summary
from empirical.cohorts import Cohort, CohortInfo
from empirical.audit.metadata_auc import _auc_and_variance, metadata_auc
from empirical.references import Assignment, ReferenceConfig, choose_references
from see_in_pairs.errors import CheckFailed


def errors(cohort: Cohort) -> dict[str, Finding]:
    return {finding.name: finding for finding in audit(cohort) if finding.severity == "error"}


def altered(cohort: Cohort, item_id: str, **changes: object) -> Cohort:
    table = cohort.table.copy()
    table.loc[table["item_id"] == item_id, list(changes)] = list(changes.values())
    return replace(cohort, table=table)


def test_a_phantom_passes(phantom: Cohort) -> None:
    assert errors(phantom) == {}
    stop_on_errors(audit(phantom))


@pytest.mark.parametrize(
    ("name", "changes", "rows"),
    [
        ("patient_in_two_splits", {"patient_id": "patient-train-00000"}, {"test-00001", "train-00000"}),
        ("family_in_two_splits", {"family": "family-train-00000"}, {"test-00001", "train-00000", "train-00000-r1", "train-00000-r2"}),
        ("missing_files", {"image": "images/none.png"}, {"test-00001"}),
    ],
)
def test_leakage_stops(phantom: Cohort, name: str, changes: dict[str, object], rows: set[str]) -> None:
    found = errors(altered(phantom, "test-00001", **changes))
    assert set(found) == {name}
    assert set(found[name].rows) == rows
    with pytest.raises(CheckFailed, match=name):
        stop_on_errors(found.values())
    stop_on_errors(found.values(), allow=[name])


def test_a_relative_who_serves_another_split_is_leakage(phantom: Cohort) -> None:
    assert "family_in_two_splits" in errors(altered(phantom, "train-00000-r1", serves="test"))


def test_the_same_image_in_two_splits_stops_and_under_two_labels_too(phantom: Cohort) -> None:
    original = phantom.table.set_index("item_id").loc["train-00001", "sha256"]
    found = errors(altered(phantom, "test-00001", sha256=original))
    assert set(found) == {"duplicate_across_splits"}
    found = errors(altered(phantom, "train-00000", sha256=original))
    assert set(found) == {"contradictory_duplicates"}
    assert "duplicates" in {finding.name for finding in audit(altered(phantom, "train-00003", sha256=original))}


def test_one_class_one_patient_and_no_item_stop(phantom: Cohort) -> None:
    table = phantom.table
    healthy = replace(phantom, table=table[(table["split"] != "test") | (table["label"] == "healthy")])
    assert set(errors(healthy)) == {"one_class"}
    single = replace(phantom, table=table.assign(patient_id=table["patient_id"].where(table["split"] != "test", "one")))
    assert set(errors(single)) == {"one_patient"}
    none = replace(phantom, table=table[table["split"] != "test"])
    assert set(errors(none)) == {"empty_split"}


def toy(n: int, seed: int, strength: float) -> Cohort:
    rng = np.random.default_rng(seed)
    sick = np.arange(n) % 3 == 0
    view = np.where(rng.random(n) < 0.5 + strength * (sick - 0.5), "AP", "PA")
    table = pd.DataFrame(
        {"item_id": [f"i{k}" for k in range(n)], "label": np.where(sick, "sick", "well"), "view": view, "age": rng.normal(50, 10, n)}
    )
    table["patient_id"], table["image"], table["split"] = table["item_id"], "x.png", np.where(np.arange(n) % 2 == 0, "train", "test")
    for column in ("mask", "family", "site", "serves", "sex", "sha256"):
        table[column] = ""
    return Cohort(Path("toy"), CohortInfo("toy", "table", "well", ["sick"], "image", "x"), table)


def confounds(cohort: Cohort) -> list[str]:
    return [finding.message for finding in audit(cohort) if finding.name == "metadata_predicts_class"]


def test_a_confound_is_shown_with_its_interval() -> None:
    (message,) = confounds(toy(600, seed=1, strength=0.6))
    assert message.startswith("'view' alone predicts the class: AUROC 0.")
    assert "95 % interval" in message
    assert "600 patients" in message


def test_the_interval_covers_and_nothing_is_found_where_nothing_is() -> None:
    strength, replicates = 0.5, 150
    truth = 0.5 + strength / 2  # of a binary column with P(AP | sick) - P(AP | well) = strength
    covered, alarms = 0, 0
    for seed in range(replicates):
        table = toy(300, seed, strength).table
        sick = (table["label"] == "sick").to_numpy()
        low, high = metadata_auc(table, sick, "view").interval()
        covered += low <= truth <= high
        alarms += metadata_auc(table, sick, "age").interval(stats.norm.isf(0.005))[0] > 0.5
    assert abs(covered / replicates - 0.95) < 4 * np.sqrt(0.95 * 0.05 / replicates)
    assert alarms / replicates < 0.01 + 4 * np.sqrt(0.01 * 0.99 / replicates)


def test_the_auc_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 6, 40) + 1.0, rng.integers(0, 6, 60) * 1.0  # many ties
    expected = roc_auc_score([1] * 40 + [0] * 60, [*positive, *negative])
    assert _auc_and_variance(positive, negative)[0] == pytest.approx(expected, abs=1e-12)


def test_constant_and_unique_columns_and_tiny_classes_are_not_tested() -> None:
    table = toy(60, 0, 0.5).table
    sick = (table["label"] == "sick").to_numpy()
    for column in ("mask", "item_id"):
        assert metadata_auc(table, sick, column) is None
    assert metadata_auc(table[:20], sick[:20], "view") is None


def test_missing_values_are_information_too() -> None:
    cohort = toy(600, 0, 0.0)
    cohort.table.loc[cohort.table["label"] == "sick", "age"] = np.nan
    assert any("'age' alone" in message and "AUROC 1.00" in message for message in confounds(cohort))
    assert "missing_values" in {finding.name for finding in audit(cohort)}


def test_patients_with_both_labels_warn(phantom: Cohort) -> None:
    found = audit(altered(phantom, "train-00001", patient_id="patient-train-00000"))
    assert {finding.name for finding in found} == {"mixed_labels"}


def test_references_are_checked(phantom: Cohort) -> None:
    good = choose_references(phantom, "test", ReferenceConfig(), seed=0)
    assert audit_references(phantom, "test", good) == []
    for reference, name in (
        ("test-00000", "reference_of_same_patient"),
        ("train-00001", "reference_not_healthy"),
        ("val-00000", "reference_from_evaluation"),
    ):
        table = good.table.copy()
        table.loc[0, "reference_id"] = reference
        findings = audit_references(phantom, "test", Assignment(table, good.unmatched, "random"))
        assert name in {finding.name for finding in findings}
        assert all(finding.rows == ("test-00000",) for finding in findings)


def test_the_summary_counts(phantom: Cohort) -> None:
    lines = summary(audit(altered(phantom, "test-00001", image="images/none.png"))).splitlines()
    assert lines[0].startswith("ERROR  missing_files: 1 of")
    assert lines[-1] == "audit: 1 error(s), 0 warning(s)"
