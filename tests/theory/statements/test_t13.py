"""T13: the measured case, limits that tie confounded references to T1, T5 and T7, and refused parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from see_in_pairs.errors import InputError
from theory.statements import t1_univariate_rules as t1
from theory.statements import t5_ranking as t5
from theory.statements import t7_matching as t7
from theory.statements import t13_confounded_references as t13
from theory.statements import t13_leak_law as law
from theory.statements import t13_sites as sites

deltas, gammas, covariates = st.floats(0.1, 3), st.floats(0.05, 3), st.floats(0.5, 0.95)


def test_the_measured_case_of_age_matched_references():
    # real-size simulation with a generator that knows nothing of the package: observed .692, .796 and .68; T1 had said .841 and .872
    assert [round(float(t13.assumed_auc(1.0, 1.1, 0.74, rule)), 3) for rule in ("difference", "optimal")] == [0.841, 0.872]
    seen = {rule: t13.auc(1.0, 1.1, 0.74, rule) for rule in law.RULES}
    assert seen["difference"] == pytest.approx(0.692, abs=2e-3)
    assert seen["t1_weight"] == pytest.approx(0.796, abs=2e-3)
    assert seen["reference_only"] == pytest.approx(0.68, abs=5e-3)
    assert seen["t1_weight"] < seen["single"] < seen["optimal"]


@given(deltas, gammas, covariates, st.sampled_from(law.RULES))
def test_exact_matching_is_the_law_of_correlation_and_leak(delta, gamma, auroc_z, rule):
    shift, within = t13.moments(delta, gamma, auroc_z)
    d, rho, s = shift[0] / np.sqrt(within[0, 0]), within[0, 1] / within[0, 0], t13.leak(delta, gamma, auroc_z)
    assert t13.auc(delta, gamma, auroc_z, rule) == pytest.approx(float(law.leaked_auc(d, rho, s, rule)), abs=1e-9)
    assert law.leak_from_auroc(t13.auc(delta, gamma, auroc_z, "single"), t13.auc(delta, gamma, auroc_z, "reference_only")) == pytest.approx(
        s, abs=1e-9
    )


@given(deltas, gammas, st.sampled_from(t1.RULES))
def test_a_covariate_that_predicts_nothing_leaves_t1(delta, gamma, rule):
    assert t13.auc(delta, gamma, 0.5, rule) == pytest.approx(float(t13.assumed_auc(delta, gamma, 0.5, rule)), abs=1e-12)
    assert t13.auc(delta, gamma, 0.5, "reference_only") == pytest.approx(0.5)


@settings(max_examples=15)
@given(deltas, gammas, covariates, st.sampled_from(law.RULES))
def test_a_caliper_lies_between_exact_and_none(delta, gamma, auroc_z, rule):
    narrow, wide = (t13.auc(delta, gamma, auroc_z, rule, "caliper", caliper) for caliper in (1e-3, 6.0))
    assert narrow == pytest.approx(t13.auc(delta, gamma, auroc_z, rule), abs=1e-5)
    assert wide == pytest.approx(t13.auc(delta, gamma, auroc_z, rule, "none"), abs=2e-3)
    leaks = [t13.leak(delta, gamma, auroc_z, "caliper", caliper) for caliper in (0.1, 0.5, 1.0, 3.0)]
    assert leaks == sorted(leaks, reverse=True)


@given(deltas, st.floats(-2, 2))
def test_at_one_value_of_the_covariate_the_reference_only_adds_noise(delta, w):
    assert t13.adjusted_auc(delta, w) <= t13.adjusted_auc(delta, "single") + 1e-15


@given(st.floats(0.3, 2), st.sampled_from(["iso", "scalar"]), st.floats(0.2, 9), st.floats(0.2, 9), st.floats(0.05, 20), st.floats(0, 0.9))
def test_over_matching_is_the_same_law(delta, emb, A, E, N, w):
    share, rho = t7.inherited(emb, A, E, N, w)
    for rule in t7.RULES:
        expected = float(t7.auc(emb, delta, A, E, N, rule, w))
        assert law.leaked_auc(delta / np.sqrt(A + E), rho, share, rule) == pytest.approx(expected, abs=1e-9)


@given(st.floats(0.1, 3), st.floats(-0.9, 0.9), st.floats(-1, 1), st.floats(-2, 2))
def test_no_weight_beats_the_optimal_one(d, rho, s, w):
    assert law.leaked_auc(d, rho, s, "optimal") >= law.leaked_auc(d, rho, s, w) - 1e-12
    assert law.leaked_auc(d, rho, rho, "optimal") == pytest.approx(float(t1.auc(d, rho, "single")))
    assert law.leaked_auc(d, rho, 0.0, "optimal") == pytest.approx(float(t1.auc(d, rho, "optimal")))


def test_sites_of_one_prevalence_leak_nothing():
    model = {"delta": 1.0, "offsets": [0.0, 1.0, 4.0], "shares": [2, 1, 1], "prevalences": [0.3, 0.3, 0.3]}
    assert sites.site_auc(**model, rule="reference_only") == pytest.approx(0.5)
    assert sites.site_auc(**model, rule="difference") == pytest.approx(float(ndtr(0.5)))
    drawn = np.random.default_rng(0).standard_normal(400) * 1.0
    many = {"delta": 2.0, "offsets": drawn.tolist(), "shares": [1] * 400, "prevalences": [0.5] * 400}
    assert sites.site_auc(**many, rule="single") == pytest.approx(float(t5.pooled_rule_auc(2.0, 1.0, "single")), abs=0.01)


def test_many_sites_with_normal_offsets_are_a_covariate():
    tau, alpha = 0.8, 1.0  # among the diseased, offsets are shifted by alpha standard deviations: prevalence rises with the offset
    offset = np.linspace(-5, 6, 221)
    healthy, diseased = np.exp(-(offset**2) / 2), np.exp(-((offset - alpha) ** 2) / 2)
    model = {
        "offsets": (tau * offset).tolist(),
        "shares": (healthy + diseased).tolist(),
        "prevalences": (diseased / (healthy + diseased)).tolist(),
    }
    for rule in sites.RULES:
        expected = t13.auc(1.2, tau, float(ndtr(alpha / np.sqrt(2))), rule)
        assert sites.site_auc(1.2, **model, rule=rule) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: t13.auc(1, 1, 0.7, "best"), "single, difference, t1_weight, optimal, reference_only"),
        (lambda: t13.auc(1, 1, 0.7, "single", "caliper"), "caliper=..."),
        (lambda: t13.auc(1, 1, 0.7, "single", "exact", 0.5), "only there"),
        (lambda: t13.auc(1, 1, 0.7, "single", "caliper", 9.0), "matching=none"),
        (lambda: t13.auc(1, 1, 0.7, "single", "caliper", 0.0), "above 0"),
        (lambda: t13.leak(0, 1, 0.5), "cannot carry a share of the signal"),
        (lambda: t13.assumed_auc(-1, 1, 0.5, "single"), "upwards"),
        (lambda: t13.adjusted_auc(1, "optimal"), "single, difference"),
        (lambda: law.leak_from_auroc(0.5, 0.6), "cannot carry a share of the signal"),
        (lambda: law.leaked_auc(1, 0.9, 0.0, "optimal", 4, 0.7), "impossible together"),
        (lambda: law.leaked_auc(1, 0.5, 0.9, "optimal", 10, 0.3), "lower s"),
        (lambda: sites.site_auc(1, [0, 1], [1], [0.5, 0.5], "single"), "one number for each site"),
        (lambda: sites.site_auc(1, [0, 1], [1, 1], [0.5, 0.5], "single", "other"), "same_site, any_site"),
    ],
)
def test_impossible_parameters_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()
