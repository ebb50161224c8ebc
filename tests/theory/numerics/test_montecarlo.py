"""Estimates with their standard error: against brute force, and where outcomes are rare."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from theory.numerics.gaussian import two_sided_bound
from theory.numerics.montecarlo import (
    DeviationTally,
    MeanTally,
    MonteCarloEstimate,
    PairedTally,
    ProportionTally,
    RatioTally,
    covariance_root,
    log_likelihood_ratio,
    rank_auc,
    stream,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("tally", [ProportionTally, MeanTally, DeviationTally, RatioTally])
def test_batches_add_up(tally):
    values = RNG.random((1000, 2)) + 1 if tally is RatioTally else RNG.random(1000)
    values = values > 0.5 if tally is ProportionTally else values
    whole, parts = tally(), tally()
    whole.add(values)
    for part in np.array_split(values, 7):
        parts.add(part)
    assert parts.estimate().value == pytest.approx(whole.estimate().value, rel=1e-12)
    assert parts.estimate().mcse == pytest.approx(whole.estimate().mcse, rel=1e-12)


@pytest.mark.parametrize(
    ("tally", "draw"),
    [
        (ProportionTally, lambda rng: rng.random(400) < 0.3),
        (MeanTally, lambda rng: rng.exponential(size=400)),
        (DeviationTally, lambda rng: rng.normal(size=400)),
        (RatioTally, lambda rng: np.column_stack([rng.normal(5, 1, 400), rng.normal(4, 1, 400)])),
    ],
)
def test_standard_error_is_the_spread_of_the_estimate(tally, draw):
    rng, estimates, errors = np.random.default_rng(1), [], []
    for _ in range(1500):
        gathered = tally()
        gathered.add(draw(rng))
        estimates.append(gathered.estimate().value)
        errors.append(gathered.estimate().mcse)
    spread = np.std(estimates)
    assert np.mean(errors) == pytest.approx(spread, rel=4 / np.sqrt(2 * 1500))  # 4 s.e. of a standard deviation


def test_rare_outcomes_are_judged_by_the_exact_tail():
    tally = ProportionTally()
    tally.add(np.zeros(100_000, bool))
    assert tally.estimate().z_against(1e-29) == 0.0
    assert tally.estimate().mcse > 0
    assert tally.estimate().z_against(1e-3) < -10
    tally.add(np.ones(5, bool))
    expected = stats.norm.isf(stats.binom.sf(4, 100_005, 1e-5))
    assert tally.estimate().z_against(1e-5) == pytest.approx(expected)
    assert tally.estimate().z_against(0.0) == np.inf


def test_stated_error_is_forgiven_first():
    assert MonteCarloEstimate(0.51, 0.001, 10**6).z_against(0.5, allowance=0.02) == 0
    assert MonteCarloEstimate(0.51, 0.001, 10**6).z_against(0.5, allowance=0.005) == pytest.approx(5)
    assert MonteCarloEstimate(0.49, 0.001, 10**6).z_against(0.5, allowance=0.005) == pytest.approx(-5)


def test_few_replicates_are_judged_by_student():
    z = MonteCarloEstimate(5.0, 1.0, 4).z_against(0.0)
    assert stats.norm.sf(z) == pytest.approx(stats.t(3).sf(5.0))


def test_a_ratio_without_a_denominator_is_no_number():
    tally = RatioTally()
    tally.add(np.array([[0.0, 1.0], [1.0, -1.0]]))
    assert np.isnan(tally.estimate().value)


def test_bound_holds_the_family_wise_rate():
    assert 400 * 2 * stats.norm.sf(two_sided_bound(1e-4, 400)) == pytest.approx(1e-4)


def test_streams_differ_by_name_batch_and_seed_only():
    first = stream(0, "T1", "error").random()
    assert first == stream(0, "T1", "error").random()
    assert len({first, stream(1, "T1", "error").random(), stream(0, "T1", "auc").random(), stream(0, "T1", "error", batch=1).random()}) == 4


def test_covariance_root_of_a_singular_matrix():
    matrix = np.array([[1.0, 1.0, 0.5], [1.0, 1.0, 0.5], [0.5, 0.5, 1.0]])
    root = covariance_root(matrix)
    np.testing.assert_allclose(root @ root.T, matrix, atol=1e-14)


def test_log_likelihood_ratio_against_scipy():
    covariance, shift = np.array([[2.0, 0.3], [0.3, 1.0]]), np.array([1.0, -0.5])
    points = RNG.normal(size=(20, 2))
    expected = stats.multivariate_normal(shift, covariance).logpdf(points) - stats.multivariate_normal([0, 0], covariance).logpdf(points)
    np.testing.assert_allclose(log_likelihood_ratio(points, shift, covariance), expected, atol=1e-12)


def test_rank_auc_against_all_pairs():
    diseased, healthy = RNG.integers(0, 6, 40).astype(float) + 1, RNG.integers(0, 6, 30).astype(float)
    pairs = (diseased[:, None] > healthy).astype(float) + 0.5 * (diseased[:, None] == healthy)
    placed = rank_auc(diseased, healthy)
    assert placed.estimate().value == pytest.approx(pairs.mean())
    np.testing.assert_allclose(placed.diseased, pairs.mean(axis=1))
    np.testing.assert_allclose(placed.healthy, pairs.mean(axis=0))
    assert placed.minus(placed).value == 0


def test_no_difference_in_a_few_patients_is_not_certain():
    tally, plain = PairedTally(), MeanTally()
    for _ in range(2):
        tally.add(np.zeros(50))
        plain.add(np.zeros(50))
    assert plain.estimate().mcse == 0
    assert tally.estimate() == MonteCarloEstimate(0.0, pytest.approx(0.01), 100)  # as if one patient of a hundred had differed
    assert abs(tally.estimate().z_against(1e-9)) < 1e-6
    many = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], 100_000)
    tally, plain = PairedTally(), MeanTally()
    tally.add(many)
    plain.add(many)
    assert tally.estimate().mcse == pytest.approx(plain.estimate().mcse, rel=1e-4)
