"""The permutation test of two areas: written out for tiny data, exact against drawn patterns, invariances, its size and its bounds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from paper_figures.statistics import auroc_permutation, delong
from paper_figures.statistics.roc import permutation
from see_in_pairs.errors import InputError


def sample(n: int = 40, seed: int = 0, gap: float = 0.8, digits: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng, labels = np.random.default_rng(seed), np.arange(n) % 2 == 0
    return np.round(rng.normal(size=(2, n)) + rng.normal(size=n) + labels * np.array([[1 + gap], [1.0]]), digits), labels


def z_of(ranks: np.ndarray, labels: np.ndarray) -> float:
    found = delong(ranks, labels).difference()
    if found.se > 1e-12:
        return abs(found.z)
    return 0.0 if abs(found.difference) < 1e-12 else math.inf


@pytest.mark.parametrize("seed", range(4))
def test_every_pattern_written_out(seed: int) -> None:
    """All 2^8 swaps of the ranks, each analysed by `delong` as if it were the data."""
    scores, labels = sample(8, seed)
    ranks = np.stack([stats.rankdata(row) for row in scores])
    observed, count = z_of(ranks, labels), 0
    for swaps in itertools.product([False, True], repeat=8):
        pattern = np.where(swaps, ranks[::-1], ranks)
        count += z_of(pattern, labels) >= observed * (1 - 1e-9) - 1e-9
    found = auroc_permutation(scores, labels)
    assert (found.p, found.exact, found.mcse, found.resamples) == (pytest.approx(count / 256), True, 0, 128)
    assert found.difference == pytest.approx(delong(scores, labels).difference().difference, abs=1e-12)
    assert abs(found.z) == pytest.approx(observed)


def wins(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Probability that a number drawn from one interval is above one from the other, piece by piece between their ends."""
    edges, total, below = sorted({*one, *other}), 0.0, 0.0
    for left, right in itertools.pairwise(edges):
        shares = [(right - left) / (high - low) if low <= left and right <= high else 0.0 for low, high in (one, other)]
        total += shares[0] * (below + shares[1] / 2)
        below += shares[1]
    return total


@pytest.mark.parametrize(("seed", "digits"), [(1, 0), (2, 0), (5, 0), (4, 1)])
def test_every_pattern_of_tied_scores_written_out(seed: int, digits: int) -> None:
    """A tied item covers the ranks of its group: placements from the probabilities of all pairs, DeLong's variance from these."""
    scores, labels = sample(8, seed, digits=digits)
    covered = []
    for row in scores:
        ranks = stats.rankdata(row)
        half = np.array([(row == value).sum() for value in row]) / 2
        covered.append([(float(a - b), float(a + b)) for a, b in zip(ranks, half, strict=True)])
    zs = []
    for swaps in itertools.product([False, True], repeat=8):
        arms = [[covered[arm != swap][k] for k, swap in enumerate(swaps)] for arm in (0, 1)]
        positive, negative = np.flatnonzero(labels), np.flatnonzero(~labels)
        kernel = np.array([[wins(arms[0][i], arms[0][j]) - wins(arms[1][i], arms[1][j]) for j in negative] for i in positive])
        variance = kernel.mean(axis=1).var(ddof=1) / len(positive) + kernel.mean(axis=0).var(ddof=1) / len(negative)
        size = abs(kernel.mean())
        zs.append(size / math.sqrt(variance) if variance > 1e-12 else math.inf if size > 1e-12 else 0.0)
    found = auroc_permutation(scores, labels)
    assert abs(found.z) == pytest.approx(zs[0])
    assert found.difference == pytest.approx(delong(scores, labels).difference().difference, abs=1e-12)
    assert found.p == pytest.approx(np.mean([z >= zs[0] * (1 - 1e-9) - 1e-9 for z in zs]))


def test_what_swaps_change_is_the_probability_of_every_pair() -> None:
    """Arms of other tie groups: a tie of one arm is neither a win nor half of one in the other."""
    scores, labels = sample(12, 6, digits=0)
    ranks = np.stack([stats.rankdata(row) for row in scores])
    ties = (scores[:, :, None] == scores[:, None]).sum(axis=2).astype(float)
    own, other = permutation.swap_kernels(ranks, labels, ties)
    a, b = ([(r - t / 2, r + t / 2) for r, t in zip(*arm, strict=True)] for arm in zip(ranks, ties, strict=True))
    pairs = [(i, j) for i in np.flatnonzero(labels) for j in np.flatnonzero(~labels)]
    assert (own + other).ravel() == pytest.approx([wins(a[i], a[j]) - wins(b[i], b[j]) for i, j in pairs])
    crossed = [wins(a[i], b[j]) - wins(b[i], a[j]) for i, j in pairs]
    assert (own - other).ravel() == pytest.approx(crossed)
    assert not set(np.round(crossed, 6)) <= {-1, -0.5, 0, 0.5, 1}


