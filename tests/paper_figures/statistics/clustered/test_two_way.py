"""Two-way clustered differences: brute force over all pairs of items, and a simulation of shared references."""

import math

import numpy as np
import pytest

from paper_figures.statistics import clustered_difference, two_way
from paper_figures.statistics.clustered.two_way import shared_products
from see_in_pairs.errors import InputError


def brute(a: np.ndarray, b: np.ndarray, patients: list[int], sets: list[set[int]]) -> float:
    """The variance as a sum over all pairs of items."""
    d = a.astype(float) - b
    e, n = d - d.mean(), len(d)
    patient = reference = both = 0.0
    for i in range(n):
        for j in range(n):
            same, shares = patients[i] == patients[j], bool(sets[i] & sets[j])
            patient, reference, both = (
                patient + same * e[i] * e[j],
                reference + shares * e[i] * e[j],
                both + (same and shares) * e[i] * e[j],
            )
    factor = lambda size: size / (size - 1)
    pairs = {(patient, name) for patient, names in zip(patients, sets, strict=True) for name in names}
    parts = factor(len(set(patients))) * patient, factor(len(set().union(*sets))) * reference, factor(len(pairs)) * both
    return (parts[0] + parts[1] - parts[2]) / n**2


@pytest.mark.parametrize("several", [1, 2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_brute_force_over_pairs(several: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 60
    a, b = rng.random(n) < 0.7, rng.random(n) < 0.6
    patients = (np.arange(n) // 3).tolist()
    sets = [set(rng.choice(9, size=rng.integers(1, several + 1), replace=False).tolist()) for _ in range(n)]
    result = two_way(a, b, patients, [sorted(entry) for entry in sets])
    expected = brute(a, b, patients, sets)
    if expected > 0:
        assert result.se == pytest.approx(math.sqrt(expected), rel=1e-10)
    else:
        assert "not positive" in result.note
    assert result.df == min(20, 9) - 1


def test_inclusion_and_exclusion_counts_each_pair_once() -> None:
    ones = np.ones(3)
    assert shared_products(ones, [(0, 1, 2), (0, 1, 2), (2,)]) == 9
    assert shared_products(ones, [(0,), (1,), (2,)]) == 3


def test_where_the_second_clusters_are_the_first_it_is_one_way() -> None:
    rng = np.random.default_rng(1)
    a, b, clusters = rng.random(90) < 0.7, rng.random(90) < 0.6, np.arange(90) // 3
    one, two = clustered_difference(a, b, clusters), two_way(a, b, clusters, clusters)
    assert (two.se, two.interval) == (pytest.approx(one.se), pytest.approx(one.interval))


def test_not_positive_falls_back_to_the_larger_one_way_variance() -> None:
    a, b = np.array([1, 0, 0, 1], dtype=bool), np.array([0, 1, 1, 0], dtype=bool)  # sums cancel in rows and in columns of a square
    result = two_way(a, b, ["p", "p", "q", "q"], ["r", "s", "r", "s"])
    assert "not positive" in result.note
    assert (result.estimate, result.p) == (0, 1)


def test_complete_separation_stays_finite() -> None:
    result = two_way([1] * 6, [0] * 6, list("aabbcc"), list("xyxyxy"))
    assert result.estimate == 1
    assert 0 < result.p < 1
    assert all(math.isfinite(end) for end in result.interval)


@pytest.mark.parametrize("second", [["r"] * 4, [["r"], ["r"], ["r"], ["r"]]])
def test_one_reference_for_all_is_an_error(second: list[object]) -> None:
    with pytest.raises(InputError, match="one cluster"):
        two_way([1, 0, 1, 1], [0, 1, 1, 0], list("aabb"), second)  # type: ignore[arg-type]


def test_malformed_memberships() -> None:
    for second in (["r"] * 3, [["r"], [], ["s"], ["r"]], [[str(i) for i in range(13)]] * 4):
        with pytest.raises(InputError, match="second clusters"):
            two_way([1, 0, 1, 1], [0, 1, 1, 0], list("aabb"), second)  # type: ignore[arg-type]


def test_size_when_references_are_shared() -> None:
    """Sixty patients x 2 images, 20 references with an effect on arm A only: one-way by patient is too sure, two-way is not.

    300 replicates: two-way within .05 + 4 MCSE, one-way above .08.
    """
    rng, replicates = np.random.default_rng(5), 300
    patients = np.repeat(np.arange(60), 2)
    rejected = np.zeros(2)
    for _ in range(replicates):
        references = rng.integers(0, 20, size=120)
        effect = rng.normal(scale=1.5, size=20)
        centre = np.log(0.7 / 0.3)
        a = rng.random(120) < 1 / (1 + np.exp(-(centre + effect[references])))
        b = rng.random(120) < np.mean(1 / (1 + np.exp(-(centre + 1.5 * rng.normal(size=4000)))))
        rejected += [clustered_difference(a, b, patients).p < 0.05, two_way(a, b, patients, references).p < 0.05]
    rates, mcse = rejected / replicates, math.sqrt(0.05 * 0.95 / replicates)
    assert rates[1] < 0.05 + 4 * mcse
    assert rates[0] > rates[1]
    assert rates[0] > 0.08
