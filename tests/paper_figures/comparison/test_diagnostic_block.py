"""The block `diagnostic` of a comparison: JSON keys, text, table, reasons; the numbers are tested where they are made."""

import json

import numpy as np
import pytest

from paper_figures.comparison import factors_block
from paper_figures.comparison.compare_arms import compare_arms
from paper_figures.comparison.diagnostic_block import FEW_THRESHOLDS
from paper_figures.statistics import flip_table, measures_at_specificity, measures_at_threshold, net_benefit, partial_auroc
from paper_figures.statistics.diagnostic import factors
from see_in_pairs.files import to_json


def arms(n: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    patients = np.arange(n) // 2
    labels = patients % 3 == 0
    scores = rng.normal(size=n) + rng.normal(size=(2, n)) + np.array([[1.0], [2.0]]) * (labels - 0.5)
    return 1 / (1 + np.exp(-scores)), labels, patients


def test_p_is_given_where_the_recommended_tests_give_one() -> None:
    rule = (factors_block.FEWEST_CROSSED, factors_block.FEWEST_REFERENCES, factors_block.FEWEST_PATIENTS)
    assert rule == (factors.FEWEST_TRAININGS, factors.FEWEST_REFERENCES, factors.FEWEST_PATIENTS)


def test_the_block_is_what_the_functions_give() -> None:
    scores, labels, patients = arms()
    found = compare_arms(*scores, labels, patients, resamples=100, seed=3).diagnostic
    assert found is not None
    at = measures_at_threshold(*scores, labels, 0.5, patients)
    assert found.at_threshold is not None
    for name in ("sensitivity", "ppv", "negative_likelihood_ratio"):
        assert getattr(found.at_threshold, name).interval == pytest.approx(getattr(at, name).interval)
    fixed = measures_at_specificity(*scores, labels, 0.9, patients, resamples=100, seed=3)
    assert found.at_specificity.sensitivity.interval == pytest.approx(fixed.sensitivity.interval)  # type: ignore[union-attr]
    assert found.partial_auroc.area.p == pytest.approx(partial_auroc(scores, labels, patients).area.p)  # type: ignore[union-attr]
    right = (scores >= 0.5) == labels
    assert found.flips.churn.interval == pytest.approx(flip_table(*right, patients).churn.interval)  # type: ignore[union-attr]
    assert found.net_benefit.low["a"] == pytest.approx(net_benefit(*scores, labels, patients).low["a"])  # type: ignore[union-attr]


def test_json_text_and_table() -> None:
    scores, labels, patients = arms()
    comparison = compare_arms(*scores, labels, patients, resamples=100, arms=("single", "pair"))
    block = json.loads(to_json(comparison.to_dict()))["diagnostic"]
    assert set(block) == {"at_threshold", "at_specificity", "partial_auroc", "flips", "net_benefit"}
    assert {"a", "b", "a_interval", "contrast", "estimate", "interval", "p", "reason"} <= set(block["at_threshold"]["ppv"])
    assert block["at_specificity"]["thresholds"][0] < 1
    assert block["partial_auroc"]["standardised"]["a"] > 0.5
    assert len(block["net_benefit"]["curve"]) == 19
    text = repr(comparison)
    words_of_it = ["at threshold 0.5", "at specificity 0.9", "over specificity 0.8 to 1", "Flips where pair replaces single", "(ratio)"]
    words_of_it += ["held", "estimated on these items", "treat none: 0", *(f"  {one:g} (treat all" for one in FEW_THRESHOLDS)]
    for words in words_of_it:
        assert words in text
    assert max(map(len, text.splitlines())) <= 160
    frame = comparison.to_frame().set_index("measure")
    row = frame.loc["log positive predictive value at threshold 0.5"]
    assert row["difference"] == pytest.approx(np.log(row["a"] / row["b"]))


def test_right_and_wrong_only_leaves_the_flips() -> None:
    rng = np.random.default_rng(1)
    comparison = compare_arms(rng.random(80) < 0.7, rng.random(80) < 0.6, None, np.arange(80) // 2)
    assert comparison.diagnostic is not None
    assert comparison.diagnostic.flips is not None
    assert comparison.diagnostic.at_threshold is None
    assert "needs scores" in comparison.reasons["diagnostic.at_threshold"]
    assert "Flips where B replaces A" in repr(comparison)


@pytest.mark.parametrize(
    ("change", "part", "line"),
    [({"scale": 8.0}, "net_benefit", "not probabilities"), ({"one_class": True}, "at_threshold", "one class only"),
     ({"one_patient": True}, "flips", "one cluster only")],
)  # fmt: skip
def test_what_is_null_says_why(change: dict[str, object], part: str, line: str) -> None:
    scores, labels, patients = arms(60)
    scores = scores * float(change.get("scale", 1.0))  # type: ignore[arg-type]
    labels = np.ones(60, dtype=bool) if "one_class" in change else labels
    patients = np.zeros(60) if "one_patient" in change else patients
    comparison = compare_arms(*scores, labels, patients, resamples=100)
    assert getattr(comparison.diagnostic, part) is None
    assert line in comparison.reasons[f"diagnostic.{part}"]
    json.loads(to_json(comparison.to_dict()))


def test_few_of_a_class_have_values_without_intervals() -> None:
    scores, _, _ = arms(60)
    comparison = compare_arms(*scores, np.arange(60) < 3, resamples=100)
    assert comparison.diagnostic is not None
    assert comparison.diagnostic.at_threshold.sensitivity.interval is None  # type: ignore[union-attr]
    assert comparison.diagnostic.at_specificity.ppv.interval is None  # type: ignore[union-attr]
    assert "No interval: all measures at specificity 0.9" in repr(comparison)
