"""The difference in accuracy when items share patients *and* references: two-way cluster-robust standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult, student_result
from paper_figures.statistics.proportions.bonett_price import bonett_price_standard_error
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_codes, as_flags, as_level, same_length
from see_in_pairs.errors import InputError

MOST_MEMBERSHIPS = 12
_ROUNDING = 1e-20  # a variance below this is rounding


def two_way(
    correct_a: npt.ArrayLike,
    correct_b: npt.ArrayLike,
    clusters: npt.ArrayLike,
    memberships: npt.ArrayLike | Sequence[Sequence[object]],
    confidence_level: float = 0.95,
) -> ClusteredDifferenceResult:
    r"""Estimate the difference in accuracy when items are correlated within two kinds of clusters.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Whether arm A, and arm B, is right on each item; both in the same order of items.
    clusters : array_like, shape (n,)
        The first kind of cluster of each item, for example its patient.
    memberships : array_like, shape (n,), or sequence of n sequences
        The second kind: one name per item, or several (its references). Items that share *any* are treated as correlated.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    ClusteredDifferenceResult
        Estimate, standard error, interval and p-value.

    Raises
    ------
    InputError
        When inputs do not fit, there is one cluster of a kind only, or an item has more than 12 memberships.

    Notes
    -----
    With :math:`d_i \in \{-1, 0, 1\}`, :math:`e_i = d_i - \hat\delta`, :math:`\hat\delta = \bar d`:

    .. math:: \hat V = \hat V_{\text{patient}} + \hat V_{\text{reference}} - \hat V_{\text{both}}, \qquad
              \hat V_s = \frac{G_s}{G_s - 1} \frac{1}{N^2} \sum_{i,j} 1[i, j \text{ share } s]\; e_i e_j

    with :math:`G_s` clusters of kind s. If :math:`\hat V` is not positive, the larger one-way variance is used. The reference
    distribution is t with the smaller number of clusters minus 1 degrees of freedom.

    An item with several references belongs to several clusters (the dyadic-robust form). The sum over pairs that share *any* is made in
    time linear in N by inclusion and exclusion over the sets of references:
    :math:`1[A_i \cap A_j \ne \emptyset] = \sum_{S \ne \emptyset} (-1)^{|S| + 1} 1[S \subseteq A_i]\, 1[S \subseteq A_j]`.

    References
    ----------
    Cameron, Gelbach and Miller (2011), Journal of Business and Economic Statistics 29:238. Aronow, Samii and Assenova (2015), Political
    Analysis 23:564 (dyadic-robust).

    Examples
    --------
    >>> a, b = [1, 1, 0, 1, 1, 0, 1, 1], [0, 1, 0, 1, 0, 1, 0, 0]
    >>> result = two_way(a, b, list("aabbccdd"), [["r1"], ["r2"], ["r1"], ["r3"], ["r2"], ["r3"], ["r1"], ["r2"]])
    >>> round(result.estimate, 4), result.df
    (0.375, 2)
    """
    a, b = as_flags(correct_a, "correct_a"), as_flags(correct_b, "correct_b")
    codes = as_codes(clusters, same_length(correct_a=a, correct_b=b))
    sets = membership_sets(memberships, len(a))
    if codes.max() == 0 or len(set().union(*sets)) == 1:
        raise NotEstimable("one cluster of a kind only: the variation between clusters cannot be estimated")
    return _two_way(a, b, codes, sets, as_level(confidence_level))


def membership_sets(memberships: npt.ArrayLike | Sequence[Sequence[object]], items: int) -> list[tuple[int, ...]]:
    """Turn names of clusters, one or several per item, into sorted tuples of numbers.

    Shapes: `memberships` (n,). Returns the clusters of each item, without repeats.
    """
    entries = [entry if isinstance(entry, (list, tuple, set, frozenset, np.ndarray)) else (entry,) for entry in memberships]  # type: ignore[union-attr]
    if len(entries) != items:
        raise InputError(f"second clusters: give one entry per item ({items} items, {len(entries)} entries)")
    if any(len(entry) == 0 for entry in entries):
        raise InputError("second clusters: some items have none")
    if max(map(len, entries)) > MOST_MEMBERSHIPS:
        raise InputError(f"second clusters: an item may belong to at most {MOST_MEMBERSHIPS}")
    numbers = {name: number for number, name in enumerate(sorted({str(name) for entry in entries for name in entry}))}
    return [tuple(sorted({numbers[str(name)] for name in entry})) for entry in entries]


def _two_way(a: Bools, b: Bools, codes: Codes, sets: list[tuple[int, ...]], level: float) -> ClusteredDifferenceResult:
    d = a.astype(np.float64) - b
    estimate = float(d.mean())
    variance, note = two_way_variance((d - estimate) / len(d), codes, sets)
    df = min(int(codes.max()) + 1, len(set().union(*sets))) - 1
    if variance <= _ROUNDING and estimate:
        k = df + 1  # as in clustered_difference: each cluster counts as one item
        se = bonett_price_standard_error(k * max(estimate, 0.0), k * max(-estimate, 0.0), k)
        return student_result(estimate, se, df, level, note="every cluster shows the same difference; each is counted as one item")
    return student_result(estimate, math.sqrt(max(variance, 0.0)), df, level, note=note)


def two_way_variance(parts: Floats, codes: Codes, sets: list[tuple[int, ...]]) -> tuple[float, str]:
    """Estimate the variance of a sum over items that are correlated within two kinds of clusters.

    Shapes: `parts` (n,), `codes` (n,). Returns the variance of `two_way`, and a note if the larger one-way variance had to take its
    place.
    """
    return TwoWayPairs.of(codes, sets).variance(parts)


SharedSubsets = list[tuple[int, Codes, Codes]]
"""Sign, rows and groups of the subsets of each size of the items' memberships; see `shared_products`."""


