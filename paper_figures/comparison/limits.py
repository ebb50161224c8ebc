"""Tests that would claim more than the data show: replaced by another test, or by the reason for having none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from paper_figures.comparison.item_table import ItemTable
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult
from paper_figures.statistics.multireader.procedure import ProcedureResult
from paper_figures.statistics.proportions.tango import tango_interval
from paper_figures.statistics.result import Interval
from paper_figures.statistics.roc.delong import AurocDifference, DeLongResult
from paper_figures.statistics.roc.intervals import mann_whitney_interval, square_and_add
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T, FEWEST_FOR_Z, class_clusters
from paper_figures.statistics.validation import Bools, Floats, NotEstimable
from see_in_pairs.roc import auroc, placements

ONE_CLUSTER = "all items are of one cluster: the variation between clusters cannot be estimated, and items alone are not independent"

Difference = TypeVar("Difference", ClusteredDifferenceResult, ProcedureResult)


def units(result: ClusteredDifferenceResult | ProcedureResult) -> int:
    """Number of clusters of a difference without variation, each counted as one item; of two kinds, the smaller number."""
    return round(result.df) + 1


def with_width(result: Difference, level: float) -> Difference:
    """If no cluster shows a difference, replace the interval of width 0 by Tango's, with as many items as clusters."""
    if result.se or result.estimate:
        return result
    note = result.note or "no cluster shows a difference; each is counted as one item"
    return replace(result, interval=tango_interval(0, 0, units(result), level), note=note)


def with_own_width(result: DeLongResult) -> AurocDifference:
    """Compare two areas; if both separate the classes perfectly, with an interval from their own intervals."""
    found = result.difference()
    if found.se or found.difference or np.diag(result.covariance).any():  # the last: arms that rank all items alike
        return found
    a, b = (float(area) for area in result.auc)
    interval = square_and_add(a, result.interval(0), b, result.interval(1))
    return replace(found, interval=interval, note="each area separates the classes perfectly; interval from those of the two areas")


def area_interval(table: ItemTable, labels: Bools, result: DeLongResult | None, curve: int, level: float) -> Interval | None:
    """Interval of one area, allowing for clusters; if a class is rare Newcombe's, counting clusters.

    With 2 to 20 positives of 100 items DeLong's interval on the logit scale covers an area with probability .74 to .95, Newcombe's with
    .95 or more.
    """
    if class_clusters(labels, table.codes) >= FEWEST_FOR_Z:
        return result.interval(curve) if result else None
    if table.scores is None or table.clusters == 1 < table.items:
        return None
    positives, negatives = (len(np.unique(table.codes[members])) for members in (labels, ~labels))
    return mann_whitney_interval(auroc(table.scores[curve], labels), positives, negatives, level)


def by_t(table: ItemTable, compute: Callable[[], Difference]) -> Difference:
    """Compute a test of AUROC by t, if enough clusters have items of each class."""
    return _enough(table, FEWEST_FOR_T, compute)


def enough_for_z(table: ItemTable, compute: Callable[[], Difference]) -> Difference:
    """Compute a test of AUROC whose degrees of freedom do not count the clusters of a class, if each class has enough."""
    return _enough(table, FEWEST_FOR_Z, compute)


def separated(scores: Floats, labels: Bools) -> bool:
    """Whether no area varies: all items of a class have the same placement, for example if both arms separate the classes perfectly."""
    placed = placements(scores, labels)
    return not any(np.ptp(placed[:, members], axis=1).any() for members in (labels, ~labels))


def _enough(table: ItemTable, least: int, compute: Callable[[], Difference]) -> Difference:
    found = 0 if table.labels is None else class_clusters(table.labels, table.codes)
    if found < least:
        unit = "items" if table.independent else "clusters with items"
        raise NotEstimable(
            f"{unit} of the rarer class: {found}; with fewer than {least} this test rejects a true null hypothesis too often"
        )
    result = compute()
    if (
        not (result.se or result.estimate)
        and table.scores is not None
        and table.labels is not None
        and separated(table.scores, table.labels)
    ):
        raise NotEstimable("each area separates the classes perfectly, so nothing varies between clusters")
    return result
