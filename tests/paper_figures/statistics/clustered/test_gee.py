"""Population-average odds ratios and their interaction: closed forms, and statsmodels as a twin."""

import math

import numpy as np
import pytest

from paper_figures.statistics import gee, gee_interaction
from see_in_pairs.errors import InputError


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


def test_an_infinite_odds_ratio_is_refused() -> None:
    with pytest.raises(InputError):
        gee([1, 1, 1], [0, 1, 0], [1, 2, 3])


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
