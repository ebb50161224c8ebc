"""Areas with their intervals: one estimator over trainings, patients and references, and what follows from areas by the delta method."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from paper_figures.results.estimates import (
    auroc_contrast,
    auroc_difference,
    auroc_function,
    auroc_of,
    da_of,
    log_da_ratio,
    shared_references,
)
from paper_figures.results.runs import Run, RunScores
from paper_figures.statistics import clustered_auroc_difference, delong
from paper_figures.statistics.multireader.random_factors import random_factors_contrast
from see_in_pairs.roc import auroc

SINGLE, PAIR = Run("single", "single", "single"), Run("pair", "pair", "pair")
OFF_SINGLE, OFF_PAIR = Run("off-single", "single", "", model="m"), Run("off-pair", "pair", "", model="m")


def scores(run: Run, logit: np.ndarray, positive: np.ndarray, patients: np.ndarray | None = None, **more: object) -> RunScores:
    items = np.arange(len(positive)).astype(str)
    return RunScores(run, items, items if patients is None else patients.astype(str), positive, np.atleast_2d(logit), **more)  # type: ignore[arg-type]


def arms(
    trainings: int, images: int = 1, patients: int = 40, seed: int = 4, sd: float = 0.7, separations: tuple[float, float] = (1.5, 0.8)
) -> tuple[RunScores, RunScores]:
    """Pair and single of as many trainings, on the same images of the same patients."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(patients), images)
    positive = who % 2 == 0
    shared = rng.normal(size=patients)[who] + 0.3 * rng.normal(size=len(who))
    made = [
        scores(run, d * positive + shared + sd * rng.normal(size=(trainings, len(who))), positive, who)
        for run, d in zip((PAIR, SINGLE), separations, strict=True)
    ]
    return made[0], made[1]


def test_one_training_with_one_image_of_each_patient_is_compared_as_by_delong() -> None:
    first, second = arms(1)
    expected = delong([first.logit[0], second.logit[0]], first.positive).difference(0, 1)
    found = auroc_difference(first, second)
    assert found.value == pytest.approx(expected.difference)
    assert found.se == pytest.approx(expected.se, rel=0.03)  # a jackknife over 40 patients
    assert (found.trainings, found.patients, found.items, found.unit) == (1, 40, 40, "AUROC")


def test_one_training_with_several_images_of_each_patient_is_compared_with_a_jackknife_over_patients() -> None:
    first, second = arms(1, images=4)
    found = auroc_difference(first, second)
    expected = clustered_auroc_difference([first.logit[0], second.logit[0]], first.positive, first.patients)
    assert found.value == pytest.approx(expected.estimate)
    assert found.se == pytest.approx(expected.se, rel=0.05)
    assert found.interval == pytest.approx(expected.interval, abs=0.15 * expected.se)
    assert (found.items, found.patients) == (160, 40)
    assert auroc_of(replace(first, patients=first.items)).se < 0.75 * auroc_of(first).se  # as if each image were a patient


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("weights", [(1.0, -1.0), (0.25, 0.5)])
def test_a_contrast_is_that_of_the_estimator_over_all_factors(images: int, weights: tuple[float, float]) -> None:
    pair, single = arms(4, images)
    found = auroc_contrast([pair, single], weights)
    expected = random_factors_contrast([pair.logit, single.logit], pair.positive, pair.patients, weights=weights)
    assert (found.value, found.se, found.df, found.p) == (expected.estimate, expected.se, expected.df, expected.p)
    assert found.interval == expected.interval
    by_hand = sum(w * np.mean([auroc(row, pair.positive) for row in arm.logit]) for w, arm in zip(weights, (pair, single), strict=True))
    assert found.value == pytest.approx(by_hand)
    assert found.trainings == 4 and "trainings, patients random at once" in found.test and found.inadmissible == ""


def test_runs_of_the_same_models_are_crossed_with_their_trainings() -> None:
    """What a training adds to both arms alike cancels in their difference where the models are the same, and only there."""
    rng = np.random.default_rng(2)
    positive = np.arange(60) % 2 == 0
    common = rng.normal(size=60) + 1.5 * rng.normal(size=(6, 1)) * positive
    shown = [replace(PAIR, run_id=name, model="models/pair") for name in ("pair", "pair-shown-random")]
    first, second = (scores(run, common + 0.1 * rng.normal(size=(6, 60)), positive) for run in shown)
    crossed = auroc_difference(first, second)
    apart = auroc_difference(first, replace(second, run=replace(second.run, model="models/other")))
    assert crossed.value == pytest.approx(apart.value) and crossed.se < apart.se / 3
    assert (
        "the same behind all that is compared"
        in auroc_difference(*(replace(one, logit=one.logit[:3]) for one in (first, second))).inadmissible
    )


