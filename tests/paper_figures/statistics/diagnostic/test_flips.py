"""The flip table: counts, the tie to the difference of accuracies, coverage, edges."""

import math

import numpy as np
import pytest

from paper_figures.statistics import clustered_difference, flip_table
from paper_figures.statistics.proportions.newcombe import wilson_interval
from see_in_pairs.errors import InputError


def test_independent_items() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(200) < 0.7, rng.random(200) < 0.6
    found = flip_table(a, b)
    assert (found.harmful.items, found.beneficial.items) == ((a & ~b).sum(), (b & ~a).sum())
    assert found.churn.share == found.harmful.share + found.beneficial.share
    assert found.churn.interval == pytest.approx(wilson_interval((a != b).sum(), 200, 1.959963984540054))


def test_the_flips_differ_by_the_accuracies() -> None:
    rng = np.random.default_rng(1)
    a, b, patients = rng.random(200) < 0.7, rng.random(200) < 0.6, np.arange(200) // 4
    found = flip_table(a, b, patients)
    assert found.harmful.share - found.beneficial.share == pytest.approx(clustered_difference(a, b, patients).estimate)


def test_several_trainings_are_averaged() -> None:
    a, b = np.array([1, 1, 0, 0, 1] * 40), np.array([0, 1, 1, 0, 1] * 40)
    twice = flip_table(np.tile(a, 2), np.concatenate([b, a]), np.tile(np.arange(200), 2), seeds=np.repeat([0, 1], 200))
    assert (twice.items, twice.trainings, twice.harmful.items) == (200, 2, 20)
    assert twice.harmful.share == pytest.approx(0.1)


@pytest.mark.parametrize("trainings", [1, 4])
def test_intervals_cover_with_clusters(trainings: int) -> None:
    rng, replicates, inside = np.random.default_rng(trainings), 300, 0
    for _ in range(replicates):
        patients = np.tile(np.arange(200) // 4, trainings)
        chance = np.clip(rng.beta(1, 3, size=50)[patients], 0, 1)  # of a harmful flip, 1/4 on average
        flips = rng.random(len(patients)) < chance
        found = flip_table(np.ones(len(patients)), ~flips, patients, seeds=np.repeat(np.arange(trainings), 200) if trainings > 1 else None)
        inside += found.harmful.interval[0] <= 0.25 <= found.harmful.interval[1]  # type: ignore[index]
    assert inside / replicates >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / replicates)


def test_edges() -> None:
    still = flip_table([1] * 30, [1] * 30, np.arange(30) // 3)
    assert still.churn.share == 0
    assert still.churn.interval == pytest.approx((0, wilson_interval(0, 10, 2.2621571628)[1]))  # 10 clusters, t of 9
    few = flip_table([1, 0, 1, 1], [0, 0, 1, 1], [1, 1, 2, 2])
    assert few.harmful.interval is None
    assert "2 clusters" in few.reason
    with pytest.raises(InputError, match="one cluster only"):
        flip_table([1, 0], [0, 0], [1, 1])
