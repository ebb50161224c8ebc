"""Seeds (or readers), patients, references and wordings all random: the tests of the one variance estimator, for one comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from paper_figures.comparison.arm_rows import CrossedArms
from paper_figures.comparison.item_table import ArmPair, ComparisonSettings, ItemTable
from paper_figures.statistics.multireader.random_factors import ContrastResult, Factor, random_factors_contrast
from paper_figures.statistics.proportions.tango import tango_interval
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T
from paper_figures.statistics.validation import NotEstimable
from see_in_pairs.errors import InputError

FIXED = {
    "readers": "seeds",
    "seeds": "seeds",
    "cases": "patients",
    "patients": "patients",
    "references": "references",
    "wordings": "wordings",
}
"""Names of the factors that a user may fix (also in the words of readers x cases studies), and the factor."""

FEWEST_TRAININGS, FEWEST_REFERENCES, FEWEST_PATIENTS = 3, 8, 20
"""With fewer levels, or effective levels, the error-rate study finds no test that keeps its level, or did not look."""

FEWEST_CROSSED = 10
"""Fewest trainings shared by both arms: if they vary a lot, the test of accuracy rejects .074 with 3, .060 with 5, .050 with 10 (8,000
studies each of five and ten), because few differences cannot exceed a bound. Six to nine were not simulated."""

FEWEST_ALONE = 6  # effective patients if nothing else is random: the cluster-robust t of means


@dataclass(frozen=True)
class FactorTests:
    """The tests of accuracy and of AUROC over all random factors, and whether they keep their level in the design."""

    tests: Mapping[str, ContrastResult]
    factors: Mapping[str, Factor]
    reason: Mapping[str, str]  # by measure: why no verdict is possible; absent if one is
    one_model: str = ""  # the arm with one trained model, if the other has several

    def without(self, measure: str) -> FactorTests:
        """The tests without those of a measure."""
        tests = {name: test for name, test in self.tests.items() if name != measure}
        return replace(self, tests=tests, reason={name: why for name, why in self.reason.items() if name != measure})

    @property
    def several(self) -> bool:
        """Whether anything but patients is random."""
        return any(factor.random for name, factor in self.factors.items() if name != "patients")


def fixed_factors(names: tuple[str, ...]) -> tuple[str, ...]:
    """Factors that a user fixes, by the estimator's names."""
    if unknown := [name for name in names if name not in FIXED]:
        raise InputError(f"--fixed {unknown[0]}: give some of {', '.join(FIXED)}")
    return tuple(dict.fromkeys(FIXED[name] for name in names))


def crossed_rows(table: ItemTable) -> CrossedArms:
    """Arrange rows of items and training seeds by training; within a training, items of equal cluster, class and references are alike."""
    values = table.scores if table.scores is not None else np.stack([table.right_a, table.right_b]).astype(np.float64)
    flags = np.ones(table.items, dtype=np.bool_) if table.labels is None else table.labels
    names = np.zeros(table.items, dtype="<U1") if table.seeds is None else table.seeds
    seeds = np.unique(names)
    references = None if table.second is None else [_names(entry) for entry in table.second]
    sets = [""] * table.items if references is None else ["\n".join(entry) for entry in references]
    codes = table.codes if table.clustered or len(seeds) == 1 else np.zeros(table.items, dtype=np.intp)
    numbers = np.unique(np.array(sets), return_inverse=True)[1]
    orders = []
    for seed in seeds:
        rows = np.flatnonzero(names == seed)
        orders.append(rows[np.lexsort((numbers[rows], flags[rows], codes[rows]))])
    first = orders[0]
    for rows in orders[1:]:
        if len(rows) != len(first) or any((column[rows] != column[first]).any() for column in (codes, flags, numbers)):
            raise NotEstimable("not every item has a score from every training and wording")
    if len(seeds) > 1 and not table.clustered:
        raise NotEstimable("several trainings, but no clusters that tell which rows are of one item or patient")
    cubes = [values[arm][np.stack(orders)][:, None, :] for arm in (0, 1)]
    who = None if not table.clustered else table.codes[first].astype(str)
    second = None if references is None else [references[row] for row in first]
    labels = None if table.labels is None else table.labels[first]
    items = np.arange(len(first)).astype(str)
    return CrossedArms((cubes[0], cubes[1]), items, labels, who, second, (seeds, seeds), np.array([""]))


def _names(entry: object) -> list[str]:
    several = isinstance(entry, (list, tuple, set, frozenset, np.ndarray))
    return sorted(map(str, cast("Sequence[object]", entry))) if several else [str(entry)]


