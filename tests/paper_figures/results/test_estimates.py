"""Differences of areas take the test that fits the patients."""

from __future__ import annotations

import numpy as np
import pytest

from paper_figures.results.estimates import auroc_difference, aurocs
from paper_figures.results.runs import RunScores
from paper_figures.statistics import clustered_auroc_difference, delong
from paper_figures.statistics.roc.intervals import mann_whitney_interval


def _pair(images_of_each: int) -> tuple[RunScores, RunScores]:
    rng = np.random.default_rng(4)
    patients = np.repeat(np.arange(30), images_of_each).astype(str)
    positive = np.repeat(np.arange(30) % 2 == 0, images_of_each)
    items = np.arange(len(patients)).astype(str)
    shared = rng.normal(size=len(items)) + positive
    first, second = (shared + rng.normal(size=len(items)) for _ in range(2))
    return tuple(RunScores(None, items, patients, positive, logit) for logit in (first, second))  # type: ignore[arg-type, return-value]


def test_one_image_of_each_patient_is_compared_by_delong() -> None:
    first, second = _pair(1)
    found = auroc_difference(first, second)
    expected = delong([first.logit, second.logit], first.positive).difference(0, 1)
    assert (found.value, found.p) == pytest.approx((expected.difference, expected.p))


def test_several_images_of_a_patient_are_compared_with_a_jackknife_over_patients() -> None:
    first, second = _pair(4)
    found = auroc_difference(first, second)
    expected = clustered_auroc_difference([first.logit, second.logit], first.positive, first.patients)
    assert (found.value, found.p, *found.interval) == pytest.approx((expected.estimate, expected.p, *expected.interval))
    assert (found.items, found.patients) == (120, 30)
    assert "jackknife" in found.test


def test_a_class_in_one_patient_only_gives_a_reason_and_no_number() -> None:
    first, second = _pair(4)
    alone = first.patients == "0"
    found = auroc_difference(*(RunScores(s.run, s.items, s.patients, alone, s.logit) for s in (first, second)))
    assert np.isnan(found.value)
    assert found.reason


@pytest.mark.parametrize(("positives", "test"), [(2, None), (5, "jackknife"), (15, "DeLong")])
def test_a_rare_class_is_compared_by_t_or_not_at_all(positives: int, test: str | None) -> None:
    pair = [RunScores(s.run, s.items, s.patients, np.arange(30) < positives, s.logit) for s in _pair(1)]
    found = auroc_difference(*pair)
    assert bool(found.reason) == np.isnan(found.p) == (test is None)
    assert test is None or test in found.test


def test_an_area_of_few_positives_has_the_intervals_and_tests_of_few() -> None:
    """Seven of thirty: Newcombe's interval, and the p-value of Mann and Whitney without ties."""
    from scipy.stats import mannwhitneyu

    scores = _pair(1)[0]
    rare = RunScores(scores.run, scores.items, scores.patients, np.arange(30) < 7, scores.logit)
    found = aurocs([rare])[0]
    assert found.interval == pytest.approx(mann_whitney_interval(found.value, 7, 23))
    theirs = mannwhitneyu(scores.logit[:7], scores.logit[7:], method="asymptotic", use_continuity=False)
    assert found.p == pytest.approx(theirs.pvalue)
