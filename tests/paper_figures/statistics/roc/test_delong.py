"""DeLong, plain and clustered, against placement matrices; rank properties; degenerate curves."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paper_figures.statistics import clustered_delong, delong
from paper_figures.statistics.roc.intervals import mann_whitney_interval
from see_in_pairs.errors import InputError


def placement_matrix(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """psi(X_i, Y_j) = 1, 1/2 or 0, positive by negative: O(m n)."""
    x, y = scores[labels][:, None], scores[~labels][None, :]
    return (x > y) + 0.5 * (x == y)


def brute(curves: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    matrices = [placement_matrix(row, labels) for row in curves]
    v10, v01 = np.array([m.mean(axis=1) for m in matrices]), np.array([m.mean(axis=0) for m in matrices])
    return v10.mean(axis=1), np.cov(v10) / v10.shape[1] + np.cov(v01) / v01.shape[1]


def brute_clustered(curves: np.ndarray, labels: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Obuchowski (1997), written out with her sums."""
    matrices = [placement_matrix(row, labels) for row in curves]
    auc = np.array([matrix.mean() for matrix in matrices])
    m, n, names = labels.sum(), (~labels).sum(), np.unique(clusters)
    p, q = np.zeros((len(curves), len(names))), np.zeros((len(curves), len(names)))
    for k, name in enumerate(names):
        p[:, k] = [(matrix.mean(axis=1)[clusters[labels] == name] - area).sum() for matrix, area in zip(matrices, auc, strict=True)]
        q[:, k] = [(matrix.mean(axis=0)[clusters[~labels] == name] - area).sum() for matrix, area in zip(matrices, auc, strict=True)]
    k10, k01, k = len(np.unique(clusters[labels])), len(np.unique(clusters[~labels])), len(names)
    s10, s01 = k10 / ((k10 - 1) * m) * p @ p.T, k01 / ((k01 - 1) * n) * q @ q.T
    s11 = k / (k - 1) * p @ q.T
    return s10 / m + s01 / n + (s11 + s11.T) / (m * n)


def sample(seed: int, n: int = 120, curves: int = 3, digits: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    scores = np.round(rng.normal(size=(curves, n)) + labels * rng.uniform(0, 2, size=(curves, 1)), digits)  # rounded: many ties
    return scores, labels, rng.integers(0, n // 4, size=n)


@pytest.mark.parametrize("digits", [0, 1, 8])
@pytest.mark.parametrize("seed", range(6))
def test_brute_force_placement_matrix(seed: int, digits: int) -> None:
    scores, labels, clusters = sample(seed, digits=digits)
    auc, covariance = brute(scores, labels)
    result = delong(scores, labels)
    assert np.abs(result.auc - auc).max() < 1e-12
    assert np.abs(result.covariance - covariance).max() < 1e-12
    robust = clustered_delong(scores, labels, clusters)
    expected = brute_clustered(scores, labels, clusters)
    assert np.linalg.eigvalsh(expected)[0] > 0  # else the fall-back is used
    assert np.abs(robust.covariance - expected).max() < 1e-12


def test_infinite_scores_are_ranks_like_any_other() -> None:
    scores, labels, _ = sample(1)
    ends = scores.copy()
    ends[:, :6], ends[:, 6:12] = np.inf, -np.inf
    far = np.where(np.isinf(ends), np.sign(ends) * 1e6, ends)
    assert np.array_equal(delong(ends, labels).covariance, delong(far, labels).covariance)
    auc, _ = brute(far, labels)
    assert delong(ends, labels).auc == pytest.approx(auc, abs=1e-12)


CURVES = st.integers(4, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-5, 5), min_size=n, max_size=n),
        st.lists(st.integers(-5, 5), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda flags: 2 <= sum(flags) <= len(flags) - 2),
    )
)


@given(CURVES)
def test_rank_properties(data: tuple[list[int], list[int], list[bool]]) -> None:
    a, b, labels = np.array(data[0], float), np.array(data[1], float), np.array(data[2])
    result = delong([a, b], labels)
    flipped, monotone = delong([a, b], ~labels), delong([np.exp(a), b**3 + 7], labels)
    assert flipped.auc == pytest.approx(1 - result.auc, abs=1e-12)
    assert monotone.auc == pytest.approx(result.auc, abs=0)
    assert monotone.covariance == pytest.approx(result.covariance, abs=0)
    one, other = result.difference(0, 1), result.difference(1, 0)
    assert one.difference == -other.difference
    assert one.p == pytest.approx(other.p, abs=1e-12)
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]), abs=1e-9)
    assert all(math.isfinite(end) for end in (*one.interval, *result.interval(0)))
    order = np.random.default_rng(len(a)).permutation(len(a))
    assert delong([a[order], b[order]], labels[order]).covariance == pytest.approx(result.covariance, abs=1e-14)


