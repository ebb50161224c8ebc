"""Agreement of readers: the formulas written out, scipy's correlation, and influence against weights that are moved."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from paper_figures.statistics import reader_agreement
from paper_figures.statistics.multireader.agreement import _coefficients
from see_in_pairs.errors import InputError


def table(seed: int, readers: int = 4, items: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(np.round(rng.normal(size=items) + rng.normal(size=(readers, items)), 1))


def long(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, items and readers of what was read."""
    reader, item = np.nonzero(~np.isnan(scores))
    return scores[reader, item], item, reader


def cohen(one: np.ndarray, other: np.ndarray) -> float:
    cells = np.histogram2d(one, other, bins=[[-0.5, 0.5, 1.5]] * 2)[0] / len(one)
    expected = float(cells.sum(axis=1) @ cells.sum(axis=0))
    return float((np.trace(cells) - expected) / (1 - expected))


def test_coefficients_are_the_formulas_written_out() -> None:
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    scores = table(1)
    found = reader_agreement(*long(scores), threshold=0.3)
    decisions = (scores >= 0.3).astype(int)
    assert found.fleiss_kappa.estimate == pytest.approx(fleiss_kappa(aggregate_raters(decisions.T)[0]))
    pairs = list(combinations(range(4), 2))
    assert found.mean_kappa.estimate == pytest.approx(np.mean([cohen(decisions[a], decisions[b]) for a, b in pairs]))
    assert found.rank_correlation.estimate == pytest.approx(np.mean([stats.spearmanr(scores[a], scores[b])[0] for a, b in pairs]))


def test_pairs_share_the_items_that_both_read() -> None:
    scores = table(2)
    scores[0, :20] = scores[1, 10:35] = scores[2, 50:] = np.nan
    found = reader_agreement(*long(scores), threshold=0.3)
    kappas, correlations = [], []
    for a, b in combinations(range(4), 2):
        both = ~np.isnan(scores[a] + scores[b])
        kappas.append(cohen(*(scores[[a, b]][:, both] >= 0.3).astype(int)))
        correlations.append(stats.spearmanr(scores[a, both], scores[b, both])[0])
    assert found.mean_kappa.estimate == pytest.approx(np.mean(kappas))
    assert found.rank_correlation.estimate == pytest.approx(np.mean(correlations))


def test_influence_is_the_derivative_by_the_weight_of_an_item() -> None:
    """An item that is there 1,001 times among others that are there 1,000 times each has a weight that is .001 larger."""
    scores = table(3, readers=3, items=12)
    base = _coefficients(scores, 0.3)
    for item in range(12):
        moved = _coefficients(np.repeat(scores, [1000 + (one == item) for one in range(12)], axis=1), 0.3)
        # agreement and correlation do not depend on how often all items are there, so the derivative is as of weights 1
        slope = [(after[0] - before[0]) / 0.001 for after, before in zip(moved, base, strict=True)]
        assert [before[1][item] for before in base] == pytest.approx(slope, abs=2e-4)
        assert [before[1].sum() for before in base] == pytest.approx([0, 0, 0], abs=1e-12)


def test_intervals_are_those_of_leaving_cases_out() -> None:
    """The jackknife proper, by patients of three items: within 10 % with 100 of them."""
    scores, patients = table(4, items=300), np.arange(300) // 3
    value, item, reader = long(scores)
    found = reader_agreement(value, item, reader, patients[item])
    assert (found.cases, found.items, found.fleiss_kappa.df) == (100, 300, 99)
    without = np.array([[part[0] for part in _coefficients(scores[:, patients != one], 0.5)] for one in range(100)])
    se = np.sqrt(99 / 100 * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    assert [part.se for part in (found.fleiss_kappa, found.mean_kappa, found.rank_correlation)] == pytest.approx(se, rel=0.1)


def test_undefined_agreement_has_a_reason() -> None:
    same = np.tile(np.arange(6.0), (2, 1))
    found = reader_agreement(*long(same), threshold=10)
    assert math.isnan(found.fleiss_kappa.estimate)
    assert "all items alike" in found.mean_kappa.reason
    assert (found.rank_correlation.estimate, found.rank_correlation.reason[:13]) == (1, "no case chang")
    value, item, reader = long(same)
    assert "one case only" in reader_agreement(value, item, reader, np.zeros(12), 2.5).fleiss_kappa.reason
    with pytest.raises(InputError, match="one reader only"):
        reader_agreement([1, 2], [0, 1], [0, 0])
    with pytest.raises(InputError, match="no two readers read the same item"):
        reader_agreement([1, 2], [0, 1], [0, 1])
