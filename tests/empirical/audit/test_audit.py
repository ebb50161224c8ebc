"""The audit: every kind of leakage stops, confounds warn, and a clean cohort passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from empirical.audit import Finding, audit, stop_on_errors, summary
from empirical.audit.confounds import MetadataAuc, _auc_and_variance, metadata_auc, metadata_table
from empirical.cohorts import Cohort, CohortInfo
from empirical.references import Assignment, ReferenceConfig, choose_references
from empirical.references.rules import audit_references
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
    scores, diseased = np.concatenate([positive, negative]), np.arange(100) < 40
    assert _auc_and_variance(scores, diseased)[0] == pytest.approx(expected, abs=1e-12)


def test_a_perfect_separation_still_has_an_uncertainty() -> None:
    """Newcombe's method 5 where DeLong's variance is 0: the limit solves (1 - a)^2 = z^2 var(a)."""
    table = toy(60, 0, 0.0).table
    sick = (table["label"] == "sick").to_numpy()
    found = metadata_auc(table.assign(view=np.where(sick, "AP", "PA")), sick, "view")
    low, high = found.interval()
    assert (found.auc, high) == (1, 1)
    m, n, spare = sick.sum(), (~sick).sum(), len(sick) / 2 - 1
    variance = low * (1 - low) * (1 + spare * (1 - low) / (2 - low) + spare * low / (1 + low)) / (m * n)
    assert (1 - low) ** 2 == pytest.approx(stats.norm.isf(0.025) ** 2 * variance, rel=1e-6)
    assert 0.85 < low < 0.95
    worst = MetadataAuc("x", 0.0, 0.0, 20, 40).interval()
    assert worst[0] == 0
    assert worst[1] == pytest.approx(1 - low, abs=1e-6)  # the same by symmetry


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


def follow_ups() -> Cohort:
    """Two patients with three visits each, the last one ill; a film kept as a prior; a stranger in training."""
    rows = [
        ("a0", "a", 0, "well", "test", ""),
        ("a1", "a", 1, "well", "test", ""),
        ("a2", "a", 2, "sick", "test", ""),
        ("b0", "b", 0, "well", "reference", "prior"),
        ("b1", "b", 1, "sick", "test", ""),
        ("c0", "c", 0, "well", "train", ""),
        ("a-1", "a", -1, "well", "reference", "val"),
    ]
    table = pd.DataFrame(rows, columns=["item_id", "patient_id", "follow_up", "label", "split", "serves"])
    table["sha256"], table["family"] = table["item_id"], ""
    return Cohort(Path("toy"), CohortInfo("toy", "table", "well", ["sick"], "image", "x"), table)


def given(pairs: dict[str, str], strategy: str) -> Assignment:
    table = pd.DataFrame({"item_id": list(pairs), "rank": 0, "reference_id": list(pairs.values()), "note": ""})
    return Assignment(table, pd.DataFrame(columns=["item_id", "reason"]), strategy)


def test_a_prior_may_be_of_the_querys_patient_if_earlier_and_healthy() -> None:
    cohort = follow_ups()
    assert audit_references(cohort, "test", given({"a2": "a1", "a1": "a0", "b1": "b0"}, "prior")) == []
    assert audit_references(cohort, "test", given({"a2": "c0"}, "prior")) == []  # relaxed: another person's image


@pytest.mark.parametrize(
    ("pairs", "strategy", "expected"),
    [
        ({"a0": "a1"}, "prior", {"prior_not_earlier"}),
        ({"a0": "a0"}, "prior", {"prior_not_earlier", "reference_is_query"}),
        ({"a1": "a2"}, "prior", {"prior_not_earlier", "reference_not_healthy"}),
        ({"b1": "a0"}, "prior", {"reference_from_evaluation"}),
        ({"a2": "b0"}, "prior", {"reference_from_evaluation"}),  # kept as a prior of another patient
        ({"a2": "a-1"}, "prior", {"reference_from_evaluation"}),  # reserved for another split
        ({"a2": "b0"}, "random", {"reference_from_evaluation"}),
        ({"a2": "a1"}, "random", {"reference_of_same_patient", "reference_from_evaluation"}),
    ],
)
def test_what_no_strategy_may_give(pairs: dict[str, str], strategy: str, expected: set[str]) -> None:
    findings = audit_references(follow_ups(), "test", given(pairs, strategy))
    assert {finding.name for finding in findings} == expected
    assert all(finding.rows == tuple(pairs) for finding in findings)


def test_priors_whose_order_is_not_known_are_refused() -> None:
    findings = audit_references(follow_ups(), "test", given({"a2": "a1"}, "prior"), order="study_day")
    assert {finding.name for finding in findings} == {"prior_not_earlier"}


def test_images_kept_as_priors_are_neither_leaks_nor_contradictions(phantom: Cohort) -> None:
    table = phantom.table.copy()
    ill = table.loc[(table["split"] == "test") & (table["label"] != "healthy"), "patient_id"].iloc[0]
    spare = table.index[(table["split"] == "train") & (table["label"] == "healthy")][0]
    table.loc[spare, ["split", "serves", "patient_id", "family"]] = ["reference", "prior", ill, ""]
    assert audit(replace(phantom, table=table)) == []


def test_every_column_is_tested_and_why_not_is_said() -> None:
    cohort = toy(400, 0, 0.6)
    cohort.table[["width", "height"]] = [100, 50]
    table = metadata_table(cohort).set_index("column")
    assert table.loc["view", "note"] == "predicts the class (99 % interval above 0.5)"
    assert table.loc["age", "note"] == ""
    assert 0 < table.loc["age", "low"] < table.loc["age", "high"] < 1
    assert table.loc[["site", "aspect"], "note"].tolist() == ["the same for all"] * 2
    assert table.index[0] == "view"  # the surest first


def test_the_size_of_an_image_is_a_confound_too() -> None:
    cohort = toy(400, 0, 0.0)
    cohort.table["width"] = 100 + 10 * np.random.default_rng(0).integers(0, 3, 400)
    cohort.table["height"] = cohort.table["width"] * np.where(cohort.table["label"] == "sick", 2, 1)
    messages = [message for message in confounds(cohort) if "aspect" in message]
    assert len(messages) == 1
    assert "AUROC 1.00" in messages[0]


def test_the_summary_counts(phantom: Cohort) -> None:
    lines = summary(audit(altered(phantom, "test-00001", image="images/none.png"))).splitlines()
    assert lines[0].startswith("ERROR  missing_files: 1 of")
    assert lines[-1] == "audit: 1 error(s), 0 warning(s)"
    allowed = summary(audit(altered(phantom, "test-00001", image="images/none.png")), allow=["missing_files"]).splitlines()
    assert allowed[0].startswith("ERROR  missing_files (allowed): ")
    assert allowed[-1] == "audit: 1 error(s), 0 warning(s), 1 of the errors allowed"
