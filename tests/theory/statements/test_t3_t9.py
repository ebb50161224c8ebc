"""T3, T5, T6, T9: properties, limits and refused parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from see_in_pairs.errors import InputError
from theory.statements import t1_univariate_rules as t1
from theory.statements import t2_several_references as t2
from theory.statements import t3_patients_needed as patients
from theory.statements import t3_sample_size as t3
from theory.statements import t5_site_shift as t5
from theory.statements import t6_faulty_references as t6
from theory.statements import t9_information as t9

correlations = st.floats(-0.99, 0.99)


@given(st.integers(3, 200), correlations)
def test_when_ancova_pays(n, rho):
    total = 2 * n
    assume(abs(rho**2 - 1 / (total - 3)) > 1e-9 and abs(rho - (total - 5) / (total - 3)) > 1e-9)
    of_t, of_change, of_ancova = (float(t3.scaled_var(n, rho, 0.0, analysis)) for analysis in t3.ANALYSES)
    assert (of_ancova < of_t) == (rho**2 > 1 / (total - 3))
    assert (of_change < of_ancova) == (rho > (total - 5) / (total - 3))


@given(st.integers(3, 60), correlations, st.floats(0, 2))
def test_power_grows_with_effect_and_starts_at_the_level(n, rho, d):
    assert t3.power(n, rho, 0.0, "change") == pytest.approx(0.05, abs=1e-10)
    assert t3.power(n, rho, d + 0.2, "change") >= t3.power(n, rho, d, "change") - 1e-10
    assert t3.power(n, rho, -d, "ttest") == t3.power(n, rho, d, "ttest")


@given(st.integers(3, 60), correlations)
def test_ancova_rejects_at_the_level_and_gains_what_the_reference_explains(n, rho):
    assert t3.power(n, rho, 0.0, "ancova") == pytest.approx(0.05, abs=1e-9)
    assert t3.power(n, 0.0, 1.0, "ancova") < t3.power(n, 0.0, 1.0, "ttest")  # a covariate that explains nothing costs a degree of freedom
    assert t3.power(n, rho, 1.0, "ancova") >= t3.power(n, 0.0, 1.0, "ancova") - 1e-9


def test_the_normal_approximation_tells_the_power_that_its_patients_have():
    params = {"rho": 0.8, "d": 1.2, "analysis": "ancova"}
    assert np.ceil(patients.n_for_power(**params)) == 4
    assert float(t3.power(4, 0.8, 1.2, "ancova")) == pytest.approx(0.554, abs=5e-4)
    assert "4 per group have power 0.554, not 0.8" in patients.needed_caveat(params)
    assert patients.needed_caveat({**params, "d": 0.3}) == ""


def test_ancova_inflation_is_derived():
    expression, total = t3.symbolic_ancova_inflation()
    assert expression.equals((total - 3) / (total - 4))


@given(st.floats(0.1, 3), st.floats(0, 3), st.integers(1, 50))
def test_site_shift_is_t2_with_the_share_of_the_site(delta, tau, m):
    rho, d = tau**2 / (1 + tau**2), delta / np.sqrt(1 + tau**2)
    assert t5.error(delta, tau, "same_diff", m) == pytest.approx(float(t2.error(d, rho, rho, m, "meandiff")), abs=1e-10)
    assert t5.error(delta, tau, "same_shrink", m) == pytest.approx(float(t2.error(d, rho, rho, m, "optimal")), abs=1e-10)


@given(st.floats(0.1, 3), st.floats(0.01, 3), st.integers(1, 50))
def test_who_gains_at_a_new_site(delta, tau, m):
    single = t5.error(delta, tau, "single")
    assume(abs(tau**2 - 1 / m) > 1e-6)
    assert (t5.error(delta, tau, "same_diff", m) < single) == (tau**2 > 1 / m)
    assert t5.error(delta, tau, "same_shrink", m) <= single + 1e-15
    assert all(t5.error(delta, tau, "cross_diff", m, sites) >= single for sites in t5.SITES)
    assume(abs(m - 1 - tau**-2) > 1e-6)
    assert (t5.error(delta, tau, "cross_diff", m, "many") < t5.error(delta, tau, "single", train="one_site")) == (m > 1 + tau**-2)


@given(st.floats(0.2, 3), correlations, st.floats(-1.5, 1.5), st.sampled_from(t6.FAULTS), st.floats(0, 1))
def test_faults_are_linear_in_the_rate_and_harm(d, rho, w, fault, rate):
    clean, spoilt, mixed = (float(t6.error(d, rho, w, fault, r)) for r in (0, 1, rate))
    assert mixed == pytest.approx((1 - rate) * clean + rate * spoilt, abs=1e-12)
    assert clean == pytest.approx(float(t1.error(d, rho, w)))
    if fault == "diseased":
        assert spoilt >= clean - 1e-12
        assert t6.auc(d, rho, w, fault, rate) == pytest.approx(float(t6.auc(d, rho, w, fault, 1 - rate)))


@given(st.floats(0.3, 3), st.floats(0.55, 0.95), st.sampled_from(t6.FAULTS))
def test_at_the_break_even_rate_the_reference_is_worth_nothing(d, rho, fault):
    rate = float(t6.break_even(d, rho, 1.0, fault))
    assert rate > 0
    assume(rate <= 1)
    assert t6.error(d, rho, 1.0, fault, rate) == pytest.approx(float(t1.error(d, rho, "single")), abs=1e-12)


def test_one_reference_that_may_be_diseased():
    assert t6.m_refs_error(1.5, 0.6, 1, 0.3) == pytest.approx(float(t6.error(1.5, 0.6, 1.0, "diseased", 0.3)))


def test_information_of_the_printed_separations():
    np.testing.assert_allclose(t9.information([0.5, 1, 1.5, 2, 3]), [0.030311, 0.111421, 0.221171, 0.336831, 0.526777], atol=5e-7)


@given(st.floats(0.1, 3), correlations)
def test_information_gain_is_never_negative_and_even_in_rho(d, rho):
    gain = t9.mi_gain_nats(d, rho)
    assert -1e-14 <= gain <= np.log(2)
    assert gain == pytest.approx(float(t9.mi_gain_nats(d, -rho)), abs=1e-14)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: t3.scaled_var(2, 0.5, 0.5, "ancova"), "n_per_group = 2"),
        (lambda: t3.scaled_var(10, 1.0, 0.5, "ancova"), "between -1 and 1"),
        (lambda: t3.scaled_var(10, 0.5, 0.5, "anova"), "ttest, change, ancova"),
        (lambda: t3.power(10, 0.5, 0.5, "anova"), "ttest, change, ancova"),
        (lambda: t3.power(2, 0.5, 0.5, "ancova"), "n_per_group = 2"),
        (lambda: t5.error(2, -1, "single"), "tau = -1"),
        (lambda: t5.error(2, 1, "best"), "single, same_diff"),
        (lambda: t5.error(2, 1, "single", m=0), "m = 0"),
        (lambda: t5.error(2, 1, "cross_diff", sites="two"), "one, many"),
        (lambda: t5.error(2, 1, "single", train="nowhere"), "centred, one_site"),
        (lambda: t5.error(2, 1, "same_shrink", train="one_site"), "centred"),
        (lambda: t6.error(1, 0.5, 1, "broken", 0.1), "diseased, swap"),
        (lambda: t6.auc(1, 0.5, 1, "broken", 0.1), "diseased, swap"),
        (lambda: t6.error(1, 0.5, 1, "swap", 1.1), "between 0 and 1"),
        (lambda: t6.break_even(1, 0.5, 0, "swap"), "break-even"),
        (lambda: t6.m_refs_error(1, 0.5, 0, 0.1), "m = 0"),
        (lambda: t9.mi_gain_nats(1, 1), "between -1 and 1"),
        (lambda: t9.fixed_error(1, 0.5, float("inf")), "finite"),
    ],
)
def test_impossible_parameters_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()
