"""Standard errors of any measure from the contribution of each row, with clusters, shared references and trainings as random factors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.statistics.clustered.two_way import membership_sets
from paper_figures.statistics.distributions import student_p, student_quantile
from paper_figures.statistics.multireader.random_factors import ItemDesign, critical_of, critical_square, influence_contrast
from paper_figures.statistics.proportions.newcombe import wilson_interval
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.cluster_jackknife import jackknife_variance
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_codes, cluster_codes

Contributions = tuple[float, Floats, Sequence[Bools]]
"""An estimate, the contribution of each row beyond its expectation (n,), and the one or two groups of rows that count."""

Merit = Callable[[Bools], Contributions]
"""From the rows of one training to the estimate and its contributions, one for each of these rows."""

FEWEST_TRAININGS, FEWEST_REFERENCES, FEWEST_PATIENTS = 10, 8, 20
"""Trainings shared by both arms, effective references, and effective patients beside either: with fewer the error-rate study finds no
test that keeps its level, or did not look: the rule of the recommended tests."""

Memberships = npt.ArrayLike | Sequence[Sequence[object]]


@dataclass(frozen=True)
class Estimated:
    """An estimate with its standard error and degrees of freedom; without variation the standard error is 0."""

    value: float
    se: float
    df: float
    verdict: bool = True  # False: no test keeps its level in this design, and p is NaN

    def interval(self, level: float) -> Interval:
        """Interval by Student's t."""
        half = student_quantile(level, self.df) * self.se
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Two-sided p-value of 0."""
        return student_p(self.value / self.se, self.df) if self.verdict else math.nan


@dataclass(frozen=True)
class Factors:
    """The random factors of a table of rows: cluster, references and training of each."""

    codes: Codes
    seeds: Codes | None = None
    sets: list[tuple[int, ...]] | None = None
    fixed_seeds: bool = False  # the result is about these trainings only

    @cached_property
    def independent(self) -> bool:
        """Whether each row is a cluster, with one training and no shared references."""
        return self.seeds is None and self.sets is None and int(self.codes.max()) + 1 == len(self.codes)

    @cached_property
    def trainings(self) -> int:
        """Number of trainings; 1 if the result is about one model."""
        return 1 if self.seeds is None else int(self.seeds.max()) + 1

    @cached_property
    def rows(self) -> list[Bools]:
        """Which rows belong to each training."""
        if self.seeds is None:
            return [np.ones(len(self.codes), dtype=np.bool_)]
        return [self.seeds == number for number in range(self.trainings)]

    def clusters(self, members: Bools) -> int:
        """Number of clusters with a member."""
        return int(np.count_nonzero(np.bincount(self.codes[members])))

    @cached_property
    def verdict(self) -> bool:
        """Whether a test keeps its level in the design: enough trainings (or one), references and, beside either, patients."""
        one = self.fixed_seeds or self.trainings == 1
        if one and self.sets is None:
            return True
        references = [] if self.sets is None else [name for entry in self.sets for name in entry]
        return (
            (one or self.trainings >= FEWEST_TRAININGS)
            and (self.sets is None or _effective(references) >= FEWEST_REFERENCES)
            and _effective(self.codes) >= FEWEST_PATIENTS
        )

    def check_classes(self, labels: Bools) -> None:
        """Refuse a training whose rows are of one class."""
        if any(labels[rows].all() or not labels[rows].any() for rows in self.rows):
            raise NotEstimable("one class only with some training seed: no ROC curve, sensitivity or specificity")

    def value(self, merit: Merit) -> float:
        """Average a measure over the trainings; NaN if one of them has no value."""
        try:
            return float(np.mean([merit(rows)[0] for rows in self.rows]))
        except NotEstimable:
            return math.nan

    def estimate(self, merit: Merit) -> Estimated:
        """Average a measure over the trainings, with its standard error for new clusters, references and trainings.

        Notes
        -----
        One training without shared references: the cluster jackknife of `clustered_auroc_difference`. Else the contributions are the
        influences of `random_factors_contrast`. A training without a row for an item does not contribute to that item.
        """
        found = [(rows, *merit(rows)) for rows in self.rows]
        values = np.array([value for _, value, _, _ in found])
        if self.sets is None and len(found) == 1:
            variance, df = jackknife_variance(found[0][2], found[0][3], self.codes)
            return Estimated(float(values[0]), math.sqrt(variance), df)
        parts, groups = np.zeros(len(self.codes)), np.zeros((len(found[0][3]), len(self.codes)), dtype=np.bool_)
        for rows, _, mine, counted in found:
            parts[rows], groups[:, rows] = mine, counted
        key = groups.tobytes()
        if key not in self._designs:
            self._designs[key] = self._items(groups)
        item, number, df, design = self._designs[key]
        influences = np.zeros((len(found), number))
        influences[0 if self.seeds is None else self.seeds, item] = parts
        if self.fixed_seeds:
            values, influences = values.mean(keepdims=True), influences.mean(axis=0, keepdims=True)
        try:
            result = influence_contrast(values, influences, design, 0.95)
        except NotEstimable:  # every training and every cluster gives the same
            return Estimated(float(values.mean()), 0.0, df, self.verdict)
        return Estimated(result.estimate, result.se if result.se > 1e-9 else 0.0, result.df, self.verdict)

    def _items(self, groups: Bools) -> tuple[Codes, int, float, ItemDesign]:
        """The item of each row, their number, the clusters of the scarcer group minus 1, and how items are grouped.

        Within a training, items of equal cluster, references and groups are alike; those of several trainings are matched in their order.
        """
        seeds = np.zeros(len(self.codes), dtype=np.intp) if self.seeds is None else self.seeds
        alike = self.codes
        for column in (*groups.astype(np.intp), *([] if self.sets is None else [self._set_numbers])):
            alike = alike * (int(column.max()) + 1) + column
        order = np.lexsort((alike, seeds))
        begins = np.flatnonzero(np.append(True, (np.diff(alike[order]) != 0) | (np.diff(seeds[order]) != 0)))
        place = np.empty(len(order), dtype=np.intp)
        place[order] = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
        _, first, item = np.unique(alike * (int(place.max()) + 1) + place, return_index=True, return_inverse=True)
        df = min(len(np.unique(self.codes[members])) for members in groups) - 1.0
        if df < 1:
            raise NotEstimable("fewer than two clusters hold items that count: the variation between clusters cannot be estimated")
        sets = None if self.sets is None else [self.sets[row] for row in first]
        return item, len(first), df, ItemDesign.of([members[first] for members in groups], self.codes[first], sets)

    @cached_property
    def _designs(self) -> dict[bytes, tuple[Codes, int, float, ItemDesign]]:
        return {}

    @cached_property
    def _set_numbers(self) -> Codes:
        known: dict[tuple[int, ...], int] = {}
        return np.array([known.setdefault(one, len(known)) for one in self.sets or []], dtype=np.intp)


def _effective(levels: npt.ArrayLike) -> float:
    """Effective number of levels: (sum of uses)^2 / sum of squared uses."""
    uses = np.bincount(np.asarray(levels)).astype(np.float64)
    return float(uses.sum() ** 2 / (uses**2).sum())


def factors(
    rows: int, clusters: npt.ArrayLike | None = None, seeds: npt.ArrayLike | None = None, references: Memberships | None = None
) -> Factors:
    """Check the factors of a table of rows; by default each row is its own cluster."""
    codes = cluster_codes(clusters, rows)
    trained = None if seeds is None else as_codes(seeds, rows, "seeds")
    if rows > 1 and codes.max() == 0:
        raise NotEstimable("one cluster only: the variation between clusters cannot be estimated")
    sets = None if references is None else membership_sets(references, rows)
    return Factors(codes, None if trained is None or trained.max() == 0 else trained, sets)


def over_trainings(values: Floats, own: float, shared: float, df: float) -> Estimated:
    """Combine S trainings, of mean variance `own` and covariance `shared` due to patients, as `random_factors_contrast` does."""
    spread, trainings = float(values.var(ddof=1)) / len(values), len(values) - 1.0
    training, sampled = max(spread, (own - shared) / len(values)), max(shared, 0.0)
    variance = training + sampled
    if variance <= 1e-20:
        return Estimated(float(values.mean()), 0.0, min(trainings, df))
    column = lambda *parts: np.array(parts)[:, None]
    square = critical_square(column(spread, sampled), column(training, sampled), column(trainings, df), trainings, df)[0]
    df = float(special.stdtridf(0.975, math.sqrt(square))) if square > critical_of(1e9) else 1e9
    return Estimated(float(values.mean()), math.sqrt(variance), df)


def share(hits: Bools, members: Bools) -> Merit:
    """Prepare the share of hits among members."""

    def merit(rows: Bools) -> Contributions:
        counted, hit = members[rows], hits[rows]
        total = int(counted.sum())
        if not total:
            raise NotEstimable("no item is in the denominator")
        value = float((hit & counted).sum()) / total
        return value, np.where(counted, hit - value, 0.0) / total, (counted,)

    return merit


def share_interval(found: Estimated, clusters: int, items: float, independent: bool, level: float) -> Interval:
    """Wilson's interval of a share, with as many items as the standard error implies (our choice); by t unless items are independent.

    Without variation each cluster counts as one item.
    """
    p = found.value
    if independent:
        return wilson_interval(p * items, items, student_quantile(level, math.inf))
    effective = min(items, max(1.0, p * (1 - p) / found.se**2)) if found.se > 1e-10 and 0 < p < 1 else float(clusters)
    return wilson_interval(p * effective, effective, student_quantile(level, found.df))


def minus(first: Merit, second: Merit) -> Merit:
    """Prepare the difference of two measures of the same rows; what counts for either counts."""

    def merit(rows: Bools) -> Contributions:
        (a, a_parts, a_groups), (b, b_parts, b_groups) = first(rows), second(rows)
        return a - b, a_parts - b_parts, [one | other for one, other in zip(a_groups, b_groups, strict=True)]

    return merit


def logarithm(merit: Merit, nothing: str) -> Merit:
    """Prepare the logarithm of a measure, by the delta method; `nothing` says what is missing if it is 0."""

    def logged(rows: Bools) -> Contributions:
        value, parts, groups = merit(rows)
        if value <= 0:
            raise NotEstimable(nothing)
        return math.log(value), parts / value, groups

    return logged


@dataclass(frozen=True, repr=False)
class PairedMeasure(Result):
    """A measure of both arms, and their difference, A minus B, or ratio, A over B."""

    a: float  # NaN if it has no value
    b: float
    a_interval: Interval | None
    b_interval: Interval | None
    contrast: str  # 'difference' or 'ratio'
    estimate: float  # of the contrast
    se: float  # of the difference, or of the logarithm of the ratio; NaN if the interval does not use it
    interval: Interval | None
    p: float  # two-sided, of no difference or a ratio of 1; NaN if there is none
    test: str  # method of interval and p
    reason: str = ""  # why an interval is missing; '' if none is
