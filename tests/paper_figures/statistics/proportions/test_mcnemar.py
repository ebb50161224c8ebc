"""McNemar's tests against the published values and scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paper_figures.statistics import mcnemar
from see_in_pairs.errors import InputError

PUBLISHED = [  # n10, n01, exact, mid-p, asymptotic, corrected; the first are the airway data of Bentur et al. (2009)
    (1, 7, 0.0703125, 0.0390625, 0.0338949, 0.0770999),
    (121, 59, 4.43445e-6, 3.26665e-6, 3.81514e-6, 5.45009e-6),
    (150, 86, 3.7159e-5, 2.8934e-5, 3.0993e-5, 4.1146e-5),
]
COUNTS = st.integers(0, 2000)


@pytest.mark.parametrize("row", PUBLISHED)
def test_published_values(row: tuple[float, ...]) -> None:
    result = mcnemar(int(row[0]), int(row[1]))
    digits = 1e-5 if row[0] == 150 else 2e-6  # as many as were published
    assert (result.exact, result.mid_p, result.asymptotic, result.corrected) == pytest.approx(row[2:], rel=digits)


@given(COUNTS, COUNTS)
def test_exact_and_mid_p_agree_with_the_binomial_distribution(n10: int, n01: int) -> None:
    result, n = mcnemar(n10, n01), n10 + n01
    assert result.exact == pytest.approx(stats.binomtest(n10, n).pvalue if n else 1.0, rel=1e-9)
    tail = stats.binom.cdf(min(n10, n01) - 1, n, 0.5) + stats.binom.pmf(min(n10, n01), n, 0.5) / 2
    assert result.mid_p == pytest.approx(2 * tail if n else 1.0, rel=1e-9)


@given(COUNTS, COUNTS)
def test_swapping_arms_changes_no_p_value(n10: int, n01: int) -> None:
    one, other = mcnemar(n10, n01), mcnemar(n01, n10)
    assert (one.exact, one.mid_p, one.asymptotic, one.corrected) == (other.exact, other.mid_p, other.asymptotic, other.corrected)
    assert all(0 <= p <= 1 for p in (one.exact, one.mid_p, one.asymptotic, one.corrected))
    assert one.mid_p <= one.exact


@pytest.mark.parametrize("n", [0, 1, 500_000])
def test_equal_counts_give_one(n: int) -> None:
    assert mcnemar(n, n).to_dict() == {"n10": n, "n01": n, "exact": 1, "mid_p": 1, "asymptotic": 1, "corrected": 1}


def test_a_million_discordant_items() -> None:
    assert mcnemar(501_000, 499_000).exact == pytest.approx(stats.binomtest(499_000, 1_000_000).pvalue, rel=1e-6)


@pytest.mark.parametrize("counts", [(-1, 3), (1.5, 3), ("x", 3)])
def test_what_is_no_count_is_refused(counts: tuple[object, object]) -> None:
    with pytest.raises(InputError):
        mcnemar(*counts)  # type: ignore[arg-type]


def test_readable_repr_and_frame() -> None:
    result = mcnemar(1, 7)
    assert "mid_p       0.03906" in repr(result)
    assert list(result.to_frame().columns) == ["n10", "n01", "exact", "mid_p", "asymptotic", "corrected"]
