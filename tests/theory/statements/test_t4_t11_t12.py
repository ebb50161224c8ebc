"""T4, T11, T12: two independent computations, crossovers as printed, limits, and refused parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from see_in_pairs.errors import InputError
from theory.models import discriminant
from theory.numerics.quadrature import bivariate_normal_cdf
from theory.statements import t1_univariate_rules as t1
from theory.statements import t4_crossover, t11_augmentation
from theory.statements import t4_learning_curves as t4
from theory.statements import t11_rival_models as t11
from theory.statements import t12_formulas as t12


@given(st.integers(1, 60), st.integers(1, 80), st.integers(1, 80), st.floats(0.3, 3), st.sampled_from([0, 1]))
def test_quadrature_equals_the_noncentral_f_series(p, n1, n0, distance, cls):
    assert discriminant.class_error(p, n1, n0, distance, cls) == pytest.approx(
        discriminant.class_error_series(p, n1, n0, distance, cls), abs=1e-9
    )


@pytest.mark.parametrize(("p", "n", "distance"), [(2, 30, 1.0), (3, 25, 2.0), (10, 20, 1.4), (30, 60, 2.5)])
def test_pooled_error_in_polar_form_equals_the_product_rule(p, n, distance):
    assert discriminant.pooled_error(p, n, distance) == pytest.approx(discriminant.pooled_error_product(p, n, distance), abs=1e-5)


def test_much_training_reaches_the_bayes_error():
    bayes = stats.norm.cdf(-np.sqrt(2) / 2)
    assert t4.error(3, 20_000, 2.0, 0.0, "single", "known") == pytest.approx(bayes, abs=1e-4)
    assert t4.error(3, 20_000, 2.0, 0.0, "single", "pooled") == pytest.approx(bayes, abs=1e-4)


@pytest.mark.parametrize(
    ("p", "distance2", "rho", "against", "printed", "first"),
    [
        (10, 2, 0.3, "single", 72.91, 76),
        (10, 2, 0.4, "single", 25.70, 28),
        (20, 4, 0.2, "single", 210.8, 213),
        (10, 2, 0.6, "difference", 11.2, 13),
        (10, 2, 0.8, "difference", 24.8, 27),
        (20, 1, 0.7, "difference", 71.2, 74),
    ],
)
def test_crossovers(p, distance2, rho, against, printed, first):
    assert t4.crossover(p, distance2, rho, against) == pytest.approx(printed, abs=0.05)

    def wins(n: int) -> bool:
        return t4.error(p, n, distance2, rho, "concat", "known") < t4.error(p, n, distance2, rho, against, "known")

    assert wins(first)
    assert not wins(first - 1)


@pytest.mark.parametrize(("rho", "printed"), [(0.4, 65), (0.6, 22), (0.8, 13)])
def test_crossovers_with_a_pooled_covariance(rho, printed):
    found = t4.crossover(10, 2, rho, "single", "pooled")
    assert np.ceil(found) == printed
    errors = [[t4.raudys_error(10, n, 2, rho, rep, "pooled") for rep in ("concat", "single")] for n in (printed - 1, printed)]
    assert errors[0][0] > errors[0][1]
    assert errors[1][0] < errors[1][1]


@given(st.integers(2, 40), st.floats(0.5, 6), st.floats(0.05, 0.95), st.sampled_from(["single", "difference"]))
def test_raudys_forms_are_equal_at_the_pooled_crossover(p, distance2, rho, against):
    n = t4.crossover(p, distance2, rho, against, "pooled")
    assert n > p

    def cost(features: int, gain: float) -> float:
        squared = gain * distance2
        return squared / ((1 + 2 * features / (n * squared)) * 2 * n / (2 * n - features))

    of_other = {"single": 1.0, "difference": 1 / (2 * (1 - rho))}[against]
    assert cost(2 * p, 1 / (1 - rho**2)) == pytest.approx(cost(p, of_other), rel=1e-9)


@pytest.mark.parametrize(
    ("p", "distance2", "rho", "against", "first"),
    [(3, 1, 0.3, "single", 68), (5, 4, 0.5, "difference", 17), (10, 2, 0.7, "difference", 60), (20, 4, 0.9, "difference", 245)],
)
def test_exact_crossovers_with_a_pooled_covariance(p, distance2, rho, against, first):
    def wins(n: int) -> bool:
        return t4.error(p, n, distance2, rho, "concat", "pooled") < t4.error(p, n, distance2, rho, against, "pooled")

    assert wins(first)
    assert not wins(first - 1)
    named = {"p": p, "Delta2": distance2, "rho": rho, "against": against, "cov": "pooled"}
    assert 0 < first - t4.crossover(**named) < t4_crossover.stated_excess(named)


def test_crossovers_have_regimes():
    assert t4.crossover(10, 2, 0.55, "single") == 0
    assert t4.crossover(10, 2, 0.41, "difference") == 0
    assert t4.crossover(10, 2, 0.0, "single") == np.inf
    with pytest.raises(InputError, match="single, difference"):
        t4.crossover(10, 2, 0.5, "concat")


@given(st.integers(2, 50), st.integers(5, 120), st.floats(0.75, 3), st.sampled_from(t4.COVARIANCES))
def test_raudys_form_is_within_its_stated_error(p, n, distance, cov):
    assume(cov == "known" or p < 2 * n - 5)
    params = {"p": p, "n_per_class": n, "Delta2": distance**2, "rho": 0.0, "rep": "single", "cov": cov}
    assume(not t4.raudys_caveat(params))
    assert abs(t4.raudys_error(**params) - t4.error(**params)) <= t4.raudys_bound(params)


@pytest.mark.parametrize(("n", "p"), [(8, 10), (10, 14), (20, 34), (30, 50)])
def test_raudys_pooled_form_at_its_worst(n, p):
    params = {"p": p, "n_per_class": n, "Delta2": 9.0, "rho": 0.0, "rep": "single", "cov": "pooled"}
    assert 0.9 * t4.raudys_bound(params) < abs(t4.raudys_error(**params) - t4.error(**params)) <= t4.raudys_bound(params)


def test_raudys_form_says_where_nothing_is_stated():
    params = {"p": 10, "n_per_class": 3, "Delta2": 2.0, "rho": 0.0, "rep": "single", "cov": "known"}
    assert "not stated" in t4.raudys_caveat(params)
    assert t4.raudys_bound(params) == np.inf


def test_extra_negatives_lower_sensitivity():
    assert t11.unbalanced_error(10, 10, 200, 3.0, 1) > t11.unbalanced_error(10, 10, 10, 3.0, 1)
    assert t11.unbalanced_error(10, 10, 200, 3.0, 0) < t11.unbalanced_error(10, 10, 10, 3.0, 0)


@given(st.floats(0.2, 3), st.floats(0, 5), st.integers(0, 20))
def test_references_for_an_unknown_mean(d, kappa, m):
    assert t11.prior_error(d, kappa, m + 1) <= t11.prior_error(d, kappa, m)
    assert t11.prior_error(d, kappa, m) >= t1.error(d, 0.0, "single") - 1e-15
    assert t11.neg_bank_error(d, m + 3, 0) == t11.neg_bank_error(d, 0, m + 3)  # a fixed reference is as good as a fresh one
    assert t11.prior_error(d, 1e7, m + 1) == pytest.approx(float(t11.neg_bank_error(d, 0, m + 1)), abs=1e-9)


def test_fingerprint_separates_the_models():
    signs = [tuple(row[model] for row in t11.FINGERPRINT.values()) for model in t11.MODELS]
    assert len(set(signs)) == len(signs)


@given(st.floats(-0.95, 0.95), st.floats(-0.95, 0.95))
def test_minimax_weight_loses_the_same_at_both_ends(a, b):
    low, high = sorted((a, b))
    at_low, at_high = (float(t12.minimax_ratio_variance(low, high, rho)) for rho in (low, high))
    assert at_low == pytest.approx(at_high, rel=1e-9)
    inside = np.linspace(low, high, 50)
    assert np.all(t12.minimax_ratio_variance(low, high, inside) <= at_low + 1e-12)


@given(st.floats(0.2, 3), st.floats(-0.9, 0.9), st.floats(-1, 1.5))
def test_many_degrees_of_freedom_are_normal(d, rho, w):
    assert t12.t_error(1e8, d, rho, w) == pytest.approx(float(t1.error(d, rho, w)), abs=1e-7)


@given(st.floats(0, 4), st.floats(0, 100))
def test_difference_removes_any_shared_nuisance(delta, scale):
    assert t12.cauchy_shared_auc(delta, 1.0, scale) == pytest.approx(stats.norm.cdf(delta / 2), abs=1e-12)


def test_one_reference_of_equal_noise_is_t1():
    assert t12.hetero_error(0.6, 0.4, [0.4], 1.2) == pytest.approx(float(t1.error(1.2, 0.6, "optimal")))


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-1, 1))
def test_bivariate_normal_against_scipy(h, k, r):
    assume(abs(abs(r) - 1) > 1e-6)
    expected = stats.multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([h, k])
    assert bivariate_normal_cdf(h, k, r) == pytest.approx(expected, abs=2e-5)


def test_bivariate_normal_at_its_edges():
    assert bivariate_normal_cdf(0.3, -0.2, 1.0) == pytest.approx(stats.norm.cdf(-0.2))
    assert bivariate_normal_cdf(0.3, -0.2, -1.0) == pytest.approx(stats.norm.cdf(0.3) + stats.norm.cdf(-0.2) - 1)
    assert bivariate_normal_cdf(0.0, 1.0, 0.0) == pytest.approx(stats.norm.cdf(1.0) / 2)
    assert bivariate_normal_cdf(0.0, -1.0, 0.0) == pytest.approx(stats.norm.cdf(-1.0) / 2)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: t4.error(10, 6, 2.0, 0.6, "single", "pooled"), "p < 2 n - 2"),
        (lambda: t4.error(10, 11, 2.0, 0.6, "concat", "pooled"), "p < 2 n - 2"),
        (lambda: t4.error(10, 20, 2.0, 1.0, "single", "known"), "between -1 and 1"),
        (lambda: t4.error(10, 20, 2.0, 0.5, "triple", "known"), "concat"),
        (lambda: t4.error(10, 20, 2.0, 0.5, "single", "guessed"), "known, pooled"),
        (lambda: t4.error(10, 0, 2.0, 0.5, "single", "known"), "n_per_class = 0"),
        (lambda: t4.error(10, 20, 0.0, 0.5, "single", "known"), "Delta2"),
        (lambda: t11.unbalanced_error(10, 10, 30, 3.0, 2), "cls = 2"),
        (lambda: t11.neg_bank_error(1.0, 0, 0), "at least one"),
        (lambda: t11_augmentation.pair_aug_factor(0.6, 0.0, 5), "impossible together"),
        (lambda: t11.unlabelled_value(1.0, 1.0), "prevalence"),
        (lambda: t12.learned_w_var(0.5, 4), "N = 4"),
        (lambda: t12.minimax_ratio_weight(0.5, 0.2), "lower end"),
        (lambda: t12.t_error(0, 1, 0.5, 1), "nu = 0"),
        (lambda: t12.hetero_error(1, 1, [0.0], 1), "s2"),
        (lambda: t12.max_of_k(0), "k = 0"),
        (lambda: t12.cauchy_shared_auc(1, 1, -1), "scale"),
    ],
)
def test_impossible_parameters_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()
