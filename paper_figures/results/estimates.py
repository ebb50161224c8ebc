"""Estimates that never go without their interval, and areas under the ROC curve over patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.number_format import with_interval
from paper_figures.statistics.roc.cluster_jackknife import clustered_auroc_difference
from paper_figures.statistics.roc.clustered_delong import clustered_delong
from paper_figures.statistics.roc.intervals import mann_whitney_interval
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T, FEWEST_FOR_Z, class_clusters
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from paper_figures.results.runs import RunScores
    from paper_figures.statistics.roc.delong import DeLongResult

LEVEL = 0.95
DELONG, JACKKNIFE = "clustered DeLong over patients", "clustered DeLong over patients, jackknife t"


@dataclass(frozen=True)
class Estimate:
    """An estimate with its 95 % interval and p-value."""

    value: float
    low: float  # infinite where unbounded
    high: float
    p: float  # two-sided, of the null hypothesis that the quantity is 0
    unit: str = ""  # what it is measured in
    test: str = ""  # how interval and p were found
    items: int = 0
    patients: int = 0
    reason: str = ""  # why there is no number; ``''`` where there is one

    def __str__(self) -> str:
        return with_interval(self.value, self.low, self.high)

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends of the 95 % interval."""
        return (self.low, self.high)


def aurocs(scores: Sequence[RunScores]) -> list[Estimate]:
    """Estimate the AUROC of each of several runs on the same items; p is of the null hypothesis that it is at chance (0.5)."""
    found = _delong(scores)
    if isinstance(found, str):
        return [_nothing(scores[0], found)] * len(scores)
    return [_of_chance(found, number, scores[0]) for number in range(len(scores))]


def auroc_difference(first: RunScores, second: RunScores) -> Estimate:
    """Estimate the AUROC of the first run minus that of the second, on the same items."""
    patients = len(np.unique(first.patients))
    rarer = _rarer(first)
    if 0 < rarer < FEWEST_FOR_T:
        return _nothing(first, f"patients of the rarer class: {rarer}; with fewer than {FEWEST_FOR_T} no test keeps its level")
    # the normal interval is too short over few patients of several items, or few of a class: see error_rates and rare_class
    if patients < len(first.items) or rarer < FEWEST_FOR_Z:
        return _jackknife(first, second, patients)
    found = _delong([first, second])
    if isinstance(found, str):
        return _nothing(first, found)
    gap = found.difference(0, 1)
    return Estimate(gap.difference, *gap.interval, gap.p, "AUROC", DELONG, len(first.items), patients)


def _rarer(scores: RunScores) -> int:
    """Patients of the class that fewer have."""
    return class_clusters(scores.positive, np.unique(scores.patients, return_inverse=True)[1])


def _jackknife(first: RunScores, second: RunScores, patients: int) -> Estimate:
    try:
        found = clustered_auroc_difference([first.ranked, second.ranked], first.positive, first.patients)
    except InputError as error:
        return _nothing(first, str(error))
    return Estimate(found.estimate, *found.interval, found.p, "AUROC", JACKKNIFE, len(first.items), patients)


def _delong(scores: Sequence[RunScores]) -> DeLongResult | str:
    first = scores[0]
    try:
        return clustered_delong([item.ranked for item in scores], first.positive, first.patients)
    except InputError as error:  # one class, or too few patients of a class
        return str(error)


def _of_chance(found: DeLongResult, number: int, scores: RunScores) -> Estimate:
    from scipy.special import ndtr

    auc, se, interval = float(found.auc[number]), float(np.sqrt(found.covariance[number, number])), found.interval(number)
    positives, negatives = found.units or (found.positives, found.negatives)
    if min(positives, negatives) < FEWEST_FOR_Z:  # the test of Mann and Whitney, whose variance is that of chance, and Newcombe's interval
        interval = mann_whitney_interval(auc, positives, negatives, LEVEL)
        se = float(np.sqrt((positives + negatives + 1) / (12 * positives * negatives)))
    p = 2 * float(ndtr(-abs(auc - 0.5) / se)) if se > 0 else float(auc == 0.5)
    return Estimate(auc, *interval, p, "AUROC", DELONG, len(scores.items), len(np.unique(scores.patients)))


def _nothing(scores: RunScores, reason: str) -> Estimate:
    nan = float("nan")
    return Estimate(nan, nan, nan, nan, "AUROC", DELONG, len(scores.items), len(np.unique(scores.patients)), reason)
