"""Areas on comparable patients: against every pair written out, where a covariate alone tells the class, and how often intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import ndtr

from paper_figures.statistics import clustered_auroc_difference, covariate_adjusted_auroc, within_stratum_auroc
from paper_figures.statistics.validation import NotEstimable
from see_in_pairs.errors import InputError


def pairs(scores: np.ndarray, labels: np.ndarray, alike: np.ndarray) -> float:
    """Share of the pairs of a positive and a negative item that are alike and ranked right, ties one half."""
    right = total = 0.0
    for i in np.flatnonzero(labels):
        for j in np.flatnonzero(~labels):
            if alike[i, j]:
                right += (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])
                total += 1
    return right / total


def patients(rng: np.random.Generator, n: int, images: int = 1, effect: float = 0.0) -> dict[str, np.ndarray]:
    """Two scores that carry the class by age and site; the first also has an effect of the disease of its own."""
    ill, who = np.arange(n) % 2 == 1, np.repeat(np.arange(n), images)
    age = 50 + 10 * (rng.standard_normal(n) + 0.74 * ill)
    site = np.where(rng.random(n) < np.where(ill, 0.7, 0.35), "north", "south")
    own = rng.standard_normal((2, n))[:, who] * 0.8 + 0.6 * rng.standard_normal((2, n * images))
    shift = 0.1 * (age - 50) + 1.0 * (site == "north")
    labels = ill[who]
    scores = own + shift[who]
    scores[0] += effect * labels
    return {"scores": scores, "labels": labels, "age": age[who], "site": site[who], "patients": who, "own": own}


def test_within_a_stratum_only_pairs_of_one_stratum_count() -> None:
    rng = np.random.default_rng(1)
    labels, site = rng.random(60) < 0.4, rng.choice(["a", "b", "c"], 60)
    labels[site == "c"] = True  # lacks a class
    scores = rng.integers(0, 6, (2, 60)).astype(float)
    found = within_stratum_auroc(scores, labels, site)
    alike = site[:, None] == site
    assert found.auc == pytest.approx([pairs(row, labels, alike) for row in scores])
    assert found.left_out == {"of a stratum that lacks a class": int((site == "c").sum())}
    assert (found.positives, found.negatives) == (int((labels & (site != "c")).sum()), int((~labels).sum()))


def test_adjusted_is_the_area_of_residuals_from_the_healthy() -> None:
    data = patients(np.random.default_rng(2), 80)
    labels, age, north = data["labels"], data["age"], data["site"] == "north"
    design = sm.add_constant(np.column_stack([age, north]))
    expected = []
    for score in data["scores"]:
        fit = sm.OLS(score[~labels], design[~labels]).fit()
        expected.append(pairs(score - design @ fit.params, labels, np.ones((80, 80), dtype=bool)))
    found = covariate_adjusted_auroc(data["scores"], labels, {"age": age, "site": data["site"]})
    assert found.auc == pytest.approx(expected)


def test_without_differences_between_strata_it_is_the_plain_area_and_its_jackknife() -> None:
    data = patients(np.random.default_rng(3), 100, images=2, effect=0.5)
    found = within_stratum_auroc(data["scores"], data["labels"], np.zeros(200, dtype=int), data["patients"]).difference()
    other = clustered_auroc_difference(data["scores"], data["labels"], data["patients"])
    assert found.estimate == pytest.approx(other.estimate)
    assert found.se == pytest.approx(other.se, rel=0.02)
    assert found.df == pytest.approx(other.df, rel=0.02)


@pytest.mark.parametrize("kind", ["within", "adjusted"])
def test_the_variance_is_that_of_leaving_out_each_patient(kind: str) -> None:
    data = patients(np.random.default_rng(4), 40, images=2, effect=0.5)

    def compute(kept: np.ndarray) -> np.ndarray:
        rows = data["scores"][:, kept], data["labels"][kept]
        if kind == "within":
            return within_stratum_auroc(*rows, data["site"][kept], data["patients"][kept]).auc
        return covariate_adjusted_auroc(*rows, {"age": data["age"][kept], "site": data["site"][kept]}, data["patients"][kept]).auc

    everyone = np.ones(80, dtype=bool)
    ill = np.arange(40) % 2 == 1
    gaps = np.array([-np.diff(compute(data["patients"] != patient))[0] for patient in range(40)])
    variance = sum((20 - 1) / 20 * np.sum((gaps[group] - gaps[group].mean()) ** 2) for group in (ill, ~ill))
    rows = data["scores"], data["labels"]
    if kind == "within":
        found = within_stratum_auroc(*rows, data["site"], data["patients"])
    else:
        found = covariate_adjusted_auroc(*rows, {"age": data["age"], "site": data["site"]}, data["patients"])
    assert found.difference().estimate == pytest.approx(-np.diff(compute(everyone))[0])
    assert found.difference().se == pytest.approx(np.sqrt(variance))


def test_a_covariate_that_alone_tells_the_class_leaves_a_half() -> None:
    rng = np.random.default_rng(5)
    data = patients(rng, 3000)
    plain = within_stratum_auroc(data["scores"], data["labels"], np.zeros(3000, dtype=int))
    adjusted = covariate_adjusted_auroc(data["scores"], data["labels"], {"age": data["age"], "site": data["site"]})
    assert plain.auc.min() > 0.68
    assert abs(adjusted.auc - 0.5).max() < 0.03
    by_site = data["own"] + 2.0 * (data["site"] == "north")
    assert within_stratum_auroc(by_site, data["labels"], np.zeros(3000, dtype=int)).auc.min() > 0.6
    assert abs(within_stratum_auroc(by_site, data["labels"], data["site"]).auc - 0.5).max() < 0.03


@pytest.mark.parametrize("images", [1, 2])
def test_intervals_cover_as_often_as_they_say(images: int) -> None:
    effect, replicates, rng = 1.0, 200, np.random.default_rng(6 + images)
    truth, covered = ndtr(effect / np.sqrt(2)), np.zeros(4)
    for _ in range(replicates):
        data = patients(rng, 60, images, effect)
        first = covariate_adjusted_auroc(data["scores"], data["labels"], {"age": data["age"], "site": data["site"]}, data["patients"])
        scores = data["own"] + 1.5 * (data["site"] == "north") + np.outer([effect, 0.0], data["labels"])
        second = within_stratum_auroc(scores, data["labels"], data["site"], data["patients"])
        for place, found in enumerate((first, second)):
            for column, (interval, value) in enumerate(((found.interval(), truth), (found.difference().interval, truth - 0.5))):
                covered[2 * place + column] += interval[0] <= value <= interval[1]
    assert np.abs(covered / replicates - 0.95).max() < 3 * np.sqrt(0.95 * 0.05 / replicates)


def test_many_clusters_are_left_out_in_groups_with_the_same_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    data = patients(np.random.default_rng(8), 600, effect=0.5)
    arguments = data["scores"], data["labels"], data["site"]
    monkeypatch.setattr("paper_figures.statistics.roc.adjusted.GROUPS", 600)
    one_by_one = within_stratum_auroc(*arguments).difference()
    monkeypatch.setattr("paper_figures.statistics.roc.adjusted.GROUPS", 200)
    grouped = within_stratum_auroc(*arguments)
    assert len(grouped.shifts) == 200
    assert grouped.difference().se == pytest.approx(one_by_one.se, rel=0.2)


def test_items_without_their_like_are_left_out_and_counted() -> None:
    data = patients(np.random.default_rng(9), 80)
    age, site = data["age"].copy(), data["site"].copy()
    age[3], site[[1, 5]] = np.nan, "west"  # two diseased patients of a site without healthy ones
    found = covariate_adjusted_auroc(data["scores"], data["labels"], {"age": age, "site": site})
    assert found.left_out == {"without age": 1, "of a site that fewer than two healthy clusters have": 2}
    assert (found.positives, found.negatives) == (37, 40)


def test_failed_items_rank_last_of_all() -> None:
    data = patients(np.random.default_rng(10), 80)
    scores = data["scores"].copy()
    scores[0, 1] = -np.inf  # a diseased patient without an answer
    low = data["scores"].copy()
    low[0, 1] = low[0].min() - 1 - np.ptp(np.delete(low[0], 1))
    for given in ({"site": data["site"]},):
        assert covariate_adjusted_auroc(scores, data["labels"], given).auc == pytest.approx(
            covariate_adjusted_auroc(low, data["labels"], given).auc, abs=0.01
        )


def test_what_cannot_be_computed_says_why() -> None:
    data = patients(np.random.default_rng(11), 40)
    scores, labels = data["scores"], data["labels"]
    with pytest.raises(NotEstimable, match="no stratum holds both classes"):
        within_stratum_auroc(scores, labels, labels.astype(str))
    with pytest.raises(NotEstimable, match="no pair of a diseased and a healthy item is left"):
        covariate_adjusted_auroc(scores, labels, {"site": labels.astype(str)})
    with pytest.raises(NotEstimable, match=rf"left out: {len(labels)} without age\)"):
        covariate_adjusted_auroc(scores, labels, {"age": np.full(len(labels), np.nan)})
    with pytest.raises(NotEstimable, match=r"positive items that count come from 1 cluster\(s\), fewer than 4"):
        within_stratum_auroc(scores, labels, data["site"], np.where(labels, "one", data["patients"].astype(str)))
    with pytest.raises(NotEstimable, match="coefficients: fewer than 5 for each"):
        covariate_adjusted_auroc(scores, labels, {"ward": (data["patients"] // 4).astype(str)})
    with pytest.raises(InputError, match="give at least one"):
        covariate_adjusted_auroc(scores, labels, {})
    with pytest.raises(InputError, match="age has"):
        covariate_adjusted_auroc(scores, labels, {"age": [1.0]})
