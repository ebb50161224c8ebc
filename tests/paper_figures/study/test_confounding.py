"""What of a study's areas covariates explain, and what references tell alone, from records whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from empirical.arms import ArmConfig
from empirical.cohorts import Cohort, CohortInfo
from empirical.evaluation.records import Records
from empirical.references import ReferenceConfig
from paper_figures.statistics import covariate_adjusted_auroc, estimate_leak
from paper_figures.study.confounding import ADJUSTED, LEAK, adjusted_rows, arms_without_their_check, leak_rows
from paper_figures.study.tables import CurvePoint

ITEMS = 240
ILL = np.arange(ITEMS) % 2 == 0
AGE = np.round(50 + 10 * (np.random.default_rng(0).standard_normal(ITEMS) + ILL))


def point(arm: str, separation: float, by_age: float, seeds: tuple[int, ...] = (0, 1, 2), n_train: int = 50) -> CurvePoint:
    found = {}
    for seed in seeds:
        rng = np.random.default_rng([seed, len(arm)])
        score = separation * ILL + by_age * (AGE - 50) / 10 + rng.standard_normal(ITEMS)
        table = pd.DataFrame(
            {
                "item_id": [f"i{k:03d}" for k in range(ITEMS)], "patient_id": [f"p{k // 2:03d}" for k in range(ITEMS)],
                "label": np.where(ILL, "ill", "well"), "p_positive": expit(score), "reference_ids": [()] * ITEMS,
            }
        )  # fmt: skip
        found[seed] = Records(table, ("ill",), "well")
    return CurvePoint("set", arm, n_train, found)


@pytest.fixture
def cohort() -> Cohort:
    table = pd.DataFrame({"item_id": [f"i{k:03d}" for k in range(ITEMS)], "age": AGE, "sex": "", "site": "", "split": "test"})
    return Cohort(Path("toy"), CohortInfo("toy", "table", "well", ["ill"], "image", "x"), table)


def test_a_gain_by_age_alone_is_none_at_equal_ages(cohort: Cohort) -> None:
    pair, single = point("pair", 0.0, 1.0), point("single", 0.0, 0.0)
    rows = adjusted_rows([pair, single], [("pair", "single")], {"set": cohort})
    table = pd.DataFrame(rows, columns=list(ADJUSTED)).set_index("measure")
    assert list(table.index) == ["AUROC, all pairs", "AUROC adjusted for age"]
    assert (table[["cohort", "a", "b", "n_train"]] == ["set", "pair", "single", 50]).all().all()
    plain, adjusted = table.loc["AUROC, all pairs"], table.loc["AUROC adjusted for age"]
    assert plain["low"] > 0
    assert adjusted["low"] < 0 < adjusted["high"]
    expected = covariate_adjusted_auroc(pair.scores([0, 1, 2]), ILL, {"age": AGE}, pair.items["patient_id"]).auc.mean()
    assert adjusted["auroc_a"] == pytest.approx(expected, abs=0.01)  # there of scores, here of log-odds of probabilities


def test_a_cohort_without_covariates_and_arms_without_common_seeds(cohort: Cohort) -> None:
    pair, single = point("pair", 1.0, 0.0, (0, 1)), point("single", 0.5, 0.0, (2, 3))
    (row,) = adjusted_rows([pair, single], [("pair", "single")], {"set": cohort})
    assert row["reason"] == "no seed in common"
    cohort.table["age"] = np.nan
    assert adjusted_rows([pair, single], [("pair", "single")], {"set": cohort}) == []


def test_covariates_are_those_of_the_items_that_were_scored_whatever_their_split(cohort: Cohort) -> None:
    points, arms = [point("pair", 0.0, 1.0), point("single", 0.0, 0.0)], [("pair", "single")]
    expected = adjusted_rows(points, arms, {"set": cohort})
    cohort.table["split"] = "val"
    assert repr(adjusted_rows(points, arms, {"set": cohort})) == repr(expected) != "[]"


def test_the_leak_is_that_of_reference_only_beside_single() -> None:
    arms = {
        "single": ArmConfig(arm="single"),
        "alone": ArmConfig(arm="reference_only", references=ReferenceConfig()),
        "pair": ArmConfig(arm="pair", references=ReferenceConfig()),
    }
    points = [point("single", 1.4, 0.0), point("alone", 0.7, 0.0), point("pair", 1.4, 0.0), point("alone", 0.7, 0.0, n_train=80)]
    (row,) = leak_rows(points, arms)
    expected = estimate_leak(points[0].scores([0, 1, 2]), points[1].scores([0, 1, 2]), ILL, points[0].items["patient_id"])
    found = pd.DataFrame([row], columns=list(LEAK)).iloc[0]
    assert (found["arm"], found["n_train"], found["seeds"], found["patients"]) == ("alone", 50, 3, 120)
    assert (found["leak"], found["low"], found["high"]) == pytest.approx((expected.estimate, *expected.interval))
    assert found["low"] < 0.5 < found["high"]


def test_matched_arms_that_no_reference_only_checks_are_named() -> None:
    age, site = ReferenceConfig(strategy="demographic"), ReferenceConfig(strategy="cross_center")
    arms = {
        "random": ArmConfig(arm="pair", references=ReferenceConfig()),
        "age": ArmConfig(arm="pair", references=age),
        "site": ArmConfig(arm="pair", references=site),
        "alone": ArmConfig(arm="reference_only", references=age),
    }
    assert arms_without_their_check(arms) == ["site"]