def test_off_the_shelf_nothing_is_trained_and_one_model_is_two_arms() -> None:
    pair, single = arms(1)
    pair, single = replace(pair, run=OFF_PAIR), replace(single, run=OFF_SINGLE)
    found = auroc_difference(pair, single)
    assert (pair.trainings, found.trainings) == (0, 0) and found.inadmissible == ""
    of_gains = auroc_contrast([*arms(3), pair, single], [1, -1, -1, 1])
    assert of_gains.trainings == 3
    assert of_gains.value == pytest.approx(auroc_difference(*arms(3)).value - found.value)


def test_trainings_that_do_not_fit_give_a_reason_and_no_number() -> None:
    first, second = (replace(one, run=replace(PAIR, model="models/pair")) for one in arms(3))
    found = auroc_difference(first, replace(second, logit=second.logit[:2]))
    assert math.isnan(found.value) and found.reason and "\n" not in found.reason


def test_a_class_in_one_patient_only_or_one_class_gives_a_reason_and_no_number() -> None:
    for positive in (arms(3, 4)[0].patients == "0", np.ones(160, bool)):
        found = auroc_difference(*(replace(one, positive=positive) for one in arms(3, 4)))
        assert bool(found.reason) == math.isnan(found.value)
        assert found.reason or found.inadmissible
    assert auroc_of(replace(arms(3)[0], positive=np.ones(40, bool))).reason == "one class only: no ROC curve"


@pytest.mark.parametrize(("positives", "admissible"), [(2, False), (15, True)])
def test_a_rare_class_is_not_admissible(positives: int, admissible: bool) -> None:
    found = auroc_difference(*(replace(one, positive=np.arange(40) < positives) for one in arms(3)))
    assert (found.inadmissible == "") == admissible
    assert admissible or "of the rarer class" in found.inadmissible


@pytest.mark.parametrize(("trainings", "admissible"), [(2, False), (3, True)])
def test_trainings_below_three_are_not_admissible(trainings: int, admissible: bool) -> None:
    assert (auroc_difference(*arms(trainings)).inadmissible == "") == admissible


def test_an_item_without_a_score_counts_as_wrong_in_its_training() -> None:
    positive = np.array([True, True, False, False] * 10)
    logit = np.stack([positive.astype(float), positive.astype(float)])
    logit[0, 0] = logit[1, 2] = np.nan
    found = scores(PAIR, logit, positive)
    assert found.failed == 2
    assert auroc_of(found).value == pytest.approx(1 - 1 / 20)  # each loses one of twenty rows of comparisons


def with_references(names: list[tuple[str, ...]], trainings: int = 5) -> RunScores:
    positive = np.arange(len(names)) % 2 == 0
    return scores(PAIR, np.random.default_rng(0).normal(size=(trainings, len(names))), positive, references=tuple(names))


def test_references_that_serve_several_patients_are_found() -> None:
    alone = with_references([(f"r{number}",) for number in range(40)])
    assert shared_references([alone]) is None
    assert shared_references([with_references([("one for all",)] * 40)]) is None  # that cannot be told from the items
    shared = with_references([(f"r{number // 4}",) for number in range(40)])
    assert shared_references([shared]) == [(f"r{number // 4}",) for number in range(40)]
    found = auroc_of(shared)
    assert found.references == pytest.approx(10) and "references random at once" in found.test
    assert math.isnan(auroc_of(alone).references)
    single = replace(shared, run=SINGLE, references=())
    assert auroc_difference(shared, single).references == pytest.approx(10)  # of either arm
    two = with_references([(f"r{number // 4}", f"r{(number // 4 + 1) % 10}") for number in range(40)])
    assert all(len(entry) == 2 for entry in shared_references([two]) or [])
    some = with_references([(f"r{number // 4}",) if number < 20 else () for number in range(40)])
    assert len(set(shared_references([some]) or [])) == 5 + 20  # an item without a reference has one of its own


def test_few_shared_references_are_not_admissible() -> None:
    assert "references" in auroc_of(with_references([(f"r{number % 3}",) for number in range(40)], trainings=12)).inadmissible


def test_models_without_any_score_or_with_equal_scores_have_no_area() -> None:
    """One item without a score counts as wrong; all of them would make an area of 0, and equal ones an interval without width."""
    pair, single = arms(3)
    silent = replace(single, logit=np.where(np.arange(3)[:, None] == 1, np.nan, single.logit))
    for found in (auroc_of(silent), auroc_difference(pair, silent)):
        assert "gave no score at all" in found.reason and np.isnan(found.value)
    equal = replace(single, logit=np.zeros_like(single.logit))
    assert "all scores are equal" in auroc_of(equal).reason and "all scores are equal" in auroc_difference(equal, equal).reason
    assert auroc_difference(pair, equal).reason == ""  # the pair's areas vary


