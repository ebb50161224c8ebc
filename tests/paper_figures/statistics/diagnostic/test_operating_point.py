"""Sensitivity, predictive values and likelihood ratios: published numbers, other ways of computing them, coverage, edges."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from paper_figures.statistics import (
    clustered_difference,
    mcnemar,
    measures_at_specificity,
    measures_at_threshold,
    paired_bootstrap,
    paired_difference,
    procedure,
)
from paper_figures.statistics.diagnostic.factors import factors
from paper_figures.statistics.diagnostic.operating_point import MEASURES, PairedScores, at_threshold
from paper_figures.statistics.multireader.random_factors import random_factors_contrast
from see_in_pairs.errors import InputError

PAIRED1 = {(1, 1, 1): 319, (1, 0, 1): 22, (1, 1, 0): 78, (1, 0, 0): 32, (0, 1, 1): 31, (0, 0, 1): 22, (0, 1, 0): 53, (0, 0, 0): 155}
ROWS = np.array([cell for cell, count in PAIRED1.items() for _ in range(count)], dtype=float)  # label, test 1, test 2


def sample(seed: int = 0, n: int = 240, size: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    patients = np.arange(n) // size
    labels = (np.arange(n) // size) % 3 == 0
    own = rng.normal(size=(2, n // size))[:, patients]
    return rng.normal(size=(2, n)) + own + labels * np.array([[2.0], [1.4]]), labels, patients


def test_moskowitz_and_pepe() -> None:
    """Their variance of the log relative predictive value, written out from the eight cells."""
    found = measures_at_threshold(ROWS[:, 2], ROWS[:, 1], ROWS[:, 0])
    b1, b0, o1, o0 = PAIRED1[1, 1, 1], PAIRED1[0, 1, 1], PAIRED1[1, 0, 1], PAIRED1[0, 0, 1]
    first1, first0 = PAIRED1[1, 1, 0], PAIRED1[0, 1, 0]
    tp, fp = (b1 + o1, b1 + first1), (b0 + o0, b0 + first0)
    ppv = [t / (t + f) for t, f in zip(tp, fp, strict=True)]
    each = [(1 - p) ** 2 * t / t**2 + p**2 * f / t**2 for p, t, f in zip(ppv, tp, fp, strict=True)]
    both = ((1 - ppv[0]) * (1 - ppv[1]) * b1 + ppv[0] * ppv[1] * b0) / (tp[0] * tp[1])
    tested = b1 + b0 + o1 + o0 + first1 + first0
    assert found.ppv.se == pytest.approx(math.sqrt((sum(each) - 2 * both) * tested / (tested - 1)), rel=1e-9)
    assert found.ppv.se == pytest.approx(0.01991247, rel=2e-3)  # as DTComPair prints it
    assert found.ppv.p == pytest.approx(0.01714612, abs=1e-3)


def test_one_likelihood_ratio_is_simels() -> None:
    found = measures_at_threshold(ROWS[:, 1], ROWS[:, 2], ROWS[:, 0]).positive_likelihood_ratio
    assert found.a_interval is not None
    half = math.log(found.a_interval[1] / found.a_interval[0]) / 2
    assert half == pytest.approx(1.959964 * math.sqrt(1 / 397 - 1 / 451 + 1 / 84 - 1 / 261), rel=8e-3)  # t, and n / (n - 1) in each class


def test_independent_items_are_compared_by_mcnemar_and_tango() -> None:
    found = measures_at_threshold(ROWS[:, 1], ROWS[:, 2], ROWS[:, 0])
    assert found.sensitivity.p == mcnemar(78, 22).mid_p
    assert found.specificity.interval == paired_difference(155, 22, 53, 31).intervals["tango"]


def test_clusters_are_left_out_one_at_a_time() -> None:
    """The jackknife of the log ratio, each patient left out, to the accuracy of the delta method; sensitivity exactly."""
    scores, labels, patients = sample(n=600)
    found = measures_at_threshold(*scores, labels, 1.0, patients)

    def without(patient: int) -> list[float]:
        keep = patients != patient
        left = measures_at_threshold(*scores[:, keep], labels[keep], 1.0, patients[keep])
        return [left.sensitivity.estimate, *(math.log(getattr(left, name).estimate) for name in MEASURES[2:])]

    count = patients.max() + 1
    values = np.array([without(patient) for patient in range(count)])
    errors = np.sqrt((count - 1) / count * ((values - values.mean(axis=0)) ** 2).sum(axis=0))
    members = len(np.unique(patients[labels]))
    exact = math.sqrt((members - 1) / members * ((values[:, 0] - found.sensitivity.estimate) ** 2).sum())
    assert found.sensitivity.se == pytest.approx(exact, rel=1e-9)
    assert [getattr(found, name).se for name in MEASURES[2:]] == pytest.approx(errors[1:].tolist(), rel=0.03)


def test_sensitivity_is_the_accuracy_of_the_positive_items() -> None:
    scores, labels, patients = sample()
    found = measures_at_threshold(*scores, labels, 1.0, patients).sensitivity
    right = scores[:, labels] >= 1.0
    twin = clustered_difference(right[0], right[1], patients[labels])
    assert found.estimate == pytest.approx(twin.estimate)
    assert found.se == pytest.approx(twin.se, rel=0.03)  # clusters of one size: K / (K - 1) against leaving each out


def test_with_trainings_it_is_the_procedure() -> None:
    scores, labels, patients = sample(n=180)
    seeds = np.repeat(np.arange(10), 180)
    rng = np.random.default_rng(5)
    again = np.concatenate([scores + rng.normal(size=(2, 180)) * 0.7 for _ in range(10)], axis=1)
    labels, patients = np.tile(labels, 10), np.tile(patients, 10)
    found = measures_at_threshold(*again, labels, 1.0, patients, seeds=seeds).sensitivity
    right = again[:, labels] >= 1.0
    twin = procedure(right[0], right[1], patients[labels], seeds[labels])
    assert found.estimate == pytest.approx(twin.estimate)
    assert found.se == pytest.approx(twin.se, rel=0.03)
    assert found.p == pytest.approx(twin.p, rel=0.1)


def draw(rng: np.random.Generator, trainings: int, shared: int) -> tuple[np.ndarray, ...]:
    """150 patients of two images; effects of patient, training, and reference on the arms' difference; no difference on the whole."""
    patients = np.tile(np.arange(300) // 2, trainings)
    labels, seeds = patients % 2 == 0, np.repeat(np.arange(trainings), 300)
    reference = np.tile(rng.integers(0, shared, size=300), trainings) if shared else None
    rows = len(patients)
    between = rng.normal(size=150)[patients] * 0.5 + rng.normal(size=trainings)[seeds] * (0.25 if trainings > 1 else 0)
    between += 0 if reference is None else rng.normal(size=shared)[reference] * 0.8
    noise = np.tile(rng.normal(size=300), trainings) + rng.normal(size=(2, rows)) * 0.5
    return np.stack([between / 2, -between / 2]) + noise + 1.5 * labels, labels, patients, seeds, reference  # type: ignore[return-value]


@pytest.mark.parametrize(("trainings", "shared"), [(1, 0), (5, 0), (1, 40), (5, 40)])
def test_intervals_cover_with_clusters_trainings_and_references(trainings: int, shared: int) -> None:
    rng, replicates = np.random.default_rng(trainings + shared), 50 if shared and trainings > 1 else 100
    inside = dict.fromkeys(MEASURES, 0)
    for _ in range(replicates):
        scores, labels, patients, seeds, reference = draw(rng, trainings, shared)
        found = measures_at_threshold(*scores, labels, 0.75, patients, seeds=seeds if trainings > 1 else None, references=reference)
        for name in MEASURES:
            one = getattr(found, name)
            inside[name] += one.interval[0] <= (0 if one.contrast == "difference" else 1) <= one.interval[1]
    least = 0.95 - 3 * math.sqrt(0.95 * 0.05 / replicates)
    assert min(inside.values()) / replicates >= least, inside


def test_ignoring_references_would_be_seen() -> None:
    """The design of the test above with fewer references: without them, intervals are too short."""
    rng = np.random.default_rng(41)
    outside = 0
    for _ in range(100):
        scores, labels, patients, _, _ = draw(rng, 1, 12)
        one = measures_at_threshold(*scores, labels, 0.75, patients).specificity
        outside += not one.interval[0] <= 0 <= one.interval[1]  # type: ignore[index]
    assert outside > 100 * (0.05 + 3 * math.sqrt(0.05 * 0.95 / 100))


def test_at_a_specificity_it_is_the_paired_bootstrap() -> None:
    scores, labels, patients = sample(n=480)
    found = measures_at_specificity(*scores, labels, 0.85, patients, resamples=300, seed=4)
    twin = paired_bootstrap(*scores, labels, patients, ["sensitivity"], 300, specificity=0.85, seed=4).metrics["sensitivity"]
    assert found.sensitivity.interval == pytest.approx(twin.interval)
    assert found.sensitivity.a_interval == pytest.approx(twin.a_interval)
    assert found.specificity.interval is None
    for arm, threshold in enumerate(found.thresholds):
        at = measures_at_threshold(*scores, labels, threshold, patients)
        assert getattr(at.sensitivity, "ab"[arm]) == getattr(found.sensitivity, "ab"[arm])
        assert getattr(at.ppv, "ab"[arm]) == pytest.approx(getattr(found.ppv, "ab"[arm]))
        assert getattr(at.specificity, "ab"[arm]) >= 0.85 - 1e-12


def test_at_a_specificity_the_threshold_counts() -> None:
    """With a known threshold the interval of one sensitivity would cover less often: true value Phi(1.5 - z)."""
    rng, replicates, inside, short = np.random.default_rng(3), 120, 0, 0
    truth = float(special.ndtr(1.5 - special.ndtri(0.8)))
    for _ in range(replicates):
        labels = np.arange(160) % 2 == 0
        scores = rng.normal(size=(2, 160)) + 1.5 * labels
        found = measures_at_specificity(*scores, labels, 0.8, resamples=200, method="percentile")
        low, high = found.sensitivity.a_interval  # type: ignore[misc]
        inside += low <= truth <= high
        fixed = measures_at_threshold(*scores, labels, found.thresholds[0]).sensitivity.a_interval
        short += fixed[1] - fixed[0] < high - low  # type: ignore[index]
    assert inside / replicates >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / replicates)
    assert short > 0.9 * replicates


