"""Equivalence tests: the published example, and the duality with intervals."""

import math

import pytest

from paper_figures.statistics import equivalence, tost
from paper_figures.statistics.equivalence import tost_means
from paper_figures.statistics.proportions.tango import tango_interval
from see_in_pairs.errors import InputError


def test_published_example() -> None:
    result = tost_means([4, 7, 8, 6, 3, 2], [6, 8, 7, 10, 11, 9], margin=1)
    assert (result.p, result.df) == (pytest.approx(0.9650974, abs=5e-8), 10)


def test_statsmodels_agrees() -> None:
    from statsmodels.stats.weightstats import ttost_ind

    a, b = [4.1, 7.2, 8.0, 6.6, 3.9, 2.5], [4.0, 6.8, 8.7, 5.9, 4.1]
    assert tost_means(a, b, margin=2).p == pytest.approx(ttost_ind(a, b, -2, 2)[0], rel=1e-10)


@pytest.mark.parametrize("counts", [(20, 18, 500), (5, 9, 100), (1, 0, 30)])
def test_p_is_below_the_level_exactly_when_the_interval_lies_inside_the_margin(counts: tuple[int, int, int]) -> None:
    low, high = tango_interval(*counts, confidence_level=0.90)  # two one-sided tests at 5 %
    reach = max(-low, high)
    assert equivalence(*counts, margin=reach * 1.001).p < 0.05 < equivalence(*counts, margin=reach * 0.999).p


def test_t_and_normal_forms() -> None:
    assert tost(0.01, 0.02, math.inf, 0.05).p == pytest.approx(tost(0.01, 0.02, 1e9, 0.05).p, rel=1e-6)
    assert tost(0.0, 0.0, 10, 0.05).p == 0  # no variation at all: certain


@pytest.mark.parametrize("margin", [0, -0.1, 1.0, float("nan")])
def test_margins_that_make_no_sense(margin: float) -> None:
    with pytest.raises(InputError, match="margin"):
        equivalence(1, 2, 10, margin)
