"""Clustered accuracy tests: the published PET/SPECT data, closed properties, and a simulation of their size."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paper_figures.statistics import clustered_difference, durkalski, mcnemar, obuchowski, yang
from see_in_pairs.errors import InputError

# PET against SPECT in 21 patients; a word per patient: both right, only A, only B, both wrong
PATIENTS = "0021 2010 3000 1000 2010 4000 3000 2000 1100 1000 2001 2000 3000 2000 0020 2001 2001 2010 2000 1000 2000".split()
DATA = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 6)), min_size=4, max_size=60).filter(
    lambda rows: len({row[2] for row in rows}) > 1
)


def pet_spect() -> tuple[list[int], list[int], list[int]]:
    cells = ((1, 1), (1, 0), (0, 1), (0, 0))
    rows = [(*cell, k) for k, word in enumerate(PATIENTS) for cell, count in zip(cells, word, strict=True) for _ in range(int(count))]
    a, b, clusters = zip(*rows, strict=True)
    return list(a), list(b), list(clusters)


def test_published_pet_spect_values() -> None:
    data = pet_spect()
    assert obuchowski(*data).statistic == pytest.approx(2.857143, abs=5e-7)
    assert durkalski(*data).statistic == pytest.approx(2.315068, abs=5e-7)
    assert yang(*data).statistic == pytest.approx(3.131660, abs=5e-7)
    n10, n01 = (sum(int(word[column]) for word in PATIENTS) for column in (1, 2))
    assert (n10 - n01) ** 2 / (n10 + n01) == 4.5
    assert mcnemar(n10, n01).asymptotic == pytest.approx(0.0338949, abs=1e-7)


@given(DATA)
def test_swapping_arms_and_permuting_rows(rows: list[tuple[bool, bool, int]]) -> None:
    a, b, clusters = (np.array(column) for column in zip(*rows, strict=True))
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    for test in (obuchowski, yang, durkalski):
        assert test(a, b, clusters).p == pytest.approx(test(b, a, clusters).p, abs=1e-12)
        assert test(a, b, clusters).p == pytest.approx(test(a[order], b[order], clusters[order]).p, abs=1e-12)
    one, other = clustered_difference(a, b, clusters), clustered_difference(b, a, clusters)
    assert one.estimate == -other.estimate
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]), abs=1e-12)
    assert 0 <= one.p <= 1
    assert math.isfinite(one.interval[0])
    assert math.isfinite(one.interval[1])


@given(DATA, st.integers(2, 4))
def test_duplicating_every_item_in_its_cluster_changes_nothing(rows: list[tuple[bool, bool, int]], times: int) -> None:
    a, b, clusters = (np.array(column) for column in zip(*rows, strict=True))
    for test in (obuchowski, yang, durkalski):
        twice = test(np.repeat(a, times), np.repeat(b, times), np.repeat(clusters, times))
        assert twice.statistic == pytest.approx(test(a, b, clusters).statistic, abs=1e-9)
    one = clustered_difference(a, b, clusters)
    other = clustered_difference(np.repeat(a, times), np.repeat(b, times), np.repeat(clusters, times))
    assert (other.estimate, other.se) == pytest.approx((one.estimate, one.se), abs=1e-12)


def test_ratio_estimator_against_linearised_residuals() -> None:
    """The same number from regression: an intercept with cluster-robust errors (statsmodels), up to its small-sample factor."""
    import statsmodels.api as sm

    a, b, clusters = (np.array(column) for column in pet_spect())
    fit = sm.OLS((a - b).astype(float), np.ones(len(a))).fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False})
    k = len(PATIENTS)
    result = clustered_difference(a, b, clusters)
    assert result.se == pytest.approx(float(fit.bse[0]) * math.sqrt(k / (k - 1)), rel=1e-12)
    assert result.df == k - 1


def test_clusters_of_one_item_give_mcnemar_up_to_the_factor() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random(80) < 0.7, rng.random(80) < 0.6
    n10, n01 = int((a & ~b).sum()), int((b & ~a).sum())
    assert obuchowski(a, b, np.arange(80)).statistic == pytest.approx(79 / 80 * (n10 - n01) ** 2 / (n10 + n01))
    assert clustered_difference(a, b, np.arange(80)).design_effect == pytest.approx(80 / 79)


def test_identical_arms() -> None:
    a, _, clusters = pet_spect()
    assert obuchowski(a, a, clusters).p == yang(a, a, clusters).p == durkalski(a, a, clusters).p == 1
    result = clustered_difference(a, a, clusters)
    assert (result.estimate, result.p, result.interval) == (0, 1, (0, 0))


def test_complete_separation_stays_finite() -> None:
    result = clustered_difference([1, 1, 1, 1], [0, 0, 0, 0], list("aabb"))
    assert result.estimate == 1
    assert result.interval[0] < 1
    assert result.interval[1] == 1
    assert 0 < result.p < 1
    assert result.note


def test_one_cluster_is_an_error() -> None:
    with pytest.raises(InputError, match="one cluster only"):
        obuchowski([1, 0], [0, 1], ["p", "p"])


def test_size_with_correlated_differences_where_mcnemar_fails() -> None:
    """Forty patients x 10 images and a patient x arm effect (SD 1, logit scale) under a true null of no difference on average.

    Plain McNemar rejects about .20 of the time here. The bounds are .05 and .12 plus and minus 4 MCSE over 600 replicates.
    """
    rng, replicates, patients, images = np.random.default_rng(20), 600, 40, 10
    clusters = np.repeat(np.arange(patients), images)
    rejected = np.zeros(3)
    for _ in range(replicates):
        effects = rng.normal(size=(2, patients))
        right = rng.random((2, patients * images)) < 1 / (1 + np.exp(-(0.8 + effects[:, clusters])))
        n10, n01 = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
        p = (mcnemar(n10, n01).asymptotic, obuchowski(*right, clusters).p, clustered_difference(*right, clusters).p)
        rejected += np.array(p) < 0.05
    rates, mcse = rejected / replicates, math.sqrt(0.05 * 0.95 / replicates)
    assert rates[0] > 0.12
    assert np.all(np.abs(rates[1:] - 0.05) < 4 * mcse)