def test_at_a_specificity_with_trainings() -> None:
    scores, labels, patients = sample(n=240)
    rng = np.random.default_rng(2)
    again = np.concatenate([scores + rng.normal(size=(2, 240)) * 0.7 for _ in range(10)], axis=1)
    found = measures_at_specificity(
        *again, np.tile(labels, 10), 0.8, np.tile(patients, 10), seeds=np.repeat(np.arange(10), 240), resamples=200
    )
    one = [measures_at_specificity(*again[:, part], labels, 0.8, patients, resamples=2) for part in np.split(np.arange(2400), 10)]
    assert found.sensitivity.estimate == pytest.approx(np.mean([each.sensitivity.estimate for each in one]))
    assert math.log(found.ppv.estimate) == pytest.approx(np.mean([math.log(each.ppv.estimate) for each in one]))
    assert 0 < found.sensitivity.p <= 1
    shared = measures_at_specificity(*scores, labels, 0.8, patients, references=np.arange(240) % 9, resamples=100)
    assert shared.sensitivity.interval is None
    assert "references" in shared.sensitivity.reason


def test_references_are_those_of_the_estimator() -> None:
    """Sensitivity with shared references: what `random_factors_contrast` says of the positive items."""
    rng = np.random.default_rng(8)
    scores, labels, patients, seeds, reference = draw(rng, 10, 12)
    found = measures_at_threshold(*scores, labels, 0.75, patients, seeds=seeds, references=reference).sensitivity
    right = (scores >= 0.75)[:, labels].reshape(2, 10, -1).astype(float)
    one = labels[:300]
    twin = random_factors_contrast(
        right, None, patients[:300][one], reference[:300][one], measure="accuracy", models=["both", "both"]
    )  # the trainings of both arms side by side
    assert (found.estimate, found.se) == pytest.approx((twin.estimate, twin.se))
    assert found.p == pytest.approx(twin.p)


