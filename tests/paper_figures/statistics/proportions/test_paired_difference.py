"""Intervals of a paired difference of proportions: published values and brute-force twins."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from paper_figures.statistics import paired_difference
from paper_figures.statistics.proportions.tango import tango_interval, tango_score
from see_in_pairs.errors import InputError

TABLES = st.tuples(*[st.integers(0, 60)] * 4).filter(lambda counts: sum(counts) > 0)


def test_airway_data_of_bentur() -> None:
    """The 21 children of Bentur and others (2009) as Fagerland, Lydersen and Laake use them; three digits, confirmed by R in the ledger."""
    intervals = paired_difference(1, 1, 7, 12).intervals
    expected = {"tango": (-0.517, -0.026), "newcombe": (-0.507, -0.026), "wald": (-0.520, -0.052), "bonett_price": (-0.508, -0.013)}
    for name, ends in expected.items():
        assert intervals[name] == pytest.approx(ends, abs=5e-4), name


def brute_score(n10: int, n01: int, n: int, delta: float) -> float:
    """Tango's statistic from its definition: maximise the restricted likelihood numerically, then standardise."""

    def loss(q: float) -> float:
        cells = ((n10, q + delta), (n01, q), (n - n10 - n01, 1 - 2 * q - delta))
        return -sum(count * math.log(max(p, 1e-300)) for count, p in cells if count)

    low, high = max(0.0, -delta), (1 - delta) / 2
    q = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (n10 - n01 - n * delta) / math.sqrt(n * (2 * q + delta * (1 - delta)))


@pytest.mark.parametrize("counts", [(1, 7, 21), (20, 5, 60), (3, 3, 10), (121, 59, 400), (8, 1, 12)])
@pytest.mark.parametrize("delta", [-0.6, -0.1, 0.0, 0.2, 0.55])
def test_tango_score_is_the_score_at_the_restricted_maximum(counts: tuple[int, int, int], delta: float) -> None:
    assert tango_score(*counts, delta) == pytest.approx(brute_score(*counts, delta), rel=2e-5)  # the optimiser finds q to about 1e-8


@given(TABLES)
def test_tango_ends_solve_the_score_equation(counts: tuple[int, int, int, int]) -> None:
    _, n10, n01, _ = counts
    n, z = sum(counts), float(stats.norm.ppf(0.975))
    low, high = tango_interval(n10, n01, n)
    assert low <= (n10 - n01) / n <= high
    if low > -1:
        assert tango_score(n10, n01, n, low) == pytest.approx(z, abs=1e-6)
    if high < 1:
        assert tango_score(n10, n01, n, high) == pytest.approx(-z, abs=1e-6)


@given(TABLES)
def test_every_interval_holds_the_estimate_and_flips_with_the_arms(counts: tuple[int, int, int, int]) -> None:
    n11, n10, n01, n00 = counts
    one, other = paired_difference(n11, n10, n01, n00), paired_difference(n11, n01, n10, n00)
    assert one.difference == -other.difference
    for name, (low, high) in one.intervals.items():
        assert -1 <= low <= high <= 1
        assert other.intervals[name] == pytest.approx((-high, -low), abs=1e-9)
        if name != "bonett_price":  # its centre is shrunk towards 0
            assert low - 1e-12 <= one.difference <= high + 1e-12


def test_tango_at_zero_is_mcnemar() -> None:
    assert tango_score(121, 59, 1000, 0.0) ** 2 == pytest.approx((121 - 59) ** 2 / 180)


def test_newcombe_without_correlation_is_square_and_add_of_wilson() -> None:
    """With a negative correlation of 0 the interval must be that of independent proportions (Newcombe's method 10 for two samples)."""
    result = paired_difference(10, 10, 10, 10)
    n, z = 40, stats.norm.ppf(0.975)
    low, high = stats.binomtest(20, n).proportion_ci(method="wilson")
    half = math.hypot(0.5 - low, high - 0.5)
    assert result.intervals["newcombe"] == pytest.approx((-half, half))
    assert z > 0


@pytest.mark.parametrize("table", [(5, 0, 0, 0), (0, 0, 0, 3), (4, 0, 0, 4)])
def test_no_discordant_item(table: tuple[int, int, int, int]) -> None:
    result = paired_difference(*table)
    assert result.difference == 0
    assert all(low <= 0 <= high for low, high in result.intervals.values())
    low, high = result.intervals["tango"]
    assert low < 0 < high  # no discordant item is no proof of equality


def test_tango_coverage_at_small_samples() -> None:
    """All tables of 12 items: exact coverage of the nominal 95 % interval at a true difference of .2, never below 90 %."""
    n, p10, p01 = 12, 0.3, 0.1
    covered = 0.0
    for n10 in range(n + 1):
        for n01 in range(n - n10 + 1):
            low, high = tango_interval(n10, n01, n)
            covered += stats.multinomial.pmf([n10, n01, n - n10 - n01], n, [p10, p01, 1 - p10 - p01]) * (low <= p10 - p01 <= high)
    assert 0.90 <= covered <= 0.99


def test_ten_to_the_six_items() -> None:
    intervals = paired_difference(500_000, 200_000, 100_000, 200_000).intervals
    assert np.ptp([low for low, _ in intervals.values()]) < 1e-6


def test_no_items_is_an_error() -> None:
    with pytest.raises(InputError, match="no items"):
        paired_difference(0, 0, 0, 0)
