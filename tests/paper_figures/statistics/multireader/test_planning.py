"""Planned power and width against simulated studies of the planned size, analysed by the estimator that will analyse them."""

import math

import numpy as np
import pytest

from paper_figures.statistics.multireader.planning import ContrastVariance, patients_for, planned_power, power_table
from paper_figures.statistics.multireader.random_factors import (
    ContrastResult,
    _matched_df,
    _Part,
    critical_of,
    critical_square,
    random_factors_contrast,
)
from see_in_pairs.errors import InputError

KNOWN = ContrastVariance(training=0.0004, patient=0.09, rest=0.09, reference=0.01)


def study(rng: np.random.Generator, c: ContrastVariance, effect: float, size: tuple[int, int, int]) -> ContrastResult:
    """One study of mean scores, a patient an item, with exactly these components."""
    trainings, patients, references = size
    which = rng.permutation(np.arange(patients) % references) if references else None
    shared = rng.normal(size=patients) * math.sqrt(c.patient)
    shared += (rng.normal(size=references) * math.sqrt(c.reference))[which] if references else 0
    own = lambda share: (
        rng.normal(size=(trainings, 1)) * math.sqrt(c.training * share) + rng.normal(size=(trainings, patients)) * math.sqrt(c.rest * share)
    )
    if c.groups == 2:
        return random_factors_contrast([effect + shared + own(0.5), own(0.5)], None, references=which, measure="mean")
    arms = [effect + shared + own(1.0), np.zeros((trainings, patients))]
    return random_factors_contrast(arms, None, references=which, measure="mean", models=["one", "one"])


@pytest.mark.parametrize(
    ("components", "effect", "size"),
    [
        (ContrastVariance(0.0, 0.01, 0.2), 0.09, (3, 100, 0)),  # the floor under the variance between trainings matters
        (ContrastVariance(0.0009, 0.09, 0.09, groups=1), 0.1, (3, 100, 0)),
        (KNOWN, 0.1, (5, 100, 20)),
        (KNOWN, 0.09, (1, 100, 20)),
        (ContrastVariance(0.004, 0.09, 0.02), 0.1, (10, 60, 0)),
    ],
)  # fmt: skip
def test_simulated_studies_have_the_planned_power(components: ContrastVariance, effect: float, size: tuple[int, int, int]) -> None:
    rng, replicates = np.random.default_rng(size[0] + size[1]), 300
    found = [study(rng, components, effect, size) for _ in range(replicates)]
    plan = planned_power(components, effect, *size)
    power = np.mean([one.p < 0.05 for one in found])
    assert power == pytest.approx(plan.power, abs=3 * math.hypot(math.sqrt(plan.power * (1 - plan.power) / replicates), plan.power_mcse))
    width = np.array([(one.interval[1] - one.interval[0]) / 2 for one in found])
    assert width.mean() == pytest.approx(plan.half_width, abs=3 * width.std() / math.sqrt(replicates) + 0.01 * plan.half_width)
    assert np.std([one.estimate for one in found]) == pytest.approx(plan.se, rel=3 / math.sqrt(2 * replicates))


def test_no_effect_is_the_size_of_the_test() -> None:
    """Trainings that do not vary: the floor under their variance makes the test timid, which planning must know."""
    rng, components, replicates = np.random.default_rng(4), ContrastVariance(0.0, 0.01, 0.2, groups=1), 800
    plan = planned_power(components, 0.0, 3, 100)
    assert plan.power < 0.03
    size = np.mean([study(rng, components, 0.0, (3, 100, 0)).p < 0.05 for _ in range(replicates)])
    assert size == pytest.approx(plan.power, abs=3 * math.hypot(math.sqrt(plan.power * (1 - plan.power) / replicates), plan.power_mcse))


def test_from_a_pilot_of_auroc_to_studies_of_another_size() -> None:
    """Components of a large pilot predict what a small study of the same process shows."""
    rng = np.random.default_rng(11)

    def scores(trainings: int, patients: int) -> tuple[list[np.ndarray], np.ndarray]:
        labels, common = np.arange(patients) % 2 == 0, rng.normal(size=patients)
        arm = lambda d: d * labels * (1 + 0.15 * rng.normal(size=(trainings, 1))) + common + 0.6 * rng.normal(size=(trainings, patients))
        return [arm(1.9), arm(1.3)], labels

    arms, labels = scores(40, 3000)
    pilot = random_factors_contrast(arms, labels)
    components = ContrastVariance.of(pilot)
    assert components.variance(40, 3000, 0) == pytest.approx(pilot.se**2, rel=1e-6)
    small = [random_factors_contrast(*scores(4, 120)) for _ in range(250)]
    plan = planned_power(components, pilot.estimate, 4, 120)
    assert np.std([one.estimate for one in small]) == pytest.approx(plan.se, rel=0.15)
    power = np.mean([one.p < 0.05 for one in small])
    assert power == pytest.approx(plan.power, abs=3 * math.sqrt(0.25 / 250) + 0.02)