def test_few_references_or_two_trainings_give_no_verdict() -> None:
    rng = np.random.default_rng(9)
    for trainings, shared in ((1, 6), (2, 0), (4, 0)):
        scores, labels, patients, seeds, reference = draw(rng, trainings, shared)
        found = measures_at_threshold(*scores, labels, 0.75, patients, seeds=seeds if trainings > 1 else None, references=reference)
        assert math.isnan(found.specificity.p)
        assert found.specificity.interval is not None


def test_fixed_trainings_are_not_new_ones() -> None:
    rng = np.random.default_rng(10)
    scores, labels, patients, seeds, _ = draw(rng, 4, 0)
    design = factors(len(labels), patients, seeds)
    new, these = (at_threshold(PairedScores(scores, labels, one, 0.95), 0.75) for one in (design, replace(design, fixed_seeds=True)))
    assert these.sensitivity.se < new.sensitivity.se
    assert these.sensitivity.estimate == pytest.approx(new.sensitivity.estimate)


def test_swapping_the_arms() -> None:
    scores, labels, patients = sample()
    ours, theirs = (measures_at_threshold(*rows, labels, 1.0, patients) for rows in (scores, scores[::-1]))
    for name in MEASURES:
        one, other = getattr(ours, name), getattr(theirs, name)
        turned = -other.estimate if one.contrast == "difference" else 1 / other.estimate
        assert one.estimate == pytest.approx(turned)
        assert one.p == pytest.approx(other.p)


