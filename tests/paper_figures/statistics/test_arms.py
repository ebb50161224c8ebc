"""Tests of two arms take the same things in the same order: of arm A, of arm B, the labels, then clusters."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from paper_figures import statistics
from see_in_pairs.errors import InputError

RNG = np.random.default_rng(7)
LABELS = np.arange(60) % 2
PATIENTS = np.arange(60) // 2
SEEDS = np.arange(60) % 3
REFERENCES = RNG.integers(0, 8, 60)
A, B = RNG.normal(size=(2, 60)) + np.array([[1.5], [1.0]]) * LABELS
RIGHT_A, RIGHT_B = (A > 0.5) == LABELS, (B > 0.5) == LABELS
BY_NAME: dict[str, dict[str, Any]] = {
    "delong": {}, "clustered_delong": {"clusters": PATIENTS}, "clustered_auroc_difference": {"clusters": PATIENTS},
    "two_way_delong": {"clusters": PATIENTS, "memberships": REFERENCES}, "auroc_permutation": {"resamples": 99},
    "partial_auroc": {"clusters": PATIENTS}, "procedure_auroc": {"clusters": PATIENTS, "seeds": SEEDS},
}  # fmt: skip
"""Tests that also take the scores of both arms as one array, with what each takes beside scores and labels."""
OF_SCORES = [*BY_NAME, "measures_at_threshold", "measures_at_specificity", "net_benefit", "paired_bootstrap"]
OF_CORRECTNESS = ["clustered_difference", "durkalski", "flip_table", "gee", "mcnemar", "obuchowski", "procedure", "two_way", "yang"]


@pytest.mark.parametrize("name", OF_SCORES)
def test_scores_come_first_then_labels_then_clusters(name: str) -> None:
    names = list(inspect.signature(getattr(statistics, name)).parameters)
    assert names[:3] == ["scores_a", "scores_b", "labels"]
    assert "clusters" not in names or names[3] == "clusters"


@pytest.mark.parametrize("name", OF_CORRECTNESS)
def test_correctness_comes_first_then_clusters(name: str) -> None:
    names = list(inspect.signature(getattr(statistics, name)).parameters)
    assert names[:2] == ["correct_a", "correct_b"]
    assert "clusters" not in names or names[2] == "clusters"


@pytest.mark.parametrize("name", BY_NAME)
def test_both_arms_apart_or_in_one_array_give_the_same(name: str) -> None:
    test, rest = getattr(statistics, name), BY_NAME[name]
    known = repr(test(np.stack([A, B]), LABELS, **rest))
    ways: list[Callable[[], object]] = [
        lambda: test(A, B, LABELS, **rest), lambda: test(A.tolist(), B.tolist(), LABELS.tolist(), **rest),
        lambda: test(pd.Series(A, index=range(60, 120)), pd.Series(B), pd.Series(LABELS.astype(bool)), **rest),
        lambda: test(A, B, labels=LABELS, **rest), lambda: test(scores_a=A, scores_b=B, labels=LABELS, **rest),
        lambda: test(A, scores_b=B, labels=LABELS, **rest), lambda: test(scores=[A, B], labels=LABELS, **rest),
        lambda: test((A, B), LABELS, *rest.values()), lambda: test(A, B, LABELS, *rest.values()),
    ]  # fmt: skip
    for way in ways:
        assert repr(way()) == known


def test_one_curve_stays_one_curve() -> None:
    assert len(statistics.delong(A, LABELS).auc) == len(statistics.delong(A, LABELS, 0.9).auc) == 1
    assert len(statistics.clustered_delong(A, LABELS, PATIENTS).auc) == len(statistics.clustered_delong(A, LABELS, PATIENTS, 0.9).auc) == 1
    assert len(statistics.delong(A, B, LABELS, 0.9).auc) == len(statistics.clustered_delong(A, B, LABELS, PATIENTS, 0.9).auc) == 2


@pytest.mark.parametrize("arguments", [{"scores_a": A, "labels": LABELS}, {"scores_b": B, "labels": LABELS}])
def test_one_arm_by_name_is_not_enough(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="delong: give scores_a, scores_b and labels"):
        statistics.delong(**arguments)


def test_mcnemar_takes_paired_arrays_as_well_as_counts() -> None:
    n10, n01 = int((RIGHT_A & ~RIGHT_B).sum()), int((RIGHT_B & ~RIGHT_A).sum())
    known = statistics.mcnemar(n10, n01)
    assert n10 and n01
    for found in (
        statistics.mcnemar(RIGHT_A, RIGHT_B), statistics.mcnemar(pd.Series(RIGHT_A), RIGHT_B.astype(int).tolist()),
        statistics.mcnemar(correct_a=RIGHT_A, correct_b=RIGHT_B), statistics.mcnemar(n10=n10, n01=n01),
        statistics.mcnemar(np.int64(n10), np.int64(n01)),
    ):  # fmt: skip
        assert found == known
    with pytest.raises(InputError, match="not the same items: correct_a has 60, correct_b has 59"):
        statistics.mcnemar(RIGHT_A, RIGHT_B[1:])
    with pytest.raises(InputError, match="n10: give a whole number"):
        statistics.mcnemar(RIGHT_A)


def test_a_threshold_and_clusters_are_taken_in_either_order() -> None:
    test, at = statistics.measures_at_threshold, statistics.measures_at_specificity
    known = repr(test(A, B, LABELS, clusters=PATIENTS, threshold=0.75))
    assert known == repr(test(A, B, LABELS, PATIENTS, 0.75)) == repr(test(A, B, LABELS, 0.75, PATIENTS))  # type: ignore[arg-type]
    assert repr(test(A, B, LABELS, 0.75)) == repr(test(A, B, LABELS, threshold=0.75)) != known  # type: ignore[arg-type]
    assert repr(at(A, B, LABELS, 0.8, PATIENTS, resamples=50)) == repr(at(A, B, LABELS, PATIENTS, 0.8, resamples=50))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in statistics.__all__ if hasattr(getattr(statistics, name), "__wrapped__")])
def test_the_examples_of_tests_that_are_wrapped_work(name: str) -> None:
    """The collector of examples takes functions that are defined in a module, and these are made by a decorator."""
    function = getattr(statistics, name)
    (found,) = doctest.DocTestFinder().find(function.__wrapped__, name, globs=vars(inspect.getmodule(function.__wrapped__)).copy())
    assert found.examples
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(found)
    assert runner.failures == 0
