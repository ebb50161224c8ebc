"""Where the data hold too little: a width counted in clusters, a test at its level, or null with the reason."""

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from paper_figures.comparison import compare_arms
from paper_figures.statistics import auroc_permutation, equivalence
from paper_figures.statistics.proportions.tango import tango_interval
from see_in_pairs.files import to_json


def content(*args: Any, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(to_json(compare_arms(*args, **({"resamples": 200} | more)).to_dict()))
    return found


def perfect(patients: int = 10, images: int = 100) -> dict[str, Any]:
    labels = np.arange(patients * images) % 2
    clusters = np.repeat(np.arange(patients), images)
    return {"scores_a": 0.1 + 0.8 * labels, "scores_b": 0.2 + 0.6 * labels, "labels": labels, "clusters": clusters}


def test_clusters_without_discordance_count_as_one_item_each() -> None:
    found = content(**perfect(), margin=0.05)
    wilson = 10 / (10 + stats.norm.ppf(0.975) ** 2)
    for arm in ("a", "b"):
        assert found["accuracy"][f"{arm}_interval"] == pytest.approx([wilson, 1])
    assert found["equivalence"]["p"] == pytest.approx(equivalence(0, 0, 10, 0.05).p)
    assert found["equivalence"]["p"] == pytest.approx(0.234, abs=5e-4)
    for interval in (found["recommended"]["accuracy"]["interval"], found["clustered_accuracy"]["difference"]["interval"]):
        assert interval == pytest.approx([-0.278, 0.278], abs=5e-4)
    assert found["recommended"]["accuracy"]["p"] == 1
    assert found["auroc"]["a_interval"][0] == pytest.approx(0.8, abs=0.01)  # Newcombe's of ten against ten
    assert found["recommended"]["auroc"]["interval"][0] < -0.1 < 0.1 < found["recommended"]["auroc"]["interval"][1]
    assert all(one["interval"] is None and f"bootstrap.{name}" in found["reasons"] for name, one in found["bootstrap"].items())


@pytest.mark.parametrize("design", ["two_way", "procedure"])
def test_the_same_with_two_kinds_of_clusters_and_several_seeds(design: str) -> None:
    data = perfect(24, 6)
    second = {"second_clusters": np.arange(144) % 10} if design == "two_way" else {"training_seeds": np.arange(144) % 3}
    found = content(**data, **second, margin=0.1)
    count = 10 if design == "two_way" else 3
    assert found["recommended"]["accuracy"]["interval"] == pytest.approx(list(tango_interval(0, 0, count)))
    assert found["equivalence"]["p"] == pytest.approx(equivalence(0, 0, count, 0.1).p)


def test_clusters_that_are_right_equally_often_say_as_much_as_one_item_each() -> None:
    labels, clusters = np.ones(80), np.repeat(np.arange(8), 10)
    right = np.arange(80) % 10 < 7
    found = content(right, right, None, clusters=clusters, margin=0.05)
    assert found["accuracy"]["a_interval"][1] - found["accuracy"]["a_interval"][0] > 0.4
    assert len(labels) == found["items"]


def test_one_cluster_gives_no_interval_and_no_p_of_independent_items() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    found = content(*rng.random((2, 60)), labels, clusters=["p"] * 60, margin=0.1)
    assert found["recommended"] == {}
    assert found["equivalence"] is found["accuracy"]["a_interval"] is found["auroc"]["a_interval"] is None
    for name in ("recommended.accuracy", "recommended.auroc", "equivalence"):
        assert "one cluster" in found["reasons"][name] or "rarer class: 1" in found["reasons"][name]


def one_positive() -> tuple[Any, Any, Any]:
    labels = np.arange(20) == 0
    return np.where(labels, 0.62, 0.3 + np.arange(20) / 50), np.where(labels, 0.36, 0.7 - np.arange(20) / 50), labels


def test_one_positive_gives_no_bootstrap_interval_of_what_needs_both_classes() -> None:
    found = content(*one_positive())
    for name in ("auroc", "average_precision", "sensitivity"):
        assert found["bootstrap"][name]["interval"] is None
        assert "a positive item: 1" in found["bootstrap"][name]["reason"] == found["reasons"][f"bootstrap.{name}"]
        assert found["bootstrap"][name]["difference"] is not None
    assert found["bootstrap"]["brier"]["interval"][0] < found["bootstrap"]["brier"]["interval"][1]
    assert "auroc" not in found["recommended"]
    assert "recommended.auroc" in found["reasons"]
    text = repr(compare_arms(*one_positive(), resamples=200))
    assert "none: see below" in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("positives", "test"), [(2, None), (3, None), (5, "jackknife t"), (14, "jackknife t"), (15, "jackknife t"), (39, "jackknife t")]
)
def test_few_positives_are_tested_by_t_and_fewer_not_at_all(positives: int, test: str | None) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(100) < positives
    found = compare_arms(*rng.random((2, 100)), labels, resamples=100).recommended["auroc"]
    assert (found.test.split(" (")[0].removeprefix("DeLong, ") if found.admissible else None) == test
    assert (found.p is None) == (test is None)