def test_identical_arms() -> None:
    scores, labels, patients = sample()
    found = measures_at_threshold(scores[0], scores[0], labels, 1.0, patients)
    for name in MEASURES:
        one = getattr(found, name)
        assert one.p == 1
        assert one.estimate == (0 if one.contrast == "difference" else 1)
    assert found.sensitivity.interval[0] < 0 < found.sensitivity.interval[1]  # type: ignore[index]
    assert "no cluster tells the arms apart" in found.ppv.reason


def test_what_has_no_interval_says_why() -> None:
    scores, labels = np.array([[2, 2, 2, 0, 0, 0, 0, 0.0]] * 2), np.array([1, 1, 1, 0, 0, 0, 0, 0])
    found = measures_at_threshold(*scores, labels, 1.0)
    assert found.sensitivity.interval is None
    assert "3 clusters" in found.sensitivity.reason
    assert math.isnan(found.positive_likelihood_ratio.a)
    assert found.positive_likelihood_ratio.interval is None
    assert found.ppv.reason
    few = measures_at_specificity(*scores, labels, 0.9)
    assert "rarer class" in few.sensitivity.reason
    assert few.sensitivity.a == 1


@pytest.mark.parametrize(
    ("change", "line"),
    [({"labels": [1, 1, 1]}, "one class only"), ({"clusters": [1, 1, 1]}, "one cluster only"), ({"threshold": math.nan}, "not a number"),
     ({"scores_a": [1, 2]}, "not the same items")],
)  # fmt: skip
def test_bad_input_is_one_line(change: dict[str, object], line: str) -> None:
    given: dict[str, object] = {"scores_a": [1, 2, 3], "scores_b": [1, 2, 3], "labels": [0, 1, 1]}
    with pytest.raises(InputError, match=line):
        measures_at_threshold(**(given | change))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="between 0 and 1"):
        measures_at_specificity([1, 2], [1, 2], [0, 1], 1.5)
