"""T1, T1b, T2: properties that must hold at every parameter, limits, and parameters that are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from see_in_pairs.errors import InputError
from theory.statements import t1_univariate_rules as t1
from theory.statements import t1b_multivariate_gain as t1b
from theory.statements import t2_several_references as t2

correlations = st.floats(-0.999, 0.999)
effects = st.floats(0.05, 4)
weights = st.floats(-3, 3)


@given(correlations, weights)
def test_variance_is_the_least_one_plus_the_squared_error_of_the_weight(rho, w):
    assert t1.variance(rho, w) == pytest.approx(1 - 2 * w * rho + w**2, abs=1e-12)


@given(effects, correlations, weights, st.floats(0.001, 0.999))
def test_optimal_rule_is_never_worse(d, rho, w, pi):
    best = t1.error(d, rho, "optimal", pi)
    assert best <= t1.error(d, rho, w, pi) + 1e-15
    assert best <= t1.error(d, rho, "single", pi) + 1e-15
    assert best <= min(pi, 1 - pi) + 1e-15


@given(effects, correlations, weights)
def test_weight_helps_iff_between_zero_and_twice_rho(d, rho, w):
    assume(abs(w * (w - 2 * rho)) > 1e-9)
    assert (t1.auc(d, rho, w) > t1.auc(d, rho, "single")) == (0 < w * np.sign(rho) < 2 * abs(rho)) or t1.auc(d, rho, "single") > 1 - 1e-9


@given(effects, correlations)
def test_difference_helps_iff_correlation_exceeds_one_half(d, rho):
    assume(abs(rho - 0.5) > 1e-6)
    assert (t1.error(d, rho, "difference") < t1.error(d, rho, "single")) == (rho > 0.5)


@given(st.floats(0.05, 2), correlations, st.floats(0.01, 0.99))
def test_error_falls_with_the_effect(d, rho, pi):
    assert t1.error(1.2 * d, rho, "optimal", pi) <= t1.error(d, rho, "optimal", pi)


def test_no_effect_leaves_the_prior():
    np.testing.assert_allclose(t1.error(0.0, 0.3, "optimal", [0.1, 0.5, 0.9]), [0.1, 0.5, 0.1])


def test_closed_forms_broadcast():
    assert t1.error(np.ones((3, 1)), np.linspace(0, 0.9, 4), "optimal").shape == (3, 4)
    assert t2.auc(1.0, 0.3, 0.3, np.arange(1, 6), "optimal").shape == (5,)


def test_bayes_weight_from_the_likelihood_is_the_one_of_least_variance():
    _, rho, _ = t1.symbolic_variance()
    assert t1.symbolic_optimal_weight() == rho == t1.symbolic_bayes_weight()


@given(effects, st.floats(-0.9, 0.95))
def test_one_reference_is_t1(d, rho):
    assert t2.error(d, rho, 0.3, 1, "meandiff") == pytest.approx(t1.error(d, rho, "difference"), abs=1e-12)
    assert t2.error(d, rho, 0.3, 1, "optimal") == pytest.approx(t1.error(d, rho, "optimal"), abs=1e-12)


@given(st.floats(0.01, 0.99), st.integers(1, 200))
def test_equal_correlations_have_the_short_forms_and_limits(rho, m):
    assert t2.variance(rho, rho, m, "meandiff") == pytest.approx((1 - rho) * (1 + 1 / m), abs=1e-12)
    best = t2.variance(rho, rho, m, "optimal")
    assert best == pytest.approx((1 - rho) * (1 + m * rho) / (1 + (m - 1) * rho), abs=1e-12)
    assert best - (1 - rho) == pytest.approx(rho * (1 - rho) / (1 + (m - 1) * rho), abs=1e-12)  # T2.3


@given(st.floats(-0.9, 0.9), st.floats(0.85, 1.0), st.integers(1, 40))
def test_more_references_never_hurt_the_optimal_rule(rho, rho_rr, m):
    assert t2.variance(rho, rho_rr, m + 1, "optimal") <= t2.variance(rho, rho_rr, m, "optimal") + 1e-12
    assert t2.variance(rho, rho_rr, m, "optimal") <= t2.variance(rho, rho_rr, m, "meandiff") + 1e-12


def test_symbolic_weight_on_the_mean():
    weight, (_, names) = t2.symbolic_optimal_weight(), t2.symbolic_variance()
    at = {names["rho"]: 0.4, names["rho_rr"]: 0.2, names["m"]: 8}
    assert float(weight.subs(at)) == pytest.approx(0.4 / ((1 + 7 * 0.2) / 8))


def _random_model(seed: int, p: int = 3) -> dict:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((2 * p, 2 * p + 2))
    whole = root @ root.T
    return {"Sigma": whole[:p, :p], "C": whole[:p, p:], "Sr": whole[p:, p:], "delta": rng.standard_normal(p)}


@given(st.integers(0, 10_000))
def test_joint_rule_is_never_worse_and_equals_the_second_form(seed):
    model = _random_model(seed)
    single, difference, joint = (t1b.separation(**model, rule=rule) for rule in t1b.RULES)
    assert joint >= max(single, difference) - 1e-9
    u = model["C"].T @ np.linalg.solve(model["Sigma"], model["delta"])
    rest = model["Sr"] - model["C"].T @ np.linalg.solve(model["Sigma"], model["C"])
    assert joint**2 == pytest.approx(single**2 + u @ np.linalg.solve(rest, u), rel=1e-6)


@given(st.integers(0, 10_000), st.floats(-0.95, 0.95))
def test_proportional_case_is_the_scalar_statement(seed, rho):
    model = _random_model(seed)
    model |= {"C": rho * model["Sigma"], "Sr": model["Sigma"]}
    assert (t1b.separation(**model, rule="joint") / t1b.separation(**model, rule="single")) ** 2 == pytest.approx(
        1 / (1 - rho**2), rel=1e-8
    )


def test_correlation_off_the_discriminant_direction_is_worth_nothing():
    model = {"Sigma": np.eye(2), "C": np.diag([0.0, 0.9]), "Sr": np.eye(2), "delta": [1.0, 0.0]}
    assert t1b.separation(**model, rule="joint") == pytest.approx(t1b.separation(**model, rule="single"))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: t1.error(1, 1.0, "single"), "between -1 and 1"),
        (lambda: t1.error(1, -1.2, 0.3), "between -1 and 1"),
        (lambda: t1.error(-1, 0.2, "single"), "d = -1"),
        (lambda: t1.error(1, 0.2, "single", 0.0), "prevalence"),
        (lambda: t1.error(1, 0.2, "single", 1.0), "prevalence"),
        (lambda: t1.error(1, 0.2, "best"), "single, difference, optimal"),
        (lambda: t1.error(float("nan"), 0.2, "single"), "finite"),
        (lambda: t2.error(1, 0.2, 0.2, 0, "optimal"), "m = 0"),
        (lambda: t2.error(1, 0.2, 0.2, 1.5, "optimal"), "whole number"),
        (lambda: t2.error(1, 0.0, -0.6, 3, "optimal"), "between -1/"),
        (lambda: t2.error(1, 0.0, 1.1, 3, "optimal"), "between -1/"),
        (lambda: t2.error(1, 0.5, 0.0, 5, "optimal"), "impossible together"),
        (lambda: t2.error(1, 0.5, 0.5, 5, "difference"), "meandiff"),
        (lambda: t1b.error([[1, 2], [2, 1]], np.eye(2), np.eye(2), [1, 0], "joint"), "Sigma: not positive definite"),
        (lambda: t1b.error([[1, 0.2], [0.1, 1]], np.eye(2), np.eye(2), [1, 0], "joint"), "symmetric"),
        (lambda: t1b.error(np.eye(2), 1.2 * np.eye(2), np.eye(2), [1, 0], "joint"), "not positive definite"),
        (lambda: t1b.error(np.eye(2), np.eye(3), np.eye(2), [1, 0], "joint"), "same shape"),
        (lambda: t1b.error(np.eye(2), 0.1 * np.eye(2), np.eye(2), [1, 0, 0], "joint"), "list of 2"),
        (lambda: t1b.error(np.eye(2), 0.1 * np.eye(2), np.eye(2), [1, 0], "optimal"), "single, difference, joint"),
    ],
)
def test_impossible_parameters_are_refused_in_one_line(call, says):
    with pytest.raises(InputError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
