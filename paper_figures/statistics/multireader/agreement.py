"""How well readers (models, trainings, prompts) agree with each other on the same items: kappa of decisions, correlation of scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.distributions import student_quantile
from paper_figures.statistics.multireader.merits import readings
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import Floats, NotEstimable, as_level


@dataclass(frozen=True, repr=False)
class AgreementCoefficient(Result):
    """One coefficient of agreement with its interval over cases."""

    estimate: float  # NaN if it is not defined
    se: float
    df: float
    interval: Interval
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        return without_blanks(super().to_dict())


def without_blanks(content: dict[str, Any]) -> dict[str, Any]:
    """None instead of an interval without ends, and of an empty reason."""
    return content | {"interval": None if math.isnan(content["interval"][0]) else content["interval"], "reason": content["reason"] or None}


@dataclass(frozen=True, repr=False)
class ReaderAgreement(Result):
    """AgreementCoefficient of several readers on the same items."""

    readers: int
    items: int  # read by two readers or more
    cases: int
    fleiss_kappa: AgreementCoefficient  # of the decisions, readers interchangeable
    mean_kappa: AgreementCoefficient  # mean over pairs of readers of Cohen's kappa
    rank_correlation: AgreementCoefficient  # mean over pairs of readers of Spearman's correlation of their scores


def reader_agreement(
    scores: npt.ArrayLike,
    items: npt.ArrayLike,
    readers: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    threshold: float | None = 0.5,
    confidence_level: float = 0.95,
) -> ReaderAgreement:
    r"""Measure how well readers of the same items agree, in their decisions and in their ranking of items.

    Parameters
    ----------
    scores : array_like, shape (n,)
        One score per reading, that is, per item and reader.
    items : array_like, shape (n,)
        The item of each reading; readers need not have read every item.
    readers : array_like, shape (n,)
        The reader of each reading, for example a training seed.
    clusters : array_like, shape (n,), optional
        The case of each reading, for example its patient, if several items come from one.
    threshold : float or None, default 0.5
        The score at or above which a reader decides for positive; None if scores are not decisions: then only the correlation is computed.
    confidence_level : float, default 0.95
        Share of repetitions in which intervals cover the true value, between 0 and 1.

    Returns
    -------
    ReaderAgreement
        Fleiss's kappa, the mean of Cohen's kappas of all pairs of readers, and the mean of their Spearman correlations.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one reader, or no two readers read the same item.

    Notes
    -----
    Fleiss's kappa is :math:`(\bar P - \bar P_e) / (1 - \bar P_e)`, :math:`\bar P` the mean over items of the share of pairs of readers that
    agree, :math:`\bar P_e = \sum_c p_c^2` with the share of readings :math:`p_c` of each decision. Pairs of readers are compared on the
    items that both read. Intervals are those of the infinitesimal jackknife over cases (the derivative of a coefficient by the weight of
    each case, ranks included), against t with one degree of freedom fewer than there are cases; the readers are fixed.

    References
    ----------
    Fleiss (1971), Psychological Bulletin 76:378. Light (1971), Psychological Bulletin 76:365 (the mean over pairs). Jaeckel (1972),
    Bell Laboratories memorandum 72-1215-11 (the infinitesimal jackknife).

    Examples
    --------
    >>> scores = [0.9, 0.2, 0.7, 0.4, 0.8, 0.1, 0.6, 0.6]
    >>> result = reader_agreement(scores, [1, 2, 3, 4] * 2, [0] * 4 + [1] * 4)
    >>> result.fleiss_kappa.estimate, round(result.rank_correlation.estimate, 2)
    (0.4666666666666667, 0.95)
    """
    data = readings(scores, None, items, readers, np.zeros(len(np.atleast_1d(np.asarray(scores))), dtype=np.intp), clusters)
    level, r, n = as_level(confidence_level), len(data.readers), int(data.items.max()) + 1
    if r < 2:
        raise NotEstimable("one reader only: agreement needs two readers or more")
    table, cases = np.full((r, n), np.nan), np.zeros(n, dtype=np.intp)
    for reader in range(r):
        rows = data.rows(reader)
        table[reader, data.items[rows]] = data.values[rows]
        cases[data.items[rows]] = data.clusters[rows]
    several = (~np.isnan(table)).sum(axis=0) > 1
    if not several.any():
        raise NotEstimable("no two readers read the same item")
    table, cases = table[:, several], np.unique(cases[several], return_inverse=True)[1]
    coefficients = _coefficients(table, math.inf if threshold is None else threshold)
    found = [_with_interval(value, np.bincount(cases, influence).astype(np.float64), level) for value, influence in coefficients]
    if threshold is None:
        found[:2] = [AgreementCoefficient(math.nan, math.nan, math.nan, (math.nan, math.nan), "no threshold of a decision")] * 2
    return ReaderAgreement(r, table.shape[1], int(cases.max()) + 1, *found)


def _coefficients(table: Floats, threshold: float) -> tuple[tuple[float, Floats], ...]:
    """Fleiss's kappa, mean kappa, mean rank correlation of scores (readers, items), NaN where not read, with the influence of items."""
    read = ~np.isnan(table)
    yes = np.where(read, table >= threshold, False).astype(np.float64)
    number, positive = read.sum(axis=0), yes.sum(axis=0)
    agreed = (positive * (positive - 1) + (number - positive) * (number - positive - 1)) / (number * (number - 1))
    share, total = float(positive.sum() / number.sum()), float(agreed.mean())
    by_item = (4 * share - 2) * (positive - share * number) / number.sum()
    fleiss = _beyond_chance(total, share**2 + (1 - share) ** 2, (agreed - total) / len(agreed), by_item)
    pairs = []
    for a, b in combinations(range(len(table)), 2):
        both = np.flatnonzero(read[a] & read[b])
        if both.size:
            one, other = yes[a, both], yes[b, both]
            p, q, same = float(one.mean()), float(other.mean()), (one == other).astype(np.float64)
            expected = ((one - p) * (2 * q - 1) + (other - q) * (2 * p - 1)) / both.size
            kappa = _beyond_chance(float(same.mean()), p * q + (1 - p) * (1 - q), (same - same.mean()) / both.size, expected)
            pairs.append((both, kappa, _rank_correlation(table[a, both], table[b, both])))
    means = []
    for column in (1, 2):
        influence = np.zeros(table.shape[1])
        for pair in pairs:
            influence[pair[0]] += pair[column][1] / len(pairs)
        means.append((float(np.mean([pair[column][0] for pair in pairs])), influence))
    return fleiss, *means


