"""The leak: its closed form, the coverage of its interval, and what it says where nothing bounds it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import t as student

from paper_figures.statistics import clustered_delong, estimate_leak
from paper_figures.statistics.roc.leak import CONSTANT, UNBOUNDED, leak_of
from see_in_pairs.errors import InputError
from theory.statements.t13_leak_law import leak_from_auroc


def scores(rng: np.random.Generator, patients: int, s: float, d: float = 1.3, images: int = 1) -> tuple[np.ndarray, ...]:
    labels, codes = np.repeat(np.arange(patients) % 2 == 1, images), np.repeat(np.arange(patients), images)
    own = np.repeat(rng.standard_normal((2, patients)), images, axis=1)
    noise = own if images == 1 else (own + rng.standard_normal((2, len(codes)))) / np.sqrt(2)
    return noise[0] + d * labels, noise[1] + s * d * labels, labels, codes


def test_the_leak_of_many_areas_is_that_of_the_statement_and_nothing_where_there_is_none() -> None:
    single, reference = np.array([0.829, 0.95, 0.6]), np.array([0.683, 0.4, 0.5])
    assert leak_of(single, reference) == pytest.approx(leak_from_auroc(single, reference))
    assert np.isnan(leak_of([0.5, 1.0, 0.8], [0.6, 0.7, 1.0])).all()


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    replicates, rng = 400, np.random.default_rng(1)
    for s, images in ((0.5, 1), (0.0, 1), (0.5, 3)):
        ends = [estimate_leak(*scores(rng, 80, s, images=images)).interval for _ in range(replicates)]
        covered = np.mean([low <= s <= high for low, high in ends])
        assert abs(covered - 0.95) < 3 * np.sqrt(0.95 * 0.05 / replicates)


def test_each_end_is_the_share_at_which_a_t_test_is_on_the_edge() -> None:
    single, reference, labels, codes = scores(np.random.default_rng(2), 60, 0.4, images=2)
    found = estimate_leak(single, reference, labels, codes)
    areas = clustered_delong([single, reference], labels, codes)
    slopes = np.diag(np.sqrt(2 * np.pi) * np.exp(ndtri(areas.auc) ** 2 / 2))
    covariance = slopes @ areas.covariance @ slopes
    for end in found.interval:
        contrast = np.array([-end, 1.0])
        statistic = contrast @ ndtri(areas.auc) / np.sqrt(contrast @ covariance @ contrast)
        assert abs(statistic) == pytest.approx(student.ppf(0.975, 29))


def test_several_trainings_count_as_their_average_and_their_spread_widens_the_interval() -> None:
    rng = np.random.default_rng(3)
    single, reference, labels, codes = scores(rng, 200, 0.4)
    one = estimate_leak(single, reference, labels, codes)
    same = estimate_leak([single] * 3, [reference] * 3, labels, codes)
    assert (same.estimate, same.interval) == (pytest.approx(one.estimate), pytest.approx(one.interval))
    spread = estimate_leak([single] * 3, [reference + shift * labels for shift in (-0.5, 0.0, 0.5)], labels, codes)
    assert spread.trainings == (3, 3)
    assert spread.df < 10 < one.df
    assert np.diff(spread.interval) > 1.5 * np.diff(one.interval)


def test_a_query_that_is_not_shown_to_tell_the_class_bounds_nothing() -> None:
    single, reference, labels, codes = scores(np.random.default_rng(4), 40, 0.5, d=0.1)
    found = estimate_leak(single, reference, labels, codes)
    assert (found.interval, found.reason) == ((-np.inf, np.inf), UNBOUNDED)


def test_areas_from_which_no_share_follows_are_refused() -> None:
    labels = np.arange(20) < 10
    noise = np.random.default_rng(5).standard_normal(20)
    with pytest.raises(InputError, match="no share follows"):
        estimate_leak(noise + 100 * labels, noise, labels)
    with pytest.raises(InputError, match="no share follows"):
        estimate_leak(np.zeros(20), noise, labels)
    for reference, says in ((noise[:-1], "not the same items: reference has 19, labels has 20"), ([[1, 2], [1]], "reference: not numbers"),
                            (["x"] * 20, "reference: not numbers"), (np.empty((0, 20)), "reference: no curve"),
                            (np.where(labels, np.nan, noise), "reference of curve 0: 10 are NaN")):  # fmt: skip
        with pytest.raises(InputError, match=says):
            estimate_leak(noise, reference, labels)


def test_a_reference_arm_that_gives_all_queries_one_score_bounds_nothing() -> None:
    single, reference, labels, codes = scores(np.random.default_rng(6), 80, 0.5)
    found = estimate_leak(single, [0 * reference, 0 * reference + 1], labels, codes)
    assert (found.estimate, found.interval, found.reason) == (0, (-np.inf, np.inf), CONSTANT)
    assert estimate_leak(single, [0 * reference, *[reference] * 9], labels, codes).reason == ""
