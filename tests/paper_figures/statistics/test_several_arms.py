"""Families of tests and several arms: published examples; statsmodels as a twin of ours, formulas written out as twins of its own."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from statsmodels.discrete.conditional_models import ConditionalLogit
from statsmodels.stats.multitest import multipletests

from paper_figures.statistics import benjamini_hochberg, cochran_q, conditional_logit, gee, gee_interaction, holm, mcnemar
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


def test_cochran_q_is_the_formula_written_out_and_mcnemar_for_two_arms() -> None:
    rng = np.random.default_rng(0)
    table = rng.random((4, 90)) < np.array([[0.5], [0.6], [0.7], [0.7]])
    arms, items, k = table.sum(axis=1), table.sum(axis=0), 4
    statistic = (k - 1) * (k * (arms**2).sum() - arms.sum() ** 2) / (k * items.sum() - (items**2).sum())
    ours = cochran_q(*table)
    assert (ours.statistic, ours.p, ours.df) == (pytest.approx(statistic), pytest.approx(chi2.sf(statistic, 3)), 3)
    n10, n01 = int((table[0] & ~table[1]).sum()), int((table[1] & ~table[0]).sum())
    assert cochran_q(table[0], table[1]).p == pytest.approx(mcnemar(n10, n01).asymptotic)
    assert cochran_q(table[0], table[0], table[0]).p == 1


def test_conditional_logit_is_the_maximum_of_the_conditional_likelihood() -> None:
    a, b = [1] * 12 + [0] * 5, [0] * 12 + [1] * 5
    right, arm, item = np.array(a + b), np.repeat([1.0, 0.0], 17)[:, None], np.tile(np.arange(17), 2)
    fit = ConditionalLogit(right, arm, groups=item).fit(disp=False)
    ours = conditional_logit(12, 5)  # statsmodels' optimiser stops at about 1e-4
    assert ours.log_odds_ratio == pytest.approx(math.log(12 / 5))
    assert (ours.log_odds_ratio, ours.se) == (pytest.approx(float(fit.params[0]), abs=1e-4), pytest.approx(float(fit.bse[0]), rel=1e-3))


def test_infinite_odds_ratios_are_refused() -> None:
    with pytest.raises(InputError):
        conditional_logit(3, 0)
    with pytest.raises(InputError):
        gee([1, 1, 1], [0, 1, 0], [1, 2, 3])


def test_gee_is_the_marginal_odds_ratio_with_robust_errors() -> None:
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(50), 4)
    a, b = rng.random(200) < 0.8, rng.random(200) < 0.6
    result = gee(a, b, clusters)
    logit = lambda share: math.log(share / (1 - share))
    assert result.log_odds_ratio == pytest.approx(logit(a.mean()) - logit(b.mean()), abs=1e-6)
    scale = [1 / (arm.mean() * (1 - arm.mean())) for arm in (a, b)]  # delta method on the two shares, summed by cluster
    influence = np.bincount(clusters, (a - a.mean()) * scale[0] - (b - b.mean()) * scale[1]) / 200
    assert result.se == pytest.approx(math.sqrt((influence**2).sum()), rel=1e-6)


def strategies(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sixty patients of two images, scored with each of three reference strategies."""
    rng = np.random.default_rng(seed)
    patients, strategy = np.tile(np.repeat(np.arange(60), 2), 3), np.repeat(["demographic", "prior", "random"], 120)
    gain = np.select([strategy == "random", strategy == "prior"], [0.0, 0.15], 0.1)
    return rng.random(360) < 0.7 + gain, rng.random(360) < 0.7, strategy, patients


def test_interaction_agrees_with_statsmodels() -> None:
    import statsmodels.api as sm

    a, b, strategy, patients = strategies(3)
    result = gee_interaction(a, b, strategy, patients)
    levels = np.unique(strategy, return_inverse=True)[1]
    level, arm = np.eye(3)[np.concatenate([levels, levels])], np.repeat([1.0, 0.0], 360)[:, None]
    design = np.hstack([level, level * arm])
    fit = sm.GEE(np.concatenate([a, b]).astype(float), design, groups=np.tile(patients, 2), family=sm.families.Binomial()).fit()
    wald = fit.wald_test(np.hstack([np.zeros((2, 3)), np.diff(np.eye(3), axis=0)]), scalar=True)
    assert result.statistic == pytest.approx(float(wald.statistic), rel=1e-5)
    assert (result.df, result.p) == (2, pytest.approx(float(wald.pvalue), rel=1e-4))
    odds = [one.log_odds_ratio for one in result.by_level.values()]
    assert odds == pytest.approx(list(fit.params[3:]), abs=1e-6)


def test_interaction_needs_two_levels() -> None:
    a, b, _, patients = strategies(3)
    with pytest.raises(InputError, match="one level"):
        gee_interaction(a, b, ["random"] * 360, patients)
    assert gee_interaction(a, a, strategies(3)[2], patients).p == 1
    assert (gee(a, a, patients).p, gee(a, a, patients).interval) == (1, (0, 0))