def test_drawn_patterns_come_near_the_exact_p(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels = sample(14, seed=5)
    exact = auroc_permutation(scores, labels)
    monkeypatch.setattr(permutation, "EXACT_UP_TO", 2)
    drawn = auroc_permutation(scores, labels, 19_999, seed=4)
    assert not drawn.exact
    assert exact.exact
    assert abs(drawn.p - exact.p) < 4 * drawn.mcse
    assert drawn.mcse == pytest.approx(math.sqrt(drawn.p * (1 - drawn.p) / 20_000))


def test_z_is_delongs_for_large_samples_too() -> None:
    scores, labels = sample(900, digits=1)
    found = auroc_permutation(scores, labels, 99)
    assert found.z == pytest.approx(delong(scores, labels).difference().z, rel=1e-9)
    assert found.p >= 1 / 100


@pytest.mark.parametrize("n", [12, 50])
def test_only_ranks_count_and_neither_order_nor_the_arms_names_do(n: int) -> None:
    scores, labels = sample(n, 3, digits=1)
    found = auroc_permutation(scores, labels, 499)
    for changed in ([np.exp(scores[0]), scores[1] ** 3 - 7], [np.where(scores[0] == scores[0].max(), np.inf, scores[0]), scores[1]]):
        assert auroc_permutation(changed, labels, 499) == found
    order = np.random.default_rng(1).permutation(n)
    assert auroc_permutation(scores[:, order], labels[order], 499) == found
    swapped = auroc_permutation(scores[::-1], labels, 499)
    assert (swapped.p, swapped.z, swapped.difference) == (found.p, -found.z, -found.difference)


def test_arms_that_rank_alike_and_arms_that_separate() -> None:
    scores, labels = sample(30)
    assert auroc_permutation([scores[0], 2 * scores[0]], labels, 99).p == 1
    perfect = np.where(labels, 1.0, 0.0)
    assert auroc_permutation([perfect, perfect * 3], labels, 99).p == 1
    worst = auroc_permutation([perfect, 1 - perfect], labels, 199)
    assert (worst.difference, worst.z, worst.p) == (1, math.inf, 1 / 200)


def test_its_size_is_nearer_to_the_level_than_delongs() -> None:
    """Areas of .90, 20 + 20 items, correlation .8: 700 replicates; the kept study has 4,000 in each of many designs."""
    rng, labels = np.random.default_rng(12), np.arange(40) < 20
    scores = math.sqrt(0.8) * rng.normal(size=(700, 1, 40)) + math.sqrt(0.2) * rng.normal(size=(700, 2, 40)) + 1.812 * labels
    sizes = [np.mean([test(one) < 0.05 + 1e-9 for one in scores]) for test in (
        lambda one: auroc_permutation(one, labels, 199).p, lambda one: delong(one, labels).difference().p,
    )]  # fmt: skip
    assert sizes[1] < 0.03 < sizes[0] < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 700)


def test_it_keeps_its_level_with_scores_of_few_steps() -> None:
    """Ratings from 1 to 5, 20 items, areas near .97: ties that break in swaps would make .12; 700 replicates."""
    rng, labels = np.random.default_rng(3), np.arange(20) < 10
    scores = np.clip(np.round(rng.normal(size=(700, 2, 20)) + 2.66 * labels), -1, 3)
    assert np.mean([auroc_permutation(one, labels, 199).p < 0.05 + 1e-9 for one in scores]) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 700)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((3, 4)), [0, 1, 0, 1], "two arms"), (np.zeros((2, 3)), [0, 1, 1], "at least two"),
        (np.zeros((2, 4)), [1, 1, 1, 1], "one class"), ([[1, 2, np.nan, 3], [1, 2, 3, 4]], [0, 1, 0, 1], "NaN"),
        (np.zeros((2, 1200)), np.arange(1200) % 2, "360,000 pairs"), (np.zeros((2, 4)), [0, 1, 0], "not the same items"),
    ],
)  # fmt: skip
def test_malformed_input(scores: object, labels: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        auroc_permutation(scores, labels)  # type: ignore[arg-type]


def test_no_pattern_to_draw_and_a_negative_seed_are_refused() -> None:
    scores, labels = np.random.default_rng(0).standard_normal((2, 20)), np.arange(20) % 2
    for options, says in (({"resamples": 0}, "at least 1"), ({"seed": -1}, "seed: cannot be negative")):
        with pytest.raises(InputError, match=says):
            auroc_permutation(scores, labels, **options)
