"""T14, T16 and T17: limits that tie them to T1 and T10, published values, and refused parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from see_in_pairs.errors import InputError
from theory.models.variance_components import auc_gain
from theory.statements import t1_univariate_rules as t1
from theory.statements import t12_formulas as t12
from theory.statements import t14_unequal_variances as t14
from theory.statements import t16_several_classes as t16
from theory.statements import t17_estimated_rho as t17

effects, correlations = st.floats(0, 3), st.floats(-0.9, 0.9)


@given(effects, correlations, st.sampled_from(t1.RULES))
def test_equal_variances_are_t1(d, rho, rule):
    expected = float(t1.auc(d, rho, rule))
    assert t14.auc(d, rho, 1.0, rule) == pytest.approx(expected, abs=1e-12)
    assert t14.bayes_auc(d, rho, 1.0, {"optimal": "pair"}.get(rule, rule)) == pytest.approx(expected, abs=1e-12)
    assert t14.sensitivity(d, rho, 1.0, rule, 0.8) == pytest.approx(
        float(stats.norm.cdf(t1.separation(d, rho, rule) - stats.norm.ppf(0.8)))
    )


@given(effects, correlations, st.floats(0.95, 5), st.floats(-2, 2))
def test_whatever_the_spread_the_weight_is_rho_and_the_difference_needs_a_half(d, rho, sd, w):
    single, best = float(t14.auc(d, rho, sd, "single")), float(t14.auc(d, rho, sd, "optimal"))
    assert best >= t14.auc(d, rho, sd, w) - 1e-12
    assert (t14.auc(d, rho, sd, "difference") >= single - 1e-12) or rho <= 0.5
    assert t14.da_ratio(rho, sd, "optimal") == pytest.approx(
        float((t14.d_a(1.0, rho, sd, "optimal") / t14.d_a(1.0, rho, sd, "single")) ** 2)
    )


@given(effects, correlations, st.floats(1.0, 5))
def test_the_bayes_rule_never_loses_and_a_reference_never_harms_it(d, rho, sd):
    alone, beside = float(t14.bayes_auc(d, rho, sd, "single")), float(t14.bayes_auc(d, rho, sd, "pair"))
    assert alone >= t14.auc(d, rho, sd, "single") - 1e-12
    assert beside >= alone - 1e-12
    assert beside >= t14.bayes_auc(d, rho, sd, "difference") - 1e-12
    assert t14.da_ratio(rho, sd, "optimal") <= 1 / (1 - rho**2) + 1e-12


def test_without_a_shift_the_proper_area_is_that_of_two_spreads():
    # |N(0, sd)| against |N(0, 1)|: 2 atan(sd) / pi
    assert t14.bayes_auc(0.0, 0.0, 2.0, "single") == pytest.approx(2 * np.arctan(2.0) / np.pi)
    assert t14.bayes_auc(0.0, 0.0, 0.5, "single") == pytest.approx(2 * np.arctan(2.0) / np.pi)


@given(effects, correlations, st.sampled_from(t1.RULES), st.sampled_from(t16.GEOMETRIES))
def test_two_classes_are_t1(d, rho, rule, geometry):
    assert t16.accuracy(2, d, rho, rule, geometry) == pytest.approx(1 - float(t1.error(d, rho, rule)), abs=1e-12)
    assert t16.pairwise_auc(2, d, rho, rule, geometry) == pytest.approx(float(t1.auc(d, rho, rule)), abs=1e-12)


@given(st.integers(2, 40), effects, correlations, st.sampled_from(t16.GEOMETRIES), st.sampled_from(t16.MEASURES))
def test_the_difference_needs_a_half_whatever_the_number_of_classes(K, d, rho, geometry, measure):
    gain = t16.gain(K, d, rho, "difference", geometry, measure)
    assert gain >= -1e-12 if rho >= 0.5 else gain <= 1e-12


@given(st.integers(2, 30), effects, correlations)
def test_more_classes_are_harder_and_chance_is_one_in_k(K, d, rho):
    assert t16.accuracy(K, 0.0, rho, "optimal") == pytest.approx(1 / K)
    assert t16.accuracy(K, 0.0, rho, "optimal", "line") == pytest.approx(1 / K)
    assert t16.accuracy(K, 0.0, rho, "optimal", "star") == pytest.approx(1 / K)
    assert t16.accuracy(K + 1, d, rho, "optimal") < t16.accuracy(K, d, rho, "optimal")


@pytest.mark.parametrize(("rho", "n"), [(0.0, 12), (0.6, 30), (-0.9, 10)])
def test_the_law_of_the_sample_correlation_is_the_textbooks(rho, n):
    zeta, weights = t17._rule(rho, n - 2)
    if rho == 0:  # the t distribution
        t = 1.5
        inside = weights[np.sinh(zeta) * np.sqrt(n - 3) <= t].sum()
        assert inside == pytest.approx(stats.t.cdf(t, n - 3), abs=2e-3)
    r = np.tanh(zeta)
    assert weights @ r == pytest.approx(rho * (1 - (1 - rho**2) / (2 * (n - 2))), abs=3 / n**2)  # Hotelling (1953), first terms


@settings(max_examples=25)
@given(st.floats(0.2, 3), st.floats(0.2, 0.9), st.integers(30, 400))
def test_exact_and_first_order_meet_in_large_samples(d, rho, n):
    assert t17.gain_sd(d, rho, 100 * n) == pytest.approx(float(t17.delta_sd(d, rho, 100 * n)), rel=0.02)
    assert t17.cover(d, rho, n, "mapped") >= 0.94
    needed = t17.pairs_needed(d, rho, 0.01)
    assert 1.959964 * float(t17.delta_sd(d, rho, max(round(needed), 6))) <= 0.0101 * np.sqrt(max(1, needed / 6)) or needed < 6


def test_shared_references_cost_as_many_pairs_as_their_factor_says():
    from theory.statements.t10_shared_references import sharing_factor

    rng, n, R, rho = np.random.default_rng(5), 200, 20, 0.4
    reference = rng.standard_normal((4_000, R, 1))
    query = rho * reference + np.sqrt(1 - rho**2) * rng.standard_normal((4_000, R, n // R))
    x, y = query.reshape(4_000, n), np.broadcast_to(reference, query.shape).reshape(4_000, n)
    x, y = (values - values.mean(axis=1, keepdims=True) for values in (x, y))
    found = (x * y).sum(axis=1) / np.sqrt(np.square(x).sum(axis=1) * np.square(y).sum(axis=1))
    equivalent = round(2 + (n - 2) / float(sharing_factor(n, rho, R)))
    assert auc_gain(1.0, found).std() == pytest.approx(t17.gain_sd(1.0, rho, equivalent), rel=0.05)


def test_the_best_of_k_is_the_mean_behind_forced_choice():
    assert t16.accuracy(3, 1e-4, 0.0, "single") == pytest.approx(1 / 3 + 1e-4 / np.sqrt(2) * float(t12.max_of_k(3)) / 3, abs=1e-8)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: t14.auc(1, 0.6, 0.5, "single"), "must exceed abs"),
        (lambda: t14.auc(1, 0.6, -1, "single"), "sd = -1"),
        (lambda: t14.bayes_auc(1, 0.6, 1.5, "optimal"), "single, difference, pair"),
        (lambda: t14.sensitivity(1, 0.6, 1.5, "single", 1.0), "specificity"),
        (lambda: t16.accuracy(1, 1, 0.5, "single"), "K = 1"),
        (lambda: t16.accuracy(3, 1, 0.5, "single", "circle"), "simplex, line, star"),
        (lambda: t16.gain(3, 1, 0.5, "single", "line", "kappa"), "accuracy, pairwise_auc"),
        (lambda: t17.gain_bias(1, 0.5, 5), "n = 5"),
        (lambda: t17.cover(1, 0.5, 50, "bootstrap"), "delta, mapped"),
        (lambda: t17.pairs_needed(1, 0.5, 0), "half_width = 0"),
        (lambda: t17.gain_sd(1, 1.0, 50), "between -1 and 1"),
    ],
)
def test_impossible_parameters_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()