def side_by_side(arms: CrossedArms) -> tuple[ArmPair, str]:
    """Pair the arms' own trainings, in their order, for tests that need pairs; and say so."""
    a, b = arms.scores
    number = min(len(a), len(b))
    words, items = a.shape[1], a.shape[2]
    repeat = lambda values: None if values is None else [value for _ in range(number * words) for value in values]
    seeds = np.repeat(np.arange(number), words * items)
    pair = ArmPair(
        a[:number].ravel(), b[:number].ravel(), repeat(arms.labels), repeat(arms.items if arms.clusters is None else arms.clusters),
        repeat(arms.second_clusters), seeds if number > 1 else None,
    )  # fmt: skip
    if arms.labels is None:
        pair = replace(pair, scores_a=a[:number].ravel().astype(bool), scores_b=b[:number].ravel().astype(bool))
    said = f"the arms have trainings of their own ({len(a)} and {len(b)})"
    return pair, f"{said}: the recommended tests treat all of them as independent; all others pair {number} of them in their order"


def factor_tests(
    arms: CrossedArms, settings: ComparisonSettings, same_models: bool, measures: Sequence[str] = ("accuracy", "auroc")
) -> FactorTests:
    """Run the estimator on each measure, and decide from the design alone whether its tests keep their level."""
    fixed, found = fixed_factors(settings.fixed), {}
    models = ["both", "both"] if same_models else None
    reasons: dict[str, str] = {}
    for measure in measures:
        if measure == "auroc" and arms.labels is None:
            continue
        scores = arms.scores
        if measure == "accuracy" and arms.labels is not None:
            scores = tuple(((one >= settings.threshold) == arms.labels).astype(np.float64) for one in arms.scores)  # type: ignore[assignment]
        try:
            one = random_factors_contrast(
                scores, arms.labels, arms.clusters, arms.second_clusters, measure=measure, models=models, fixed=fixed,
                confidence_level=settings.level,
            )  # fmt: skip
        except NotEstimable as error:
            reasons[measure] = str(error)
            continue
        found[measure] = _with_width(one, settings.level) if measure == "accuracy" else one
        if why := inadmissible(one, arms.labels, arms.items if arms.clusters is None else arms.clusters):
            reasons[measure] = why
    factors = next((one.factors for one in found.values()), {})
    numbers = [len(one) for one in arms.scores]
    alone = settings.arms[numbers.index(1)] if min(numbers) == 1 < max(numbers) else ""
    return FactorTests(found, factors, reasons, alone)


def _with_width(one: ContrastResult, level: float) -> ContrastResult:
    """If no cluster shows a difference, Tango's interval, with as many items as the smallest random factor has levels."""
    if one.se or one.estimate:
        return one
    units = min(factor.levels for factor in one.factors.values() if factor.random)
    note = "no cluster shows a difference; each is counted as one item"
    return replace(one, interval=tango_interval(0, 0, units, level), note=note)


def inadmissible(one: ContrastResult, labels: np.ndarray | None, patients: np.ndarray) -> str:
    """Why no test keeps its level in this design; '' if one does. It looks at the design, never at the result."""
    factors = {name: factor for name, factor in one.factors.items() if factor.random}
    for name, words in (("seeds", "trainings (or readers) of an arm"), ("wordings", "wordings")):
        least = FEWEST_CROSSED if name == "seeds" and one.by_seed else FEWEST_TRAININGS
        if name in factors and factors[name].levels < least:
            shared = ", the same behind all that is compared," if least == FEWEST_CROSSED else ""
            return f"{factors[name].levels} {words}{shared} are too few to say how they vary: give {least} or more, or --fixed"
    if "references" in factors and factors["references"].effective < FEWEST_REFERENCES:
        return (
            f"{factors['references'].levels} references, which by their use count as {factors['references'].effective:.1f}, are too few: "
            f"{FEWEST_REFERENCES} are needed, or --fixed references for a result about these"
        )
    if "patients" not in factors:
        return ""
    least = FEWEST_PATIENTS if len(factors) > 1 else FEWEST_ALONE
    if factors["patients"].effective < least:
        return f"patients count as {factors['patients'].effective:.1f}, fewer than {least}"
    if one.measure == "auroc" and labels is not None:
        rarer = min(len(np.unique(patients[members])) for members in (labels, ~labels))
        if rarer < FEWEST_FOR_T:
            return f"{rarer} patients of the rarer class, fewer than {FEWEST_FOR_T}"
    return ""
