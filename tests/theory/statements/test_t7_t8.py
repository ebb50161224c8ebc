"""T7 and T8: the printed tables, the Goldilocks optimum, over-matching, and refused parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from see_in_pairs.errors import InputError
from theory.statements import t1_univariate_rules as t1
from theory.statements import t7_matching as t7
from theory.statements import t8_logistic_efficiency as t8

variances = st.floats(0.1, 20)


def ratio(N: float, rule: str, A: float = 9.0, E: float = 1.0) -> float:
    """Squared separation of the isotropic embedding relative to the single image."""
    return float(t7.separation("iso", 1.0, A, E, N, rule)) ** 2 * (A + E)


def test_the_printed_table_of_tightness():
    tightness = [0.05, 0.2, 1, 1.2025, 1.9326, 4, 20, 1e9]
    by_difference = [0.1165, 0.3833, 0.8929, 0.9276, 0.9651, 0.8966, 0.6335, 0.5]
    by_optimum = [1.0741, 1.2391, 1.4977, 1.5023, 1.4716, 1.3348, 1.0608, 1.0]
    np.testing.assert_allclose([ratio(x, "difference") for x in tightness], by_difference, atol=5.1e-5)
    np.testing.assert_allclose([ratio(x, "optimal") for x in tightness], by_optimum, atol=5.1e-5)


@given(variances, variances)
def test_goldilocks_optimum_iff_nuisance_dominates(A, E):
    best = t7.goldilocks(A, E)
    assume(abs(A / E - 1 - np.sqrt(2)) > 0.01)
    grid = np.geomspace(1e-4, 1e5, 400)
    values = t7.separation("iso", 1.0, A, E, grid, "difference")
    if 1 + np.sqrt(2) < A / E:
        assert t7.separation("iso", 1.0, A, E, best, "difference") >= values.max() - 1e-12
    else:
        assert best == np.inf
        assert np.all(np.diff(values) >= -1e-12)


@given(variances, variances, variances, st.floats(0, 0.95))
def test_including_the_disease_axis_only_hurts_the_difference(A, E, N, w):
    looser, tighter = (float(t7.separation("scalar", 1.0, A, E, N, "difference", w + step)) for step in (0.0, 0.05))
    assert tighter <= looser + 1e-9
    assert (
        t7.inherited("scalar", A, E, N, w + 0.05)[1] >= t7.inherited("scalar", A, E, N, w)[1] - 1e-9
    )  # better-looking matches all the same


@given(variances, variances, variances)
def test_matching_on_the_image_itself_is_worthless_for_the_optimal_rule(A, E, N):
    share, rho = t7.inherited("scalar", A, E, N, 1.0)
    assert share == pytest.approx(rho)
    assert t7.separation("scalar", 1.3, A, E, N, "optimal", 1.0) == pytest.approx(1.3 / np.sqrt(A + E))


@given(variances, variances, variances)
def test_a_match_that_ignores_the_disease_is_t1(A, E, N):
    share, rho = t7.inherited("scalar", A, E, N, 0.0)
    assert share == 0
    for rule in t7.RULES:
        assert t7.auc("scalar", 1.3, A, E, N, rule, 0.0) == pytest.approx(float(t1.auc(1.3 / np.sqrt(A + E), rho, rule)))


def test_distance_to_the_nearest_reference():
    assert t7.mean_sq_min_norm(5, 1) == pytest.approx(5)
    assert t7.mean_sq_min_norm(2, 1000) == pytest.approx(2 / 1000)
    assert t7.limit_sq_min_norm(3, 1000) == pytest.approx(0.02183, abs=5e-6)
    assert t7.mean_sq_min_norm(3, 10**7) == pytest.approx(float(t7.limit_sq_min_norm(3, 10**7)), rel=1e-3)


def test_printed_efficiencies():
    distances = [1, 1.5, 2, 2.5, 3, 3.5, 4]
    np.testing.assert_allclose(t8.efficiency(distances), [0.99493, 0.96760, 0.89920, 0.78598, 0.64104, 0.48632, 0.34299], atol=5.1e-6)
    np.testing.assert_allclose(t8.efficiency(distances, 0.1), [0.97678, 0.91142, 0.80064, 0.66023, 0.51073, 0.37039, 0.25167], atol=5.1e-6)


@given(st.floats(0.1, 5), st.floats(0.01, 0.99))
def test_efficiency_is_a_share_and_even_in_the_prevalence(distance, pi):
    assert 0 < t8.efficiency(distance, pi) <= 1 + 1e-12
    assert t8.efficiency(distance, pi) == pytest.approx(float(t8.efficiency(distance, 1 - pi)))


def test_limits_say_where_they_do_not_hold():
    assert "pool" in t7.STATEMENT.quantity("auc").caveat({"M": 1000})
    assert t7.STATEMENT.quantity("auc").caveat({"M": 400_000}) == ""
    assert "800" in t8.STATEMENT.quantity("are").caveat({"n_total": 100})


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: t7.auc("iso", 1, 1, 1, 0, "difference"), "N = 0"),
        (lambda: t7.auc("scalar", 1, 1, 1, 0, "difference", 1), "0/0"),
        (lambda: t7.auc("scalar", 1, 1, 1, 1, "difference"), "needs the weight"),
        (lambda: t7.auc("cubic", 1, 1, 1, 1, "difference"), "scalar, iso"),
        (lambda: t7.auc("iso", 1, 1, 1, 1, "single"), "difference, optimal"),
        (lambda: t7.auc("iso", 1, -1, 1, 1, "difference"), "A = -1"),
        (lambda: t7.mean_sq_min_norm(0, 10), "k = 0"),
        (lambda: t8.are(0), "Delta = 0"),
        (lambda: t8.efficiency(1, 1), "prevalence"),
    ],
)
def test_impossible_parameters_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()