@given(CURVES)
def test_duplicating_every_item_in_its_cluster_changes_nothing(data: tuple[list[int], list[int], list[bool]]) -> None:
    scores, labels = np.array(data[:2], float), np.array(data[2])
    clusters = np.arange(len(labels))
    once = clustered_delong(scores, labels, clusters)
    twice = clustered_delong(np.repeat(scores, 2, axis=1), np.repeat(labels, 2), np.repeat(clusters, 2))
    assert twice.auc == pytest.approx(once.auc, abs=1e-12)
    assert twice.covariance == pytest.approx(once.covariance, abs=1e-12)


def test_clusters_of_one_item_are_delong() -> None:
    scores, labels, _ = sample(2)
    assert clustered_delong(scores, labels, np.arange(120)).covariance == pytest.approx(delong(scores, labels).covariance, abs=1e-14)


def test_covariance_never_turns_negative() -> None:
    """Clusters that hold one item of each class, scored so that the cross term is as negative as can be."""
    scores = np.array([[1.0, 0.0, 5.0, 4.0, 9.0, 8.0], [2.0, 1.0, 6.0, 5.0, 3.0, 2.0]])
    result = clustered_delong(scores, [1, 0, 1, 0, 1, 0], [0, 0, 1, 1, 2, 2])
    assert np.linalg.eigvalsh(result.covariance)[0] >= -1e-15


def test_identical_curves() -> None:
    scores, labels, clusters = sample(3, curves=1)
    for result in (delong([scores[0]] * 2, labels), clustered_delong([scores[0]] * 2, labels, clusters)):
        difference = result.difference()
        assert (difference.difference, difference.p, difference.interval) == (0, 1, (0, 0))
        assert result.equality().p == 1


def test_perfect_separation_has_a_finite_interval() -> None:
    labels = np.array([0] * 10 + [1] * 10, dtype=bool)
    perfect, constant = np.arange(20.0), np.zeros(20)
    result = delong([perfect, constant], labels)
    low, high = result.interval(0)
    assert 0.7 < low < high == 1
    difference = result.difference()
    assert difference.difference == 0.5
    assert 0 < difference.p < 1
    assert 0 < difference.interval[0] < 0.5 < difference.interval[1] <= 1
    both = delong([perfect, perfect * 2 + 1], labels).difference()
    assert (both.p, both.difference) == (1, 0)


def test_newcombe_interval_solves_its_equation() -> None:
    m, n, auc, z = 30, 50, 0.9, 1.959963984540054
    for end in mann_whitney_interval(auc, m, n):
        spread = (m + n) / 2 - 1
        variance = end * (1 - end) / (m * n) * (1 + spread * (1 - end) / (2 - end) + spread * end / (1 + end))
        assert (auc - end) ** 2 == pytest.approx(z**2 * variance, rel=1e-9)


def test_logit_interval_keeps_its_coverage_near_one() -> None:
    """Normal scores with an area of .95, 40 + 40 items, 800 replicates: within 4 MCSE of .95, give or take .02 of approximation."""
    rng, replicates, shift = np.random.default_rng(0), 800, 2.3261743
    labels = np.repeat([True, False], 40)
    covered = 0
    for _ in range(replicates):
        low, high = delong(rng.normal(size=80) + shift * labels, labels).interval()
        covered += low <= 0.95 <= high
    assert abs(covered / replicates - 0.95) < 0.02 + 4 * math.sqrt(0.05 * 0.95 / replicates)


def test_size_of_the_clustered_test() -> None:
    """Sixty patients x 4 images, both arms equally good, a patient effect on their difference: 400 replicates, .05 + 4 MCSE."""
    rng, replicates = np.random.default_rng(1), 400
    clusters = np.repeat(np.arange(60), 4)
    labels = np.repeat(np.arange(60) % 2 == 0, 4)
    rejected = np.zeros(2)
    for _ in range(replicates):
        noise = rng.normal(size=(2, 60))[:, clusters] + rng.normal(size=(2, 240))
        scores = noise + labels
        rejected += [test.difference().p < 0.05 for test in (delong(scores, labels), clustered_delong(scores, labels, clusters))]
    rates = rejected / replicates
    assert rates[1] < 0.05 + 4 * math.sqrt(0.05 * 0.95 / replicates)
    assert rates[0] > 0.12


def test_several_curves_equality_is_invariant_to_their_order() -> None:
    scores, labels, _ = sample(4)
    assert delong(scores, labels).equality().statistic == pytest.approx(delong(scores[[2, 0, 1]], labels).equality().statistic)
    assert delong(scores[:2], labels).equality().p == pytest.approx(delong(scores[:2], labels).difference().p)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, 2.0], [1, 1], "one class only"),
        ([1.0, float("nan"), 3.0], [0, 1, 1], "NaN"),
        ([1.0, 2.0, 3.0], [0, 1, 1], "at least two"),
        ([1.0, 2.0, 3.0], [0, 1], "not the same items"),
        ([], [], "no items"),
        (["x", "y"], [0, 1], "not numbers"),
        ([1.0, 2.0], [0, 2], "0 and 1"),
    ],
)
def test_malformed_input(scores: list[object], labels: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        delong(scores, labels)  # type: ignore[arg-type]
