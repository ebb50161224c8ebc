"""T15: published sample sizes, limits that tie exact power to T3, and refused parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from see_in_pairs.errors import InputError
from theory.statements import t3_sample_size as t3
from theory.statements import t15_exact_power as t15
from theory.statements.t3_patients_needed import n_for_power

correlations = st.floats(-0.95, 0.95)


@pytest.mark.parametrize(("d", "printed"), [(0.2, 394), (0.5, 64), (0.8, 26)])
def test_the_t_test_needs_what_cohen_printed(d, printed):
    assert t15.n_exact(0.0, d, "ttest") == pytest.approx(printed, abs=1)  # Cohen (1988), table 2.4.1 prints 393, 64, 26
    assert t15.power(64, 0.0, 0.5, "ttest") == pytest.approx(0.8015, abs=1e-4)  # published for n = 64 per group


@given(st.integers(3, 80), correlations, st.floats(-2, 2), st.sampled_from(t3.ANALYSES))
def test_one_reference_is_t3(n, rho, d, analysis):
    assert t15.power(n, rho, d, analysis) == pytest.approx(float(t3.power(n, rho, d, analysis)), abs=1e-12)


@settings(max_examples=30)
@given(st.floats(-0.9, 0.9), st.floats(0.3, 3), st.sampled_from(t3.ANALYSES), st.floats(0.3, 0.95))
def test_the_exact_number_is_the_smallest_that_reaches_the_power(rho, d, analysis, power):
    n = t15.n_exact(rho, d, analysis, power)
    assert t15.power(n, rho, d, analysis) >= power
    assert n == 2 or t15.power(n - 1, rho, d, analysis) < power


@pytest.mark.parametrize(("analysis", "short"), [("ttest", 0.96), ("change", 0.96), ("ancova", 1.46)])
def test_the_normal_approximation_is_short_by_a_fixed_number_of_patients(analysis, short):
    effects = np.linspace(0.2, 0.5, 40)  # the mean over many effects smooths the rounding up
    gaps = [t15.n_exact(0.6, float(d), analysis) - math.ceil(n_for_power(0.6, float(d), analysis)) for d in effects]
    assert np.mean(gaps) == pytest.approx(short, abs=0.25)


@given(st.integers(2, 40), correlations, st.floats(0, 3))
def test_two_groups_are_the_squared_t(n, rho, d):
    assert t15.f_power(n, rho, [0.0, d]) == pytest.approx(t15.power(n, rho, d, "ancova"), abs=1e-8)
    assert t15.f_power(n, rho, [0.0, 0.0, 0.0]) == pytest.approx(0.05, abs=1e-9)


def test_paired_power_is_that_of_the_textbook():
    for n, rho, d in ((2, 0.9, 1.0), (5, -0.5, 1.0), (20, 0.5, 0.4)):
        shift, critical = d * np.sqrt(n / (2 * (1 - rho))), stats.t.ppf(0.975, n - 1)
        expected = stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift)
        assert t15.paired_power(n, rho, d) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: t15.power(1, 0.5, 1, "ttest"), "n_per_group = 1"),
        (lambda: t15.power(4, 0.5, 1, "anova"), "ttest, change, ancova"),
        (lambda: t15.power(4, 0.5, 1, "ancova", m=0), "m = 0"),
        (lambda: t15.power(4, 0.5, 1, "ancova", level=1), "level = 1"),
        (lambda: t15.n_exact(0.5, 0, "ancova"), "d = 0"),
        (lambda: t15.n_exact(0.5, 1, "ancova", power=0.04), "must exceed the level"),
        (lambda: t15.n_exact(0.5, 1e-5, "ancova"), "more than"),
        (lambda: t15.paired_power(1, 0.5, 1), "n = 1"),
        (lambda: t15.f_power(3, 0.5, [1.0]), "two or more"),
        (lambda: t15.f_power(1, 0.5, [0.0, 1.0]), "n_per_group = 1"),
    ],
)
def test_impossible_parameters_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()
