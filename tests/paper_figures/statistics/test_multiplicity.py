"""Families of tests: a published example; statsmodels as the twin of Holm, the formula as that of Benjamini and Hochberg."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from paper_figures.statistics import benjamini_hochberg, holm
from see_in_pairs.errors import InputError

# The fifteen p-values of Benjamini and Hochberg (1995), section 3.2: their procedure rejects four at .05, Bonferroni-type ones three.
BH1995 = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.000]


def test_published_example_of_benjamini_and_hochberg() -> None:
    assert (benjamini_hochberg(BH1995).adjusted <= 0.05).sum() == 4
    assert (holm(BH1995).adjusted <= 0.05).sum() == 3


@settings(max_examples=15)  # statsmodels' Holm takes a tenth of a second
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_agrees_with_statsmodels(p: list[float]) -> None:
    assert holm(p).adjusted == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_benjamini_and_hochberg_is_the_formula_written_out(p: list[float]) -> None:
    ordered = sorted(p)
    scaled = [len(p) * value / rank for rank, value in enumerate(ordered, start=1)]
    expected = [min(1.0, *scaled[ordered.index(value) :]) for value in p]
    assert benjamini_hochberg(p).adjusted == pytest.approx(expected, abs=1e-12)


def test_a_family_has_a_name_and_its_order() -> None:
    frame = holm([0.04, 0.01], family="strategies").to_frame()
    assert frame["family"].tolist() == ["strategies"] * 2
    assert frame["adjusted"].tolist() == [0.04, 0.02]
    with pytest.raises(InputError, match="between 0 and 1"):
        holm([1.2])
