"""Clustered and two-way differences of areas: brute force over pairs of items, limits, size where references are shared."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paper_figures.statistics import clustered_auroc_difference, clustered_delong, delong, two_way_delong
from paper_figures.statistics.roc.cluster_jackknife import contributions
from see_in_pairs.errors import InputError


def sample(seed: int, n: int = 90, digits: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 5 < 2
    return np.round(rng.normal(size=(2, n)) + labels, digits), labels, rng.integers(0, n // 3, size=n), rng.integers(0, 11, size=n)


@pytest.mark.parametrize("seed", range(4))
def test_contributions_are_delongs(seed: int) -> None:
    scores, labels, _, _ = sample(seed)
    parts, m, n = contributions(scores, labels), labels.sum(), (~labels).sum()
    assert parts[labels].sum() == pytest.approx(0, abs=1e-12)
    assert parts[~labels].sum() == pytest.approx(0, abs=1e-12)
    variance = m / (m - 1) * (parts[labels] ** 2).sum() + n / (n - 1) * (parts[~labels] ** 2).sum()
    assert math.sqrt(variance) == pytest.approx(delong(scores, labels).difference().se, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_contributions_against_leaving_an_item_out(seed: int) -> None:
    """The jackknife: leaving item i of class m out moves the difference by psi_i m / (m - 1), exactly (a U-statistic)."""
    scores, labels, _, _ = sample(seed, n=30)
    parts = contributions(scores, labels)
    whole = delong(scores, labels).difference().difference
    for item in range(30):
        keep = np.arange(30) != item
        size = (labels == labels[item]).sum()
        left = delong(scores[:, keep], labels[keep]).difference().difference
        assert (whole - left) == pytest.approx(parts[item] * size / (size - 1), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_two_way_against_the_sum_over_all_pairs(seed: int) -> None:
    scores, labels, patients, references = sample(seed)
    parts = contributions(scores, labels)
    same = [np.equal.outer(codes, codes) for codes in (patients, references)]
    factor = lambda shared: (g := len(np.unique(shared, axis=0))) / (g - 1)
    products = np.outer(parts, parts)
    terms = [factor(shared) * products[shared].sum() for shared in (*same, same[0] & same[1])]
    result = two_way_delong(scores, labels, patients, references)
    assert terms[0] + terms[1] - terms[2] > 0
    assert result.se == pytest.approx(math.sqrt(terms[0] + terms[1] - terms[2]), rel=1e-10)
    assert result.df == 10
    assert result.estimate == pytest.approx(delong(scores, labels).difference().difference)


def test_clusters_of_one_class_are_left_out_one_at_a_time() -> None:
    """Exact where a cluster holds one class: the areas without it, computed again."""
    scores, labels, _, _ = sample(1, n=60)
    patients = 2 * (np.arange(60) // 4) + labels  # four neighbours, split by class: clusters of unequal size
    names, estimate = np.unique(patients), delong(scores, labels).difference().difference
    moved = {name: estimate - delong(scores[:, patients != name], labels[patients != name]).difference().difference for name in names}
    parts = [np.array([moved[name] for name in names if (name % 2 == 1) == side]) for side in (True, False)]
    variances = [(len(part) - 1) / len(part) * (part**2).sum() for part in parts]
    result = clustered_auroc_difference(scores, labels, patients)
    assert result.se == pytest.approx(math.sqrt(sum(variances)), rel=1e-10)
    df = sum(variances) ** 2 / sum(v**2 / (len(part) - 1) for v, part in zip(variances, parts, strict=True))
    assert result.df == pytest.approx(min(df, len(names) - 1))


def test_equal_clusters_of_one_class_give_obuchowskis_variance() -> None:
    scores, _, _, _ = sample(1)
    labels, patients = np.arange(90) // 3 % 2 == 0, np.arange(90) // 3
    known, result = clustered_delong(scores, labels, patients).difference(), clustered_auroc_difference(scores, labels, patients)
    assert (result.estimate, result.se) == (pytest.approx(known.difference), pytest.approx(known.se))
    assert result.p > known.p
    assert 14 <= result.df <= 28


def test_independent_items_have_welchs_degrees_of_freedom() -> None:
    from scipy import stats

    scores, labels, _, _ = sample(2)
    gaps = contributions(scores, labels)
    welch = stats.ttest_ind(gaps[labels] * labels.sum(), gaps[~labels] * (~labels).sum(), equal_var=False)
    assert clustered_auroc_difference(scores, labels, np.arange(90)).df == pytest.approx(welch.df, rel=1e-9)


@given(st.integers(0, 10_000))
def test_swaps_permutations_and_monotone_transforms(seed: int) -> None:
    scores, labels, patients, references = sample(seed, n=40)
    order = np.random.default_rng(seed).permutation(40)
    for test in (lambda s, y, k, r: clustered_auroc_difference(s, y, k), two_way_delong):
        one, other = test(scores, labels, patients, references), test(scores[::-1], labels, patients, references)
        assert (other.estimate, other.p) == (pytest.approx(-one.estimate), pytest.approx(one.p))
        moved = test(scores[:, order], labels[order], patients[order], references[order])
        flipped = test(-scores, ~labels, patients, references)
        for same in (moved, test(np.exp(scores), labels, patients, references), flipped):
            assert (same.estimate, same.se) == (pytest.approx(one.estimate, abs=1e-12), pytest.approx(one.se, abs=1e-12))


def test_identical_and_separated_arms() -> None:
    scores, labels, patients, references = sample(3)
    same = np.stack([scores[0], scores[0]])
    for result in (clustered_auroc_difference(same, labels, patients), two_way_delong(same, labels, patients, references)):
        assert (result.estimate, result.p, result.interval, result.note) == (0, 1, (0, 0), "")
    perfect = np.stack([labels * 1.0, -1.0 * labels])
    for call in (
        lambda: clustered_auroc_difference(perfect, labels, patients),
        lambda: two_way_delong(perfect, labels, patients, references),
    ):
        with pytest.raises(InputError, match="separates"):
            call()


def test_malformed_input() -> None:
    scores, labels, patients, references = sample(3)
    with pytest.raises(InputError, match="two arms"):
        two_way_delong(scores[:1], labels, patients, references)
    with pytest.raises(InputError, match="one cluster"):
        two_way_delong(scores, labels, patients, np.zeros(90))
    with pytest.raises(InputError, match="one class"):
        clustered_auroc_difference(scores, np.ones(90), patients)


@pytest.mark.parametrize("sides", [True, False])
def test_size_when_references_are_shared(sides: bool) -> None:
    """120 patients, 20 references with an effect on arm A, areas equal; 400 replicates, two-way within .05 + 4 MCSE.

    Where a good reference moves scores to the right side of each class, the test by patient rejects above .10. Where it moves all scores
    one way, positive and negative items' contributions to the area cancel, and sharing references hardly matters.
    """
    rng, replicates, rejected = np.random.default_rng(6), 400, np.zeros(2)
    labels, patients = np.arange(120) % 2 == 0, np.arange(120)
    side = np.where(labels, 1.0, -1.0) if sides else np.ones(120)
    for _ in range(replicates):
        references = rng.integers(0, 20, size=120)
        own = side * np.stack([rng.normal(size=20)[references], rng.normal(size=120)])  # the same variance in both arms: equal areas
        scores = 1.5 * labels + rng.normal(size=120) + 0.5 * rng.normal(size=(2, 120)) + own
        tests = (clustered_auroc_difference(scores, labels, patients), two_way_delong(scores, labels, patients, references))
        rejected += [test.p < 0.05 for test in tests]
    rates, mcse = rejected / replicates, math.sqrt(0.05 * 0.95 / replicates)
    assert rates[1] < 0.05 + 4 * mcse
    assert rates[0] > 0.10 if sides else rates[0] < 0.05 + 4 * mcse
