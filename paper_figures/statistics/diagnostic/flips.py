"""The flip table: how many items a change of arm harms, how many it helps, and how many change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.diagnostic.factors import Factors, Memberships, factors, share, share_interval
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T
from paper_figures.statistics.validation import Bools, NotEstimable, as_flags, as_level, same_length


@dataclass(frozen=True, repr=False)
class FlipShare(Result):
    """A share of the items that flip."""

    items: float  # their number; with several trainings the mean
    share: float
    interval: Interval | None  # Wilson's, allowing for clusters, references and trainings


@dataclass(frozen=True, repr=False)
class FlipTable(Result):
    """Items with a different answer after arm B replaces arm A."""

    harmful: FlipShare  # right in A, wrong in B
    beneficial: FlipShare  # wrong in A, right in B
    churn: FlipShare  # either
    items: float  # of one training
    trainings: int
    confidence_level: float
    reason: str = ""  # why there are no intervals; '' if there are


def flip_table(
    correct_a: npt.ArrayLike,
    correct_b: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    seeds: npt.ArrayLike | None = None,
    references: Memberships | None = None,
    confidence_level: float = 0.95,
) -> FlipTable:
    """Count the items that arm B turns from right to wrong (harmful) and from wrong to right (beneficial) when it replaces arm A.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Whether arm A, and arm B, is right on each row.
    clusters : array_like, shape (n,), optional
        The cluster of each row, for example its patient; by default each row is its own cluster.
    seeds : array_like, shape (n,), optional
        The training seed of the model of each row, if there are several: shares are averaged over trainings.
    references : array_like, shape (n,), or sequence of n sequences, optional
        References that are shared between clusters, one name per row or several.
    confidence_level : float, default 0.95
        Share of repetitions in which each interval covers the true value, between 0 and 1.

    Returns
    -------
    FlipTable
        Numbers and shares of harmful and beneficial flips, and of both together (churn).

    Raises
    ------
    InputError
        When inputs do not fit, or there is one cluster only.

    Notes
    -----
    Two arms of equal accuracy may disagree on many items: the difference of the shares is that of the accuracies, their sum is what a
    user notices. Intervals are Wilson's, by t, with as many items as the standard error of `Factors.estimate` implies; independent items
    count in full. If no item flips, each cluster counts as one item.

    Examples
    --------
    >>> found = flip_table([1, 1, 1, 0, 0, 1], [1, 0, 1, 1, 1, 1])
    >>> found.harmful.items, found.beneficial.items, found.churn.share
    (1.0, 2.0, 0.5)
    """
    a, b = as_flags(correct_a, "correct_a"), as_flags(correct_b, "correct_b")
    return flips_of(a, b, factors(same_length(correct_a=a, correct_b=b), clusters, seeds, references), as_level(confidence_level))


def flips_of(a: Bools, b: Bools, design: Factors, level: float) -> FlipTable:
    """Count the flips of two checked arms: `flip_table`."""
    few = design.clusters(np.ones(len(a), dtype=np.bool_))
    reason = f"only {few} clusters: fewer than {FEWEST_FOR_T} are too few to estimate their variation" if few < FEWEST_FOR_T else ""
    kinds = {"harmful": a & ~b, "beneficial": b & ~a, "churn": a ^ b}
    everyone, items = np.ones(len(a), dtype=np.bool_), len(a) / design.trainings
    try:
        found = {} if reason else {name: design.estimate(share(hits, everyone)) for name, hits in kinds.items()}
    except NotEstimable as error:
        found, reason = {}, str(error)
    intervals = {name: share_interval(one, few, items, design.independent, level) for name, one in found.items()}
    shares = {
        name: FlipShare(float(hits.sum()) / design.trainings, design.value(share(hits, everyone)), intervals.get(name))
        for name, hits in kinds.items()
    }
    return FlipTable(**shares, items=items, trainings=design.trainings, confidence_level=level, reason=reason)
