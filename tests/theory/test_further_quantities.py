"""Quantities beside the tables: limits that tie them to what is already checked, signs of the controls, minimax by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.statements import t1_univariate_rules as t1
from theory.statements import t2_several_references as t2
from theory.statements import t2_unequal_references as unequal
from theory.statements import t3_patients_needed as trials
from theory.statements import t3_sample_size as t3
from theory.statements import t6_aware_rule as aware
from theory.statements import t6_faulty_references as t6
from theory.statements import t11_controls as controls
from theory.statements import t12_weights as weights
from theory.statements.t11_rival_models import FINGERPRINT, MODELS

correlations = st.floats(-0.95, 0.95)


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


@given(correlations, correlations, st.sampled_from(weights.CRITERIA))
def test_no_weight_on_a_grid_has_a_smaller_worst_case(one, other, criterion):
    low, high = min(one, other), max(one, other)
    rhos, w = np.linspace(low, high, 101), np.linspace(-1, 1, 401)[:, None]
    variance, best = 1 - 2 * w * rhos + w * w, 1 - rhos**2
    loss = {"regret": variance - best, "variance": variance, "ratio": variance / best}[criterion]
    assert weights.minimax_risk(low, high, criterion) <= loss.max(axis=1).min() + 1e-9


@given(st.floats(0.2, 3), correlations, correlations, st.floats(0.02, 0.98))
def test_a_wrong_correlation_never_helps(d, rho, assumed, pi):
    right = float(t1.error(d, rho, "optimal", pi))
    assert float(weights.misspecified_error(d, rho, assumed, pi)) >= right - 1e-12
    assert float(weights.misspecified_error(d, rho, rho, pi)) == pytest.approx(right)


@given(st.floats(0.1, 4), st.floats(-5, 5))
def test_only_the_difference_is_free_of_a_common_shift(delta, a):
    assert float(weights.shifted_error(delta, 1.0, a)) == pytest.approx(float(weights.shifted_error(delta, 1.0, 0.0)))
    assert float(weights.shifted_error(delta, 0.5, 1e4)) == pytest.approx(0.5)
