"""The one variance estimator: against sums over all pairs written out, the tests it contains, and simulated nulls."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from paper_figures.statistics import clustered_auroc_difference, clustered_difference
from paper_figures.statistics.multireader.random_factors import ContrastResult, _trace_df, random_factors_contrast
from paper_figures.statistics.validation import NotEstimable
from see_in_pairs.errors import InputError


@pytest.fixture
def drawn():
    """Two arms, three trainings, two wordings, 60 items of 25 patients that share 9 references, two each."""
    rng = np.random.default_rng(4)
    labels = rng.random(60) < 0.4
    patients = rng.permutation(np.r_[np.arange(25), rng.integers(0, 25, 35)])
    references = [sorted(rng.choice([f"r{k}" for k in range(9)], 2, replace=False)) for _ in range(60)]
    arms = rng.normal(size=(2, 3, 2, 60)) + labels * np.array([1.5, 1.0])[:, None, None, None]
    return arms, labels, patients, references


def by_pairs(values: np.ndarray, sharing: np.ndarray) -> float:
    """Mean over readers (s, w), (t, v) with s != t and w != v of the sum of products over pairs of items that share a group."""
    seeds, words, _ = values.shape
    total, count = 0.0, 0
    for s in range(seeds):
        for t in range(seeds):
            for w in range(words):
                for v in range(words):
                    if s != t and w != v:
                        total += float(values[s, w] @ sharing @ values[t, v])
                        count += 1
    return total / count


def test_the_parts_are_sums_over_pairs_of_items_of_different_readers(drawn) -> None:
    """Accuracy, arms that share their trainings: patients, references and both written out in O(n^2)."""
    arms, labels, patients, references = drawn
    correct = (arms > 0.7) == labels
    found = random_factors_contrast(list(correct), None, patients, references, measure="accuracy", models=["m", "m"])
    d = correct[0].astype(float) - correct[1]
    theta = d.mean(axis=-1)
    u = (d - theta[..., None]) / 60

    def covariance(groups_of_item: list[list[object]]) -> float:
        """Inclusion and exclusion over the subsets of an item's groups, each leave-one-out."""
        total = 0.0
        kappa = (len({g for entry in groups_of_item for g in entry}) - 1) / len({g for entry in groups_of_item for g in entry})
        for size in (1, 2):
            sets = [list(combinations(sorted(map(str, entry)), size)) for entry in groups_of_item]
            for group in {one for entry in sets for one in entry}:
                inside = np.array([group in entry for entry in sets], dtype=float)
                factor = 1 / (1 - inside.sum() / 60) ** 2
                total += (-1) ** (size + 1) * kappa * factor * by_pairs(u, np.outer(inside, inside))
        return total

    p = covariance([[one] for one in patients])
    r = covariance(references)
    both = covariance([[f"{who}|{one}" for one in entry] for who, entry in zip(patients, references, strict=True)])
    # subsets of size 2 of (patient, reference) cells are those of the references within a patient
    assert found.factors["patients"].variance == pytest.approx(max(both, 0) + max(p - both, 0), abs=1e-12)
    assert found.factors["references"].variance == pytest.approx(max(r - both, 0), abs=1e-12)
    assert found.estimate == pytest.approx(theta.mean())
    by_seed = theta.mean(axis=1)
    assert found.by_seed == pytest.approx(tuple(by_seed))
    sums = np.array([[one.mean(0)[patients == k].sum() / (1 - (patients == k).mean()) for k in set(patients)] for one in u])  # (S, K)
    products = (sums.shape[1] - 1) / sums.shape[1] * sums @ sums.T
    explained = np.trace(products) / 3 - (products.sum() - np.trace(products)) / 6
    assert found.factors["seeds"].variance == pytest.approx(max(by_seed.var(ddof=1), explained) / 3)


def test_one_model_and_patients_of_one_size_is_the_cluster_robust_t() -> None:
    """Accuracy: K / (K - 1) sum of squares, K - 1 degrees of freedom."""
    rng = np.random.default_rng(1)
    a, b, patients = rng.random(80) < 0.8, rng.random(80) < 0.7, np.repeat(np.arange(20), 4)
    known, found = clustered_difference(a, b, patients), random_factors_contrast([a, b], None, patients, measure="accuracy")
    assert (found.se, found.p, *found.interval) == pytest.approx((known.se, known.p, *known.interval))
    assert found.df == pytest.approx(19)


def test_one_model_is_the_jackknife_of_the_auroc() -> None:
    """The same standard error as `clustered_auroc_difference`, unequal patients with both classes included."""
    rng = np.random.default_rng(2)
    labels, patients = rng.random(150) < 0.3, rng.integers(0, 40, 150)
    scores = rng.normal(size=(2, 150)) + labels
    known, found = clustered_auroc_difference(scores, labels, patients), random_factors_contrast(list(scores), labels, patients)
    assert (found.estimate, found.se) == pytest.approx((known.estimate, known.se))