@pytest.mark.parametrize(
    ("items", "positives", "test"), [(100, 40, "permutation of"), (12, 6, "exact permutation of"), (100, 61, "DeLong")]
)
def test_independent_items_of_classes_near_balance_are_tested_by_permutation(items: int, positives: int, test: str) -> None:
    """The p-value is the permutation's, the interval DeLong's by t; the reason says that they may disagree."""
    rng = np.random.default_rng(1)
    labels = np.arange(items) < positives
    scores = rng.random((2, items))
    found = compare_arms(*scores, labels, clusters=np.arange(items), resamples=100)
    one = found.recommended["auroc"]
    assert one.test.startswith(test)
    assert found.auroc is not None and found.auroc.clustered_t is not None
    assert one.interval == found.auroc.clustered_t.interval
    if found.auroc.permutation is None:
        assert "too few" in found.reasons["auroc.permutation"]
    else:
        assert one.p == found.auroc.permutation.p == auroc_permutation(scores, labels).p
        assert "may disagree" in one.why
    paired = compare_arms(*np.tile(scores, 2), np.tile(labels, 2), clusters=np.tile(np.arange(items), 2), resamples=100)
    assert "not independent" in paired.reasons["auroc.permutation"]


@pytest.mark.parametrize("positives", [4, 8])
def test_what_is_recommended_for_few_positives_keeps_its_level(positives: int) -> None:
    """600 replicates, MCSE .009: at most .05 + 3 MCSE of rejections, where DeLong's z makes .13 and .08."""
    from paper_figures.statistics import clustered_auroc_difference

    rng, labels = np.random.default_rng(21), np.arange(60) < positives
    scores = rng.normal(size=(600, 2, 60)) + labels
    p = np.array([clustered_auroc_difference(pair, labels, np.arange(60)).p for pair in scores])
    assert (p < 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


def test_several_models_and_few_positives_have_a_verdict_from_four_on() -> None:
    rng = np.random.default_rng(2)
    labels, patients = np.tile(np.arange(40) < 6, 3), np.tile(np.arange(40), 3)
    found = content(*rng.random((2, 120)), labels, clusters=patients, training_seeds=np.repeat(np.arange(3), 40))
    assert found["procedure"]["auroc"] is None
    assert found["recommended"]["auroc"]["admissible"]  # the error-rate study: from 4 patients of a class on
    few = content(*rng.random((2, 120)), np.tile(np.arange(40) < 3, 3), clusters=patients, training_seeds=np.repeat(np.arange(3), 40))
    assert few["recommended"]["auroc"]["p"] is None
    assert "3 patients of the rarer class" in few["reasons"]["recommended.auroc"]
