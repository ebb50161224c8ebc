"""The sign-flip test against full enumeration, scipy's permutation test, and its own lower bound."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import paper_figures.statistics.clustered.sign_flip as sign_flip_module
from paper_figures.statistics import mcnemar, sign_flip
from see_in_pairs.errors import InputError


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_full_enumeration(sums: list[int]) -> None:
    result = sign_flip(sums, np.arange(len(sums)))
    patterns = [abs(np.dot(signs, sums)) for signs in product((1, -1), repeat=len(sums))]
    assert result.p == pytest.approx(np.mean(np.array(patterns) >= abs(sum(sums))))
    assert result.exact
    assert result.resamples == 2 ** sum(value != 0 for value in sums)


def test_unclustered_accuracy_is_exact_mcnemar() -> None:
    assert sign_flip([1] * 2 + [-1] * 9 + [0] * 30).p == pytest.approx(mcnemar(2, 9).exact)
    many = sign_flip([1] * 121 + [-1] * 59)
    assert many.exact
    assert many.p == pytest.approx(mcnemar(121, 59).exact, rel=1e-9)
    drawn = sign_flip([0.5] * 121 + [-0.5] * 59, resamples=200_000, seed=1)  # only whole numbers are added up
    assert not drawn.exact
    assert abs(drawn.p - mcnemar(121, 59).exact) < 5 * 1e-5


def test_the_distribution_that_is_added_up_is_that_of_all_patterns() -> None:
    """Sixteen clusters listed pattern by pattern, and the same by sums; interval included, unequal sizes."""
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(16), rng.integers(1, 5, 16))
    differences = rng.choice([-1, 0, 1], size=len(clusters), p=[0.1, 0.5, 0.4])
    sums, sizes = np.bincount(clusters, differences), np.bincount(clusters).astype(float)
    x, y, weights = sign_flip_module._distribution(sums, sizes)
    signs = sign_flip_module._all_patterns(16)
    known: dict[tuple[float, float], float] = defaultdict(float)
    for pair in zip(signs @ sums, signs @ sizes, strict=True):
        known[pair] += 2.0**-16
    assert {pair: weight for *pair_, weight in zip(x, y, weights, strict=True) for pair in [tuple(pair_)]} == pytest.approx(known)
    listed = sign_flip(differences, clusters)
    ends, _ = sign_flip_module._interval(x, y, weights, sums.sum(), sizes.sum(), 0.05)
    assert ends == pytest.approx(listed.interval)


def test_the_interval_of_thirty_patients_does_not_depend_on_the_seed() -> None:
    """Sixty items of thirty patients, whose lower end was 0 or -.03 by the seed of the patterns."""
    rng = np.random.default_rng(1)
    differences, clusters = rng.choice([-1, 0, 1], size=60, p=[0.1, 0.6, 0.3]), np.arange(60) // 2
    assert len({sign_flip(differences, clusters, seed=seed).interval for seed in range(5)}) == 1


def test_many_clusters_against_scipy() -> None:
    rng = np.random.default_rng(0)
    sums = rng.normal(0.15, 1, size=60)
    ours = sign_flip(sums, resamples=20_000, seed=2)
    theirs = stats.permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1))
    assert abs(ours.p - theirs.pvalue) < 5 * np.sqrt(2) * ours.mcse


def test_never_below_one_over_b_plus_one() -> None:
    result = sign_flip(np.ones(500), resamples=999)
    assert result.p == 1 / 1000
    assert result.mcse > 0


def test_five_clusters_cannot_go_below_two_in_thirty_two() -> None:
    assert sign_flip([3, 1, 4, 1, 5]).p == 2 / 32


def test_a_million_items_in_a_moment() -> None:
    rng = np.random.default_rng(3)
    differences = rng.choice([-1, 0, 1], size=10**6, p=[0.1, 0.8, 0.1])
    assert 0 < sign_flip(differences, resamples=999).p <= 1


def test_swapping_arms_and_permuting_rows() -> None:
    rng = np.random.default_rng(4)
    differences, clusters = rng.choice([-1, 0, 1], size=200), rng.integers(0, 60, size=200)
    order = rng.permutation(200)
    one = sign_flip(differences, clusters, seed=1)
    assert sign_flip(-differences, clusters, seed=1).p == one.p
    assert sign_flip(differences[order], clusters[order], seed=1).p == one.p


def test_no_difference_gives_one() -> None:
    assert sign_flip([0, 0, 0]).p == 1
    assert sign_flip([1, -1, 2, -2], list("aabb")).p == 1


def test_size_under_the_null() -> None:
    """Exact over 8 clusters: the share of p <= .05 over 400 null data sets is at most .05 + 4 MCSE."""
    rng = np.random.default_rng(5)
    p = np.array([sign_flip(rng.normal(size=8)).p for _ in range(400)])
    assert (p <= 0.05).mean() < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 400)


def test_infinite_differences_are_refused() -> None:
    with pytest.raises(InputError):
        sign_flip([np.inf, 1.0])


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 4)), min_size=6, max_size=9), st.floats(-1, 1))
def test_the_interval_is_what_the_test_does_not_reject(clusters: list[tuple[int, int]], delta: float) -> None:
    """Each difference delta is tested by full enumeration of the signs of D_k - n_k delta."""
    sums, sizes = (np.array(column, float) for column in zip(*clusters, strict=True))
    items = np.repeat(np.arange(len(sums)), sizes.astype(int))
    result = sign_flip((sums / sizes)[items], items)
    low, high = result.interval
    moved = sums - sizes * delta
    totals = np.array([np.dot(signs, moved) for signs in product((1, -1), repeat=len(sums))])
    p = (np.abs(totals) >= abs(moved.sum()) - 1e-9).mean()
    if min(abs(delta - low), abs(delta - high)) > 1e-6:
        assert (p > 0.05) == (low < delta < high)
    assert low <= result.difference <= high


def test_interval_and_p_agree_and_flip_with_the_arms() -> None:
    rng = np.random.default_rng(7)
    for seed in range(30):
        differences, clusters = rng.choice([-1, 0, 1], size=120, p=[0.1, 0.7, 0.2]), rng.integers(0, 40, size=120)
        one, other = sign_flip(differences, clusters, 999, seed=seed), sign_flip(-differences, clusters, 999, seed=seed)
        assert (one.p <= 0.05) == (not one.interval[0] <= 0 <= one.interval[1])
        assert (other.p, other.interval) == (one.p, (-one.interval[1], -one.interval[0]))


def test_five_clusters_give_no_interval_and_many_equal_the_t_interval() -> None:
    assert sign_flip([3, 1, 4, 1, 5]).interval == (-np.inf, np.inf)
    values = np.random.default_rng(8).normal(0.3, 1, size=4000)
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    ours = sign_flip(values, resamples=9999).interval
    assert np.allclose(ours, (low, high), atol=0.1 * (high - low) / 2)  # a random quantile of 9,999: about 2 % of the half-width


def test_ends_carry_their_monte_carlo_error() -> None:
    """The spread of the ends over forty seeds is what one run says (an SD from 40 is known to 11 %; the stated error to as much)."""
    rng = np.random.default_rng(9)
    differences, clusters = 0.5 * rng.choice([-1, 0, 1], size=400, p=[0.1, 0.7, 0.2]), np.arange(400) // 4
    runs = [sign_flip(differences, clusters, 999, seed=seed) for seed in range(40)]
    for end in (0, 1):
        spread, said = np.std([run.interval[end] for run in runs]), np.mean([run.interval_mcse[end] for run in runs])
        assert 0.6 < spread / said < 1.5
    assert sign_flip(differences[:40], clusters[:40]).interval_mcse == (0, 0)