def test_degrees_of_freedom_of_equal_groups_are_their_number_less_one_and_fewer_for_unequal_ones() -> None:
    """The trace formula against the matrix written out."""
    assert _trace_df(np.full(8, 1 / 8)) == pytest.approx(7)
    shares = np.array([0.4, 0.3, 0.1, 0.1, 0.05, 0.05])
    root = np.diag(shares / (1 - shares)) @ (np.eye(6) - np.outer(np.ones(6), shares))
    form = root @ root.T
    assert _trace_df(shares) == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))
    assert _trace_df(shares) < 5


def test_order_names_and_scale_change_nothing(drawn) -> None:
    """Items, seeds and wordings in another order, other names, scores on another scale."""
    arms, labels, patients, references = drawn
    found = random_factors_contrast(list(arms), labels, patients, references)
    order = np.random.default_rng(0).permutation(60)
    other = random_factors_contrast(
        [3 * arm[::-1, ::-1][..., order] - 7 for arm in arms],
        labels[order],
        [f"p{patients[i]}" for i in order],
        [references[i] for i in order],
    )
    assert (other.estimate, other.se, other.df, other.p) == pytest.approx((found.estimate, found.se, found.df, found.p))
    swapped = random_factors_contrast(list(arms[::-1]), labels, patients, references)
    assert (swapped.estimate, swapped.p) == pytest.approx((-found.estimate, found.p))


def test_clusters_is_another_name_for_patients(drawn) -> None:
    arms, labels, patients, references = drawn
    found = random_factors_contrast(list(arms), labels, clusters=patients, references=references)
    assert found == random_factors_contrast(list(arms), labels, patients, references)
    assert found != random_factors_contrast(list(arms), labels, references=references)


def test_identical_arms_differ_by_nothing() -> None:
    """P is 1 and the interval [0, 0] where arms share their trainings."""
    rng = np.random.default_rng(3)
    scores, labels = rng.normal(size=(3, 40)), np.arange(40) % 2
    found = random_factors_contrast([scores, scores], labels, models=["m", "m"])
    assert (found.p, found.interval) == (1.0, (0.0, 0.0))


def test_a_difference_that_never_varies_is_not_certain() -> None:
    """Right everywhere against wrong everywhere: each cluster is one item."""
    found = random_factors_contrast([np.ones((3, 30)), np.zeros((3, 30))], None, measure="accuracy")
    assert "counted as one item" in found.note
    assert found.se > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"measure": "kappa"}, "measure: give one of"),
        ({"fixed": ["models"]}, "fixed: give some of"),
        ({"fixed": ["patients"]}, "so nothing varies"),
        ({"weights": (1.0,)}, r"give 2 finite numbers, one for each arm \(scores is a list with one array per arm"),
        ({"patients": range(20), "clusters": range(20)}, "is the same as patients"),
        ({"models": ["m"]}, "give 2 names"),
        ({"patients": [0] * 20}, "one cluster only"),
        ({"references": ["r"] * 20}, "one group has every item"),
        ({"labels": [1] * 20}, "one class only"),
    ],
)
def test_what_cannot_be_estimated_is_said(change, message) -> None:
    """One line each."""
    rng = np.random.default_rng(0)
    given = {"scores": list(rng.normal(size=(2, 20))), "labels": np.arange(20) % 2} | change
    with pytest.raises((InputError, NotEstimable), match=message):
        random_factors_contrast(**given)


def null(rng: np.random.Generator, seeds: int, references: int, measure: str) -> ContrastResult:
    """Two equal arms with random trainings, 100 patients and shared references, all of which move the evidence for the true class."""
    labels = np.arange(100) % 2
    used = rng.integers(0, references, 100)
    evidence = 0.6 + rng.normal(size=100) + rng.normal(size=(2, seeds, 100)) + 0.3 * rng.normal(size=(2, seeds, 1))
    evidence += 0.6 * rng.normal(size=(2, 1, references))[..., used]
    scores = list(evidence > 0) if measure == "accuracy" else list((2 * labels - 1) * evidence)
    return random_factors_contrast(scores, labels, references=used, measure=measure)


@pytest.mark.parametrize("measure", ["accuracy", "auroc"])
def test_a_true_null_is_rejected_at_the_level_with_seeds_patients_and_references(measure) -> None:
    """400 replicates: at most .05 + 4 MCSE; ignoring the references rejects far more often (a separate study has the grid)."""
    rng = np.random.default_rng(11)
    rejected = np.mean([null(rng, 3, 20, measure).p < 0.05 for _ in range(400)])
    assert rejected <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 400)