def _beyond_chance(agreed: float, expected: float, agreed_by: Floats, expected_by: Floats) -> tuple[float, Floats]:
    """Kappa, and its derivative by the weight of each item, from those of the observed and of the chance agreement."""
    if expected >= 1:
        return math.nan, np.zeros(len(agreed_by))
    left = 1 - expected
    return (agreed - expected) / left, agreed_by / left - expected_by * (1 - agreed) / left**2


def _rank_correlation(one: Floats, other: Floats) -> tuple[float, Floats]:
    """Spearman's correlation, ties by midranks, and its derivative by the weight of each item, which moves the ranks of all above it."""
    a, above_a = _centred_ranks(one)
    b, above_b = _centred_ranks(other)
    saa, sbb, sab = float(a @ a), float(b @ b), float(a @ b)
    if not saa or not sbb:
        return math.nan, np.zeros(len(a))
    rho = sab / math.sqrt(saa * sbb)
    moved = (a * b + above_a(b) + above_b(a)) / math.sqrt(saa * sbb)
    return rho, moved - rho / 2 * ((a * a + 2 * above_a(a)) / saa + (b * b + 2 * above_b(b)) / sbb)


def _centred_ranks(values: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
    """Midranks minus their mean, and a function that sums values of the items above each item, plus half of those tied with it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first, last = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    ranks = (first + last) / 2

    def above(summed: Floats) -> Floats:
        below = np.concatenate([[0.0], np.cumsum(summed[order])])
        found: Floats = below[-1] - (below[first] + below[last]) / 2
        return found

    return ranks - ranks.mean(), above


def _with_interval(value: float, influence: Floats, level: float) -> AgreementCoefficient:
    cases, none = len(influence), (math.nan, math.nan)
    if math.isnan(value):
        return AgreementCoefficient(value, math.nan, math.nan, none, "a reader decides, or scores, all items alike")
    if cases < 2:
        return AgreementCoefficient(value, math.nan, math.nan, none, "one case only: the variation between cases cannot be estimated")
    se = math.sqrt(cases / (cases - 1) * float((influence**2).sum()))
    if se < 1e-12:
        return AgreementCoefficient(value, math.nan, cases - 1, none, "no case changes it, so its uncertainty cannot be estimated")
    half = student_quantile(level, cases - 1) * se
    return AgreementCoefficient(value, se, cases - 1, (max(-1.0, value - half), min(1.0, value + half)))