def test_components_of_a_pilot_are_not_biased() -> None:
    rng = np.random.default_rng(5)
    found = [ContrastVariance.of(study(rng, KNOWN, 0.05, (6, 240, 12))) for _ in range(120)]
    for name, true in (("patient", 0.09), ("reference", 0.01), ("training", 0.0004)):
        values = np.array([getattr(one, name) for one in found])
        assert values.mean() == pytest.approx(true, abs=3.5 * values.std() / math.sqrt(120) + 0.1 * true)


def test_the_critical_value_is_the_estimators() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        seeds, patients, references = rng.random(3)
        parts = {"seeds": _Part(seeds + 0.1, 2.0, seeds), "wordings": _Part(), "patients": _Part(patients, 99.0, patients)}
        parts["references"] = _Part(references, 7.0, references)
        variance = sum(part.variance for part in parts.values())
        column = lambda *values: np.array(values)[:, None]
        square = critical_square(
            column(seeds, patients, references), column(seeds + 0.1, patients, references), column(2.0, 99.0, 7.0), 2.0, 99.0
        )
        assert critical_of(_matched_df(parts, variance)) == pytest.approx(square[0], rel=1e-6)


def test_patients_needed_are_the_fewest() -> None:
    found = patients_for(KNOWN, 0.08, 10, 50, power=0.8)
    assert found is not None
    assert planned_power(KNOWN, 0.08, 10, found.patients, 50).power >= 0.8 > planned_power(KNOWN, 0.08, 10, found.patients - 1, 50).power
    narrow = patients_for(KNOWN, 0.0, 10, 50, half_width=0.05)
    assert narrow is not None
    assert narrow.half_width <= 0.05 < planned_power(KNOWN, 0.0, 10, narrow.patients - 1, 50).half_width
    assert patients_for(KNOWN, 0.08, 3, 5, power=0.95) is None


def test_a_design_without_a_verdict_is_named() -> None:
    """The rule of the recommended tests: the power is that of the interval, which `compare` gives without p."""
    shared = ContrastVariance(0.0004, 0.09, 0.09, reference=0.01, groups=1)
    assert planned_power(shared, 0.1, 3, 100).note.startswith("3 trainings that both arms share: too few")
    assert planned_power(shared, 0.1, 9, 100).note.startswith("9 trainings that both arms share: too few")
    assert planned_power(KNOWN, 0.1, 3, 100, 5).note.startswith("5 references: too few")
    assert planned_power(KNOWN, 0.1, 3, 19).note.startswith("19 patients: too few")
    assert [planned_power(one, 0.1, trainings, 20, 8).note for one, trainings in ((shared, 10), (KNOWN, 3))] == ["", ""]
    assert planned_power(KNOWN, 0.1, 1, 19).note == "one training: power to tell these models apart, not the procedures"


def test_more_of_everything_shows_more() -> None:
    table = {(one.trainings, one.references, one.patients): one for one in power_table(KNOWN, 0.08, (3, 5, 10), (50, 200), (10, 40))}
    assert table[5, 40, 200].power > table[5, 40, 50].power
    assert table[10, 40, 200].power > table[3, 40, 200].power
    assert table[5, 40, 200].power > table[5, 10, 200].power
    assert (3, 100, 50) not in table


@pytest.mark.parametrize(
    ("sizes", "line"),
    [((2, 100, 0), "two the estimator"), ((3, 2, 0), "4 or more"), ((3, 100, 1), "references"), ((3, 50, 60), "as many as")],
)
def test_sizes_that_no_study_has(sizes: tuple[int, int, int], line: str) -> None:
    with pytest.raises(InputError, match=line):
        planned_power(KNOWN, 0.1, *sizes)
    with pytest.raises(InputError, match="give either power or half_width"):
        patients_for(KNOWN, 0.1, 3)
    with pytest.raises(InputError, match="0 or more"):
        ContrastVariance(-1.0, 1.0)
    with pytest.raises(InputError, match="patient_df must be a number"):
        ContrastVariance(1.0, 1.0, patient_df="x")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="draws: give at least 1"):
        planned_power(KNOWN, 0.1, 3, 100, draws=0)
