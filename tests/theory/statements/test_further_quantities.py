"""Quantities beside the tables: limits that tie them to what is already checked, signs of the controls, minimax by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.numerics.montecarlo import rank_auc
from theory.power.evidence import correlation_from_variances
from theory.statements import t1_univariate_rules as t1
from theory.statements import t2_several_references as t2
from theory.statements import t2_unequal_references as unequal
from theory.statements import t3_patients_needed as trials
from theory.statements import t3_sample_size as t3
from theory.statements import t5_ranking as ranking
from theory.statements import t5_site_shift as t5
from theory.statements import t6_aware_rule as aware
from theory.statements import t6_faulty_references as t6
from theory.statements import t7_distance as distance
from theory.statements import t7_matching as t7
from theory.statements import t8_logistic_efficiency as t8
from theory.statements import t10_gain as gains
from theory.statements import t10_shared_references as sharing
from theory.statements import t11_augmentation as augmentation
from theory.statements import t11_controls as controls
from theory.statements import t11_rival_models as rivals
from theory.statements import t11_unlabelled as unlabelled
from theory.statements import t12_formulas as formulas
from theory.statements import t12_minimax as minimax
from theory.statements import t12_misspecified as misspecified
from theory.statements.t11_rival_models import FINGERPRINT, MODELS

correlations = st.floats(-0.95, 0.95)


@given(st.floats(0.01, 0.99), st.floats(-6, 6))
def test_the_linear_estimator_never_uses_more_than_there_is(pi, delta):
    linear, all_of_it = float(rivals.unlabelled_value(pi, delta)), float(unlabelled.unlabelled_information(pi, delta))
    assert linear - 1e-12 <= all_of_it <= 1 + 1e-12
    assert all_of_it == pytest.approx(float(unlabelled.unlabelled_information(1 - pi, -delta)), abs=1e-12)


def test_maximum_likelihood_reaches_the_information_of_unlabelled_references():
    images = np.random.default_rng(3)
    n, sets, delta = 400, 2_000, 3.0
    seen = images.standard_normal((sets, n)) + delta * (images.random((sets, n)) < 0.5)
    mean = seen.mean(axis=1, keepdims=True) - delta / 2
    assert n * mean.var() == pytest.approx(1 / 0.308, rel=0.1)  # linear
    for _ in range(60):  # EM
        chance = 1 / (1 + np.exp(-delta * (seen - mean - delta / 2)))
        mean = (seen - delta * chance).mean(axis=1, keepdims=True)
    assert n * mean.var() == pytest.approx(1 / 0.556, rel=0.1)


@given(st.integers(1, 20), st.integers(3, 30), correlations, st.floats(0, 0.99))
def test_shared_references_never_tell_more_than_own_ones(k, R, rho, more):
    n, between = k * R + (k * R < 6) * 6 * R, rho**2 + more * (0.999 - rho**2)
    factor = float(sharing.sharing_factor(n, rho, R, between))
    assert factor >= 1 - 1e-12
    assert sharing.sharing_factor(n, rho, n) == 1
    assert sharing.shared_rho_cover(n, 0.0, R) == pytest.approx(0.95)
    assert factor >= float(sharing.sharing_factor(n, rho, R)) - 1e-9


@settings(max_examples=40)
@given(st.floats(0.3, 3), correlations, st.sampled_from(t6.FAULTS), st.floats(0.01, 0.99), st.floats(0.05, 0.95))
def test_knowing_the_rate_never_hurts(d, rho, fault, rate, pi):
    error = aware.aware_error(d, rho, fault, rate, pi)
    assert error >= float(t1.error(d, rho, "optimal", pi)) - 1e-9
    if fault == "diseased":  # a reference can always be ignored; a swapped one cannot
        assert error <= float(t1.error(d, rho, "single", pi)) + 1e-9
    assert aware.aware_error(d, rho, fault, rate) <= float(t6.error(d, rho, rho, fault, rate)) + 1e-9


@given(st.floats(0.3, 3), correlations, st.sampled_from(t6.FAULTS))
def test_certain_faults_that_are_known_cost_nothing(d, rho, fault):
    assert aware.aware_error(d, rho, fault, 1.0) == pytest.approx(float(t1.error(d, rho, "optimal")), abs=1e-9)


@given(st.floats(0, 0.9), st.integers(1, 8), st.sampled_from(t2.RULES))
def test_equal_correlations_are_a_case_of_unequal_ones(rho, m, rule):
    between = np.full((m, m), rho) + (1 - rho) * np.eye(m)
    assert unequal.unequal_error(1.3, [rho] * m, between.tolist(), rule, 0.2) == pytest.approx(float(t2.error(1.3, rho, rho, m, rule, 0.2)))


@given(st.floats(0.05, 0.9), st.floats(0, 1), st.sampled_from(t2.RULES))
def test_many_references_approach_the_limit(rho, more, rule):
    rho_rr = rho**2 + more * (0.99 - rho**2)
    limit = float(unequal.limit_variance(rho, rho_rr, rule))
    assert float(t2.variance(rho, rho_rr, 10**9, rule)) == pytest.approx(limit, abs=2e-6)


@pytest.mark.parametrize("analysis", ["ttest", "change"])
@pytest.mark.parametrize(("rho", "d"), [(0.3, 0.3), (0.6, 0.5), (0.8, 0.25)])
def test_the_wanted_power_is_reached_to_a_percent(analysis, rho, d):
    n = int(np.ceil(trials.n_for_power(rho, d, analysis)))
    assert trials.needed_caveat({"rho": rho, "d": d, "analysis": analysis}) == ""
    assert float(t3.power(n, rho, d, analysis)) == pytest.approx(0.8, abs=0.012)


def _sign(gain: float) -> str:
    return "0" if abs(gain) < 1e-12 else "+" if gain > 0 else "-"


@pytest.mark.parametrize("control", controls.ROWS)
@pytest.mark.parametrize("model", MODELS)
def test_every_control_has_the_sign_of_the_fingerprint(model, control):
    gain, said = controls.gain(model, control), FINGERPRINT[controls.ROWS[control]][model]
    told = {"label_hidden": "random_cross_site" if model == "mean" else "matched_same_site", "large_training": "matched_same_site"}.get(
        control
    )
    before = controls.gain(model, told) if told else gain
    expected = {"smaller": 0 < gain < before, "unchanged": gain == before, "persists": gain == before > 0, "vanishes": abs(gain) < 1e-12}
    assert expected.get(said, True if said == "unclear" else _sign(gain) == said)


@given(st.floats(0.2, 3), st.floats(0.1, 3), st.integers(0, 30))
def test_the_gain_from_an_unknown_mean_decays_with_the_bank(d, strength, bank):
    now, later = (controls.gain("mean", "random_cross_site", d, strength, n) for n in (bank, bank + 5))
    assert now > later >= 0


@given(correlations, correlations, st.sampled_from(minimax.CRITERIA))
def test_no_weight_on_a_grid_has_a_smaller_worst_case(one, other, criterion):
    low, high = min(one, other), max(one, other)
    rhos, w = np.linspace(low, high, 101), np.linspace(-1, 1, 401)[:, None]
    variance, best = 1 - 2 * w * rhos + w * w, 1 - rhos**2
    loss = {"regret": variance - best, "variance": variance, "ratio": variance / best}[criterion]
    assert minimax.minimax_risk(low, high, criterion) <= loss.max(axis=1).min() + 1e-9


@given(st.floats(0.2, 3), correlations, correlations, st.floats(0.02, 0.98))
def test_a_wrong_correlation_never_helps(d, rho, assumed, pi):
    right = float(t1.error(d, rho, "optimal", pi))
    assert float(misspecified.misspecified_error(d, rho, assumed, pi)) >= right - 1e-12
    assert float(misspecified.misspecified_error(d, rho, rho, pi)) == pytest.approx(right)


@given(st.floats(0.1, 4), st.floats(-5, 5))
def test_only_the_difference_is_free_of_a_common_shift(delta, a):
    assert float(misspecified.shifted_error(delta, 1.0, a)) == pytest.approx(float(misspecified.shifted_error(delta, 1.0, 0.0)))
    assert float(misspecified.shifted_error(delta, 0.5, 1e4)) == pytest.approx(0.5)


variances = st.floats(0.1, 20)


@given(variances, variances)
def test_the_tuned_matched_difference_beats_the_single_image_only_where_nuisance_prevails(A, E):
    best = t7.goldilocks(A, E)
    squared = float(t7.separation("iso", 1.0, A, E, best if np.isfinite(best) else 1e12, "difference")) ** 2 * (A + E)
    if abs(A / E - 9.4193) > 1e-3:
        assert (squared > 1) == (A / E > 9.4193)
    if np.isfinite(best) and best < 1e6:
        random = 0.5
        assert squared / random == pytest.approx(A * (A + E) / ((1 + np.sqrt(2)) ** 2 * E * (A - E)), rel=1e-9)


@given(variances, variances, st.floats(0, 0.99))
def test_tighter_matching_at_a_fixed_weight_has_no_best_point_inside(A, E, w):
    squared = np.square(t7.separation("scalar", 1.0, A, E, np.geomspace(1e-6, 1e6, 400), "difference", w))
    steps = np.sign(np.diff(squared) * (np.abs(np.diff(squared)) > 1e-12))
    turns = steps[steps != 0]
    assert not np.any((turns[:-1] > 0) & (turns[1:] < 0))


def test_matching_on_the_image_itself_in_the_limit():
    sigma2, noise = 5.0, 1e-9
    squared = float(t7.separation("scalar", 1.0, 4.0, 1.0, noise, "difference", 1.0)) ** 2
    assert squared == pytest.approx(noise / (2 * sigma2 * (sigma2 + noise)), rel=1e-6)


def test_what_matching_leaves_falls_as_the_curse_of_dimension_says():
    for k in (1, 4, 8):
        few, many = (float(distance.matched_variance(k, M)) for M in (10**6, 2**k * 10**6))
        assert many / few == pytest.approx(1 / 4, rel=0.02)


@given(st.integers(1, 8), st.integers(1, 10**6))
def test_the_limit_of_distances_is_said_once(k, M):
    assert float(distance.distance_moment(k, M)) == pytest.approx(float(t7.limit_sq_min_norm(k, M)))


@given(st.lists(st.floats(0.05, 5), min_size=1, max_size=5), st.floats(0.1, 4), st.floats(0.1, 2), st.floats(0.1, 3))
def test_references_of_unequal_noise_are_a_case_of_unequal_correlations(noises, shared, own, delta):
    total = shared + own
    between = (shared + np.diag(noises)) / total
    general = unequal.unequal_error(delta / np.sqrt(total), [shared / total] * len(noises), between.tolist(), "optimal")
    assert float(formulas.hetero_error(shared, own, noises, delta)) == pytest.approx(float(general), abs=1e-10)
    solved = np.linalg.solve(between, np.full(len(noises), shared / total))
    np.testing.assert_allclose(solved / solved[0], noises[0] / np.array(noises), rtol=1e-7)  # weights go as one over the noise


@given(st.floats(0.1, 3), st.integers(1, 100))
def test_the_shrinkage_weight_is_that_of_several_references_and_tends_to_the_difference(tau, m):
    rho = tau**2 / (1 + tau**2)
    assert float(ranking.shrink_weight(tau, m)) == pytest.approx(rho / float(t2.mean_variance(m, rho, rho)))
    assert float(ranking.shrink_weight(1e4, m)) == pytest.approx(1.0, abs=1e-6)


def test_a_fixed_reference_leaves_the_ranking_as_it_is():
    rng = np.random.default_rng(0)
    healthy, diseased = rng.standard_normal(500), rng.standard_normal(400) + 1
    assert rank_auc(diseased - 0.7, healthy - 0.7).estimate() == rank_auc(diseased, healthy).estimate()


@given(st.floats(0.3, 3), st.floats(0.05, 0.95))
def test_pairing_costs_a_discriminative_head_more(distance_of_classes, rho):
    assert t8.efficiency(distance_of_classes / np.sqrt(1 - rho**2)) < t8.efficiency(distance_of_classes)


@given(st.floats(0, 5), st.integers(1, 30), st.floats(0.2, 3))
def test_an_unknown_mean_is_exchangeability(kappa, m, d):
    rho, spread = float(rivals.subjective_rho(kappa)), np.sqrt(1 + kappa**2)
    assert float(rivals.prior_error(d, kappa, m)) == pytest.approx(float(t2.error(d / spread, rho, rho, m, "optimal")), abs=1e-12)


@given(st.integers(1, 50), st.integers(1, 40), st.floats(0, 0.9))
def test_augmentation_never_makes_more_pairs_than_its_ceiling(n, R, rho):
    between = (1 - 2 * rho + rho) / (2 * (1 - rho))
    assert float(augmentation.effective_pairs(n, R, rho, rho)) < n / between + 1e-9
    assert between == pytest.approx(0.5)


@given(st.floats(0.3, 2.5), correlations, st.floats(0.02, 0.98), st.sampled_from(t6.FAULTS))
def test_faults_at_any_prevalence_tie_to_the_clean_error_and_to_even_priors(d, rho, pi, fault):
    assert float(t6.error(d, rho, rho, fault, 0.0, pi)) == pytest.approx(float(t1.error(d, rho, "optimal", pi)), abs=1e-12)
    assert float(t6.error(d, rho, 0.7, fault, 0.3, 0.5)) == pytest.approx(float(t6.error(d, rho, 0.7, fault, 0.3)), abs=1e-15)
    assert t6.m_refs_error(d, abs(rho), 1, 0.3, pi) == pytest.approx(float(t6.error(d, abs(rho), 1.0, "diseased", 0.3, pi)), abs=1e-12)
    even = aware.aware_error(d, rho, "diseased", 0.3, pi)
    assert even <= float(t6.error(d, rho, rho, "diseased", 0.3, pi)) + 1e-9


@given(st.floats(0.2, 3), st.floats(0, 3), st.integers(1, 20), st.floats(0.01, 0.99))
def test_site_shift_at_any_prevalence_is_t2(delta, tau, m, pi):
    rho, d = tau**2 / (1 + tau**2), delta / np.sqrt(1 + tau**2)
    assert float(t5.error(delta, tau, "same_shrink", m, pi=pi)) == pytest.approx(float(t2.error(d, rho, rho, m, "optimal", pi)), abs=1e-10)
    assert float(t5.fixed_shift_error(delta, 0.0, pi)) == pytest.approx(float(t1.error(delta, 0.0, "single", pi)), abs=1e-12)


@given(correlations, st.floats(0, 2), st.integers(1, 20))
def test_noise_attenuates_as_the_plan_reckons(rho, noise, seeds):
    seen = float(gains.observed_rho(abs(rho), noise, seeds))
    assert seen == pytest.approx(correlation_from_variances(abs(rho), 1 - abs(rho), noise, seeds))