@dataclass(frozen=True)
class TwoWayPairs:
    """Pairs of items correlated within two kinds of clusters: found once, used for many sums over the same items."""

    codes: Codes
    references: int
    by_reference: SharedSubsets
    by_cell: SharedSubsets

    @classmethod
    def of(cls, codes: Codes, sets: list[tuple[int, ...]]) -> TwoWayPairs:
        """Find the pairs of items in the clusters of the first kind, `codes` (n,), and the second."""
        counted = by_count(sets)
        return cls(codes, len(set().union(*sets)), _signed_subsets(counted, None), _signed_subsets(counted, codes))

    def variance(self, parts: Floats) -> tuple[float, str]:
        """Estimate the variance of the sum of `parts` (n,), as `two_way_variance`."""
        patient = _factor(int(self.codes.max()) + 1) * float((np.bincount(self.codes, parts) ** 2).sum())
        reference = _factor(self.references) * _sum_of_products(parts, self.by_reference)
        both = int(self.by_cell[0][2].max()) + 1  # non-empty cells of patient and reference
        total = patient + reference - _factor(both) * _sum_of_products(parts, self.by_cell)
        if total > 1e-12 * float((parts**2).sum()):
            return total, ""
        note = "the two-way variance was not positive; the larger one-way variance is used" if parts.any() else ""
        return max(patient, reference, 0.0), note


def _factor(clusters: int) -> float:
    return clusters / (clusters - 1)


def shared_products(e: Floats, sets: list[tuple[int, ...]], codes: Codes | None = None) -> float:
    """Sum the products of all ordered pairs of items (an item with itself too) that share at least one membership.

    Shapes: `e` (n,), `codes` (n,).

    Examples
    --------
    >>> shared_products(np.array([1.0, 2.0, 4.0]), [(0,), (0, 1), (1,)])  # 1 + 4 + 16 + 2 (1 * 2) + 2 (2 * 4)
    41.0
    """
    return _sum_of_products(e, _signed_subsets(by_count(sets), codes))


def _signed_subsets(counted: dict[int, tuple[Codes, Codes]], codes: Codes | None) -> SharedSubsets:
    # listing pairs would take O(n^2). Over one subset S the pairs that both have S sum to a square of sums, in O(n). A pair that shares k
    # memberships has 2^k - 1 such subsets, which alternating signs count as k - C(k,2) + C(k,3) - ... = 1: each pair once
    return [((-1) ** (size + 1), *subsets(counted, size, codes)) for size in range(1, max(counted) + 1)]


def _sum_of_products(e: Floats, signed: SharedSubsets) -> float:
    return sum(sign * float((np.bincount(groups, e[rows]) ** 2).sum()) for sign, rows, groups in signed)


def by_count(sets: list[tuple[int, ...]]) -> dict[int, tuple[Codes, Codes]]:
    """Gather the items that have equally many memberships: their rows, and their memberships as a table."""
    counts = np.array([len(names) for names in sets], dtype=np.intp)
    found = {}
    for count in np.unique(counts).tolist():
        rows = np.flatnonzero(counts == count)
        found[count] = rows, np.array([sets[row] for row in rows], dtype=np.intp).reshape(len(rows), count)
    return found


def subsets(counted: dict[int, tuple[Codes, Codes]], size: int, codes: Codes | None) -> tuple[Codes, Codes]:
    """List (item, group) for every subset of this size of every item's memberships; equal subsets (and codes, if any) are one group."""
    items, members = [], []
    for count, (rows, names) in counted.items():
        chosen = np.array(list(combinations(range(count), size)), dtype=np.intp).reshape(-1, size)
        items.append(np.repeat(rows, len(chosen)))
        members.append(names[:, chosen].reshape(-1, size))
    rows, table = np.concatenate(items), np.concatenate(members)
    groups = np.zeros(len(rows), dtype=np.intp)
    for column in ([] if codes is None else [codes[rows]]) + list(table.T):
        # renumbered after every column, so that the product stays far below the largest integer
        groups = np.unique(groups * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1]
    return rows, groups
