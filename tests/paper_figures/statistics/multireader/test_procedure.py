"""Procedures over several training seeds: the balanced two-way analysis of variance, its limits, and what one model would claim."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paper_figures.statistics import clustered_delong, clustered_difference, procedure, procedure_auroc, procedure_contrast
from see_in_pairs.errors import InputError


def crossed(rng: np.random.Generator, seeds: int, patients: int, training: float = 0.0) -> tuple[np.ndarray, ...]:
    """Right and wrong of two arms of equal accuracy; each training moves arm A on the latent scale."""
    who, trained = np.tile(np.arange(patients), seeds), np.repeat(np.arange(seeds), patients)
    shift = training * rng.normal(size=seeds)[trained]
    shared = rng.normal(size=(2, patients))[:, who]
    z = shared + rng.normal(size=(2, seeds * patients))
    return (z[0] + shift) / math.sqrt(2 + training**2) < 0.5, z[1] / math.sqrt(2) < 0.5, who, trained


def test_balanced_it_is_the_two_way_random_model() -> None:
    """Mean squares of seeds, patients and residual: var = (MS_seed + MS_patient - MS_residual) / (S K)."""
    a, b, who, trained = crossed(np.random.default_rng(1), 6, 80, training=1.0)
    d = (a.astype(float) - b).reshape(6, 80)
    rows, columns, mean = d.mean(axis=1, keepdims=True), d.mean(axis=0, keepdims=True), d.mean()
    ms_seed, ms_patient = 80 * rows.var(ddof=1), 6 * columns.var(ddof=1)
    ms_residual = ((d - rows - columns + mean) ** 2).sum() / (5 * 79)
    assert ms_seed > ms_residual  # else our lower bound is used
    assert ms_patient > ms_residual
    result = procedure(a, b, who, trained)
    assert result.estimate == pytest.approx(mean)
    assert result.se == pytest.approx(math.sqrt((ms_seed + ms_patient - ms_residual) / (6 * 80)), rel=1e-12)
    assert result.training_sd == pytest.approx(math.sqrt((ms_seed - ms_residual) / 80), rel=1e-12)
    assert result.by_seed == pytest.approx(tuple(rows.ravel()))


def test_one_model_claims_the_clustered_standard_error() -> None:
    a, b, who, trained = crossed(np.random.default_rng(2), 4, 50, training=1.5)
    single = [clustered_difference(a[trained == s], b[trained == s], who[trained == s]).se for s in range(4)]
    result = procedure(a, b, who, trained)
    assert result.one_model_se == pytest.approx(math.sqrt(np.mean(np.square(single))))
    assert result.se > result.one_model_se


def test_trainings_that_are_copies_leave_the_patients() -> None:
    a, b, who, _ = crossed(np.random.default_rng(3), 1, 60)
    one = clustered_difference(a, b, who)
    result = procedure(np.tile(a, 3), np.tile(b, 3), np.tile(who, 3), np.repeat([0, 1, 2], 60))
    assert (result.se, result.df, result.training_sd) == (pytest.approx(one.se), pytest.approx(59), 0)


def test_areas_of_each_training_are_taken_by_themselves() -> None:
    """A constant added to all scores of one training changes no ranking within it, so nothing at all."""
    rng = np.random.default_rng(4)
    labels, who, trained = np.tile(np.arange(40) % 2 == 0, 3), np.tile(np.arange(40), 3), np.repeat(np.arange(3), 40)
    scores = rng.normal(size=(2, 120)) + labels
    one, moved = (procedure_auroc(values, labels, who, trained) for values in (scores, scores + 5.0 * trained))
    assert moved == one
    from paper_figures.statistics import delong

    each = [delong(scores[:, trained == s], labels[trained == s]).difference().difference for s in range(3)]
    assert one.by_seed == pytest.approx(tuple(each))
    assert one.estimate == pytest.approx(np.mean(each))


def several(seed: int, models: int, seeds: int = 3, patients: int = 40) -> tuple[np.ndarray, ...]:
    """Scores of several models, each trained with several seeds."""
    rng = np.random.default_rng(seed)
    labels, who, trained = (
        np.tile(np.arange(patients) % 2 == 0, seeds), np.tile(np.arange(patients), seeds), np.repeat(np.arange(seeds), patients),
    )  # fmt: skip
    return rng.normal(size=(models, seeds * patients)) + labels, labels, who, trained


def test_a_contrast_is_the_weighted_sum_of_areas() -> None:
    scores, labels, who, trained = several(6, 4)
    areas = [procedure_contrast(scores[[k]], [1], labels, who, trained) for k in range(4)]
    weights = [1, -1, -0.5, 2]
    found = procedure_contrast(scores, weights, labels, who, trained)
    assert found.estimate == pytest.approx(np.dot(weights, [area.estimate for area in areas]))
    assert found.by_seed == pytest.approx(tuple(np.dot(weights, [area.by_seed for area in areas])))
    assert procedure_contrast(scores[:2], [1, -1], labels, who, trained) == procedure_auroc(scores[:2], labels, who, trained)


def test_one_area_is_tested_against_chance() -> None:
    """Trainings that are copies leave the patients, so the standard error is that of DeLong, but for one factor K / (K - 1) by class."""
    scores, labels, who, _ = several(7, 1, seeds=1, patients=400)
    result = procedure_contrast(np.tile(scores, 3), [1], np.tile(labels, 3), np.tile(who, 3), np.repeat([0, 1, 2], 400))
    once = clustered_delong(scores, labels, who)
    assert result.estimate == pytest.approx(once.auc[0])
    assert result.se == pytest.approx(math.sqrt(once.covariance[0, 0]), rel=1 / 200)
    z = (result.estimate - 0.5) / result.se
    assert result.p == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.5)
    assert result.interval[1] <= 1
    noise = procedure_contrast(np.zeros((1, 12)), [1], [1, 0, 1, 0] * 3, [0, 1, 2, 3] * 3, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    assert (noise.estimate, noise.p) == (0.5, 1)


@pytest.mark.parametrize("weights", [[1], [1, -1, 1], [1, math.nan], [[1, -1]]])
def test_weights_that_do_not_fit(weights: list[float]) -> None:
    scores, labels, who, trained = several(8, 2)
    with pytest.raises(InputError, match="weights: give 2 finite numbers"):
        procedure_contrast(scores, weights, labels, who, trained)
    with pytest.raises(InputError, match="give two arms"):
        procedure_auroc(scores[:1], labels, who, trained)


@given(st.integers(0, 1000), st.integers(2, 5))
def test_swapping_arms_and_permuting_rows(seed: int, seeds: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, who, trained = crossed(rng, seeds, 12, training=1.0)
    order = rng.permutation(len(a))
    one, other, moved = (
        procedure(a, b, who, trained), procedure(b, a, who, trained), procedure(a[order], b[order], who[order], trained[order]),
    )  # fmt: skip
    assert (other.estimate, other.p) == (pytest.approx(-one.estimate), pytest.approx(one.p))
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert (moved.estimate, moved.se, moved.df) == (pytest.approx(one.estimate), pytest.approx(one.se), pytest.approx(one.df))
    assert one.df >= min(seeds, 12) - 1 - 1e-9


def test_size_where_one_trained_model_is_far_off() -> None:
    """Five trainings of SD 0.5, 100 patients, no difference: within .05 + 4 MCSE of 1,000; one model rejects more than .15."""
    rng, replicates, rejected = np.random.default_rng(5), 1000, np.zeros(2)
    for _ in range(replicates):
        a, b, who, trained = crossed(rng, 5, 100, training=0.5)
        first = trained == 0
        rejected += [procedure(a, b, who, trained).p < 0.05, clustered_difference(a[first], b[first], who[first]).p < 0.05]
    rates, mcse = rejected / replicates, math.sqrt(0.05 * 0.95 / replicates)
    assert rates[0] < 0.05 + 4 * mcse
    assert rates[1] > 0.15


def test_degenerate_data() -> None:
    seeds, who = np.repeat([0, 1], 4), np.tile(np.arange(4), 2)
    same = procedure([1, 0] * 4, [1, 0] * 4, who, seeds)
    assert (same.estimate, same.p, same.interval) == (0, 1, (0, 0))
    apart = procedure([1] * 8, [0] * 8, who, seeds)
    assert (apart.estimate, 0 < apart.p < 1, math.isfinite(apart.interval[0])) == (1, True, True)
    for clusters, trained, message in ((who, [0] * 8, "one training seed"), ([0] * 8, seeds, "one cluster"), (who, [0], "one per item")):
        with pytest.raises(InputError, match=message):
            procedure([1] * 8, [0] * 8, clusters, trained)
    with pytest.raises(InputError, match="one class"):
        procedure_auroc(np.zeros((2, 8)), [1, 1, 1, 1, 0, 0, 0, 0], who, seeds)


def test_trainings_that_happen_to_agree_are_not_taken_for_certain() -> None:
    """Both seeds give a difference of 0, patient by patient with opposite signs: what patients explain, v - c, stands in for s^2 = 0."""
    d = np.array([[1, -1, 1, -1], [-1, 1, -1, 1]])
    result = procedure(d.ravel() > 0, d.ravel() < 0, np.tile(np.arange(4), 2), np.repeat([0, 1], 4))
    own = 4 / 3 * 4 / 16  # K / (K - 1) times the sum of (d / K)^2; between the seeds it is the same with a minus sign
    assert result.by_seed == (0, 0)
    assert result.se == pytest.approx(math.sqrt((own + own) / 2))
    assert result.df == pytest.approx(1)