def test_a_function_that_is_a_sum_is_the_contrast() -> None:
    pair, single = arms(3, 2)
    found = auroc_function([pair, single], lambda areas: float(areas[0] - areas[1]), "AUROC", "the gain")
    plain = auroc_difference(pair, single)
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), rel=1e-6)
    assert (found.p, found.df, found.trainings) == pytest.approx((plain.p, plain.df, 3), rel=1e-5)
    assert found.test.endswith("; delta method")


def ratio(pair: RunScores, single: RunScores):  # type: ignore[no-untyped-def]
    return auroc_function([pair, single], log_da_ratio, "ratio", "the ratio of separations", log=True)


def test_the_ratio_of_separations_is_by_ranks() -> None:
    pair, single = arms(3, patients=100)
    found = ratio(pair, single)
    areas = [np.mean([auroc(row, pair.positive) for row in one.logit]) for one in (pair, single)]
    assert found.value == pytest.approx(ndtri(areas[0]) / ndtri(areas[1])) == pytest.approx(float(da_of(areas[0]) / da_of(areas[1])))
    assert found.low * found.high == pytest.approx(found.value**2)  # symmetrical on the logarithm
    bent = ratio(replace(pair, logit=np.tanh(pair.logit / 3)), replace(single, logit=np.exp(single.logit)))
    assert (bent.value, bent.low, bent.high, bent.p) == pytest.approx((found.value, found.low, found.high, found.p), rel=1e-9)


def test_the_log_ratio_is_undefined_where_an_arm_does_not_separate() -> None:
    assert log_da_ratio(np.array([ndtr(2 / np.sqrt(2)), ndtr(1 / np.sqrt(2))])) == pytest.approx(np.log(2))
    for areas in ([0.9, 0.5], [0.9, 0.4], [0.5, 0.9], [0.4, 0.3]):
        assert math.isnan(log_da_ratio(np.array(areas)))
    pair, single = arms(3)
    found = ratio(pair, replace(single, logit=-single.logit))
    assert math.isnan(found.value) and found.reason.startswith("the ratio of separations is not defined at AUROC 0.")
    perfect = ratio(replace(pair, logit=pair.positive + 0 * pair.logit), single)
    assert math.isnan(perfect.value) and "is not defined at AUROC 1.000" in perfect.reason


def test_a_single_arm_barely_above_chance_gives_an_interval_without_end_and_no_overflow() -> None:
    positive = np.tile([True, False, False, True], 100)  # in the order of the scores: an area of exactly .5
    logit = np.tile(np.arange(400.0), (3, 1))
    logit[:, [2, 3]] = logit[:, [3, 2]]
    logit[:, [0, 1]] = logit[:, [1, 0]]
    logit[1:, [4, 5]] = logit[1:, [5, 4]]
    areas = [auroc(row, positive) for row in logit]
    assert 0 < abs(np.mean(areas) - 0.5) < 1e-4
    single = scores(SINGLE, logit * np.sign(np.mean(areas) - 0.5), positive)
    noisy = np.random.default_rng(3).normal(size=(3, 400)) + 2 * positive
    found = ratio(scores(PAIR, noisy, positive), single)
    assert found.low < 1e-9 and found.high > 1e99 and found.p > 0.9


def test_the_delta_method_covers_as_often_as_it_says() -> None:
    """d_a ratio of repeated data sets, 3 trainings and 60 patients: 400 intervals of 95 % hold the true ratio, within 3 MCSE."""
    truth, replicates, held, errors = 1.8, 400, 0, []
    rng = np.random.default_rng(7)
    positive = np.arange(60) % 2 == 0
    for _ in range(replicates):
        shared = rng.normal(size=60)
        # total variance of a score: 1 of the patient, .25 of the training; separations of 1.8 and 1.0 such units
        noise = 0.5 * rng.normal(size=(2, 3, 60))
        scale = np.sqrt(1.25)
        pair = scores(PAIR, truth * scale * positive + shared + noise[0], positive)
        single = scores(SINGLE, scale * positive + shared + noise[1], positive)
        found = ratio(pair, single)
        held += found.low < truth < found.high
        errors.append(math.log(found.value / truth) / found.se)
    mcse = math.sqrt(0.95 * 0.05 / replicates)
    assert abs(held / replicates - 0.95) < 3 * mcse + 0.005  # the delta method is of first order
    assert abs(np.mean(errors)) < 0.3


def test_the_delta_method_agrees_with_a_bootstrap_of_patients() -> None:
    pair, single = arms(1, patients=500, seed=9, separations=(2.0, 1.2))
    rng, logs = np.random.default_rng(0), []
    classes = [np.flatnonzero(pair.positive), np.flatnonzero(~pair.positive)]
    for _ in range(600):
        drawn = np.concatenate([rng.choice(members, len(members)) for members in classes])
        logs.append(log_da_ratio(np.array([auroc(one.logit[0, drawn], pair.positive[drawn]) for one in (pair, single)])))
    assert ratio(pair, single).se == pytest.approx(np.std(logs), rel=0.15)
