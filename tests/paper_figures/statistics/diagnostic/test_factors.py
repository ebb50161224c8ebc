"""The factors of diagnostic measures: one estimator for all trainings, with and without references, and rows that a training lacks."""

import numpy as np
import pytest

from paper_figures.statistics import flip_table, measures_at_threshold, net_benefit, partial_auroc, roc_bands
from paper_figures.statistics.diagnostic.factors import factors, minus, over_trainings, share
from paper_figures.statistics.diagnostic.operating_point import MEASURES
from paper_figures.statistics.multireader.random_factors import random_factors_contrast
from see_in_pairs.errors import InputError

S, N = 10, 120
PATIENTS, SEEDS = np.tile(np.arange(N) // 3, S), np.repeat(np.arange(S), N)
LABELS = PATIENTS % 3 == 0


def scores(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(2, N // 3))[:, PATIENTS] + rng.normal(size=(2, S))[:, SEEDS] / 4
    found: np.ndarray = common + rng.normal(size=(2, S * N)) + LABELS * np.array([[1.5], [1.2]])
    return found


def test_trainings_without_references_are_those_of_the_estimator() -> None:
    values = scores()
    models = ["both", "both"]
    sensitivity = measures_at_threshold(*values, LABELS, 0.5, PATIENTS, seeds=SEEDS).sensitivity
    right = (values >= 0.5)[:, LABELS].reshape(2, S, -1).astype(float)
    twin = random_factors_contrast(right, None, PATIENTS[:N][LABELS[:N]], measure="accuracy", models=models)
    assert (sensitivity.estimate, sensitivity.se, sensitivity.p) == pytest.approx((twin.estimate, twin.se, twin.p))
    area = partial_auroc(values, LABELS, PATIENTS, 0, 1, seeds=SEEDS).area
    twin = random_factors_contrast(values.reshape(2, S, -1), LABELS[:N], PATIENTS[:N], models=models)
    assert (area.estimate, area.se, area.p) == pytest.approx((twin.estimate, twin.se, twin.p))


def test_bootstrap_covariances_are_combined_as_the_estimator_does() -> None:
    """Means of independent items, whose covariances are those of the items over their number."""
    values = scores().reshape(2, S, -1)
    gaps = values[0] - values[1]
    covariance = np.cov(gaps) / N
    own = float(np.trace(covariance)) / S
    found = over_trainings(gaps.mean(axis=1), own, float(covariance.sum() - S * own) / (S * (S - 1)), N - 1.0)
    twin = random_factors_contrast(values, None, measure="mean", models=["both", "both"])
    assert (found.value, found.se, found.df, found.p) == pytest.approx((twin.estimate, twin.se, twin.df, twin.p))


@pytest.mark.parametrize("shared", [False, True])
def test_a_row_that_a_training_lacks(shared: bool) -> None:
    """Covariances of the trainings' shares by patient, written out: each training counts its own rows."""
    values, kept = scores(1), np.random.default_rng(2).random(S * N) < 0.9
    names = np.tile(np.arange(N) // 3, S)[kept] if shared else None  # each patient its own reference, which changes nothing
    hits, members, patients, seeds = (values >= 0.5)[:, kept], LABELS[kept], PATIENTS[kept], SEEDS[kept]
    found = factors(len(seeds), patients, seeds, names).estimate(minus(*(share(row, members) for row in hits)))
    gaps = hits[0].astype(float) - hits[1]
    means, sums = np.empty(S), np.zeros((S, N // 3))
    for s in range(S):
        rows = members & (seeds == s)
        means[s] = gaps[rows].mean()
        sums[s] = np.bincount(patients[rows], gaps[rows] - means[s], N // 3) / rows.sum()
    positive = len(np.unique(patients[members]))
    covariance = sums @ sums.T * positive / (positive - 1)  # each patient has three items that some training read
    apart = (covariance.sum() - np.trace(covariance)) / (S * (S - 1))
    variance = max(means.var(ddof=1), np.trace(covariance) / S - apart) / S + max(apart, 0.0)
    assert found.value == pytest.approx(means.mean())
    assert found.se == pytest.approx(np.sqrt(variance))


def test_trainings_that_are_all_alike_have_no_standard_error() -> None:
    hits = np.tile([True, False, False], S * N // 3)
    found = factors(S * N, PATIENTS, SEEDS).estimate(share(hits, np.ones(S * N, dtype=bool)))
    assert (found.value, found.se) == (pytest.approx(1 / 3), 0.0)


@pytest.mark.parametrize("trainings", [1, 3])
def test_one_reference_for_all_leaves_values_with_a_reason(trainings: int) -> None:
    rows = slice(0, trainings * N)
    values, labels = scores()[:, rows], PATIENTS[rows] % 2 == 0
    rest = {"seeds": SEEDS[rows] if trainings > 1 else None, "references": np.zeros(trainings * N)}
    point = measures_at_threshold(*values, labels, 0.5, PATIENTS[rows], **rest)  # type: ignore[arg-type]
    for name in MEASURES:
        one = getattr(point, name)
        assert np.isfinite([one.a, one.b, one.estimate]).all()
        assert (one.interval, "one group has every item" in one.reason) == (None, True)
    area = partial_auroc(values, labels, PATIENTS[rows], 0.5, 1, **rest).area  # type: ignore[arg-type]
    flips = flip_table(*(values >= 0.5), PATIENTS[rows], **rest)  # type: ignore[arg-type]
    benefit = net_benefit(*np.clip(values, 0, 1), labels, PATIENTS[rows], **rest)  # type: ignore[arg-type]
    assert all("one group has every item" in one.reason for one in (area, flips, benefit))
    assert (area.interval, flips.churn.interval) == (None, None)
    assert np.isfinite([area.estimate, flips.churn.share, *benefit.difference]).all()


def test_a_training_of_one_class_is_one_line() -> None:
    values, seeds = scores()[:, :N], LABELS[:N].astype(int)
    rest = {"labels": LABELS[:N], "clusters": PATIENTS[:N], "seeds": seeds}
    calls = (lambda: measures_at_threshold(*values, **rest), lambda: partial_auroc(values, **rest), lambda: roc_bands(values, **rest))
    for call in calls:
        with pytest.raises(InputError, match="one class only with some training seed"):
            call()
