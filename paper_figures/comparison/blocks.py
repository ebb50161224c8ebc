"""The blocks of a comparison, each from the same table of items; `compare_arms` puts them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from paper_figures.comparison.item_table import ComparisonSettings, ItemTable
from paper_figures.comparison.result import Accuracy, Auroc, ClusteredAccuracy
from paper_figures.statistics.bootstrap.multinomial import multinomial_bootstrap
from paper_figures.statistics.bootstrap.paired import paired_bootstrap
from paper_figures.statistics.bootstrap.result import BootstrapDifference
from paper_figures.statistics.clustered.chi_squared import durkalski, obuchowski, yang
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult, clustered_difference
from paper_figures.statistics.clustered.two_way import two_way
from paper_figures.statistics.distributions import normal_quantile
from paper_figures.statistics.equivalence import EquivalenceResult, equivalence, tost
from paper_figures.statistics.metrics import METRICS, NEED_PROBABILITIES
from paper_figures.statistics.multireader.procedure import ProcedureResult, procedure, procedure_auroc
from paper_figures.statistics.proportions.mcnemar import mcnemar
from paper_figures.statistics.proportions.newcombe import wilson_interval
from paper_figures.statistics.proportions.paired_difference import paired_difference
from paper_figures.statistics.result import Interval
from paper_figures.statistics.roc.cluster_jackknife import clustered_auroc_difference, two_way_delong
from paper_figures.statistics.roc.clustered_delong import clustered_delong
from paper_figures.statistics.roc.delong import curves_and_labels, delong
from paper_figures.statistics.validation import Bools, NotEstimable, as_count
from see_in_pairs.roc import auroc

CELLS = 200_000_000  # resamples x items that a default bootstrap may cost
Block = TypeVar("Block")


@dataclass
class Reasons:
    """Why blocks could not be computed, by the name of the block."""

    found: dict[str, str] = field(default_factory=dict)

    def attempt(self, name: str, compute: Callable[[], Block]) -> Block | None:
        """Compute a block; where the data say nothing of it (one class, one cluster) note the reason and go on."""
        try:
            return compute()
        except NotEstimable as error:
            self.found[name] = str(error)
            return None


def accuracy_block(table: ItemTable, settings: ComparisonSettings) -> Accuracy:
    """Compare accuracies as if items were independent."""
    n11 = int((table.right_a & table.right_b).sum())
    paired = paired_difference(n11, table.n10, table.n01, table.items - n11 - table.n10 - table.n01, settings.level)
    a_interval, b_interval = (_share_interval(right, table, settings.level) for right in (table.right_a, table.right_b))
    return Accuracy(paired, mcnemar(table.n10, table.n01), a_interval, b_interval)


def _share_interval(right: Bools, table: ItemTable, level: float) -> Interval:
    """Wilson's interval of one arm's accuracy, with as many items as the design effect leaves (our choice)."""
    k, n = int(right.sum()), table.items
    effective = float(n)
    if 1 < table.clusters < n and 0 < k < n:
        robust = clustered_difference(right, np.zeros(n, dtype=np.bool_), table.codes)
        effective = min(n, max(1.0, k / n * (1 - k / n) / robust.se**2)) if robust.se else effective
    return wilson_interval(k / n * effective, effective, normal_quantile(level))


def clustered_accuracy_block(table: ItemTable, settings: ComparisonSettings) -> ClusteredAccuracy:
    """Compare accuracies with clusters."""
    data = table.right_a, table.right_b, table.codes
    return ClusteredAccuracy(obuchowski(*data), yang(*data), durkalski(*data), clustered_difference(*data, settings.level))


def auroc_block(table: ItemTable, settings: ComparisonSettings, reasons: Reasons) -> Auroc | None:
    """Compare areas under the ROC curve."""
    scores, labels, codes, second, level = table.scores, table.labels, table.codes, table.second, settings.level
    if scores is None or labels is None:
        reasons.found["auroc"] = "right or wrong only: an ROC curve needs scores and labels"
        return None
    if reasons.attempt("auroc", lambda: curves_and_labels(scores, labels)) is None:
        return None
    plain = reasons.attempt("auroc.delong", lambda: delong(scores, labels, level))
    clustered = reasons.attempt("auroc.clustered_delong", lambda: clustered_delong(scores, labels, codes, level))
    jackknife = reasons.attempt("auroc.clustered_t", lambda: clustered_auroc_difference(scores, labels, codes, level))
    both = None
    if second is not None:
        both = reasons.attempt("auroc.two_way", lambda: two_way_delong(scores, labels, codes, second, level))
    best = plain if table.independent else clustered
    a, b = (auroc(row, labels) for row in scores)
    differences = [result.difference() if result else None for result in (plain, clustered)]
    intervals = [best.interval(curve) if best else None for curve in (0, 1)]
    return Auroc(a, b, a - b, differences[0], differences[1], intervals[0], intervals[1], jackknife, both)


def two_way_block(table: ItemTable, settings: ComparisonSettings, reasons: Reasons) -> ClusteredDifferenceResult | None:
    """Compare accuracies with the clusters crossed with a second kind."""
    second = table.second
    if second is None:
        return None
    return reasons.attempt("two_way", lambda: two_way(table.right_a, table.right_b, table.codes, second, settings.level))


def procedure_blocks(
    table: ItemTable, settings: ComparisonSettings, reasons: Reasons
) -> tuple[ProcedureResult | None, ProcedureResult | None]:
    """Compare accuracies, and areas under the ROC curve, with the clusters crossed with training seeds."""
    seeds, scores, labels = table.seeds, table.scores, table.labels
    if seeds is None:
        return None, None
    accuracy = reasons.attempt("procedure", lambda: procedure(table.right_a, table.right_b, table.codes, seeds, settings.level))
    if scores is None or labels is None:
        return accuracy, None
    return accuracy, reasons.attempt("procedure.auroc", lambda: procedure_auroc(scores, labels, table.codes, seeds, settings.level))


def equivalence_block(
    table: ItemTable, settings: ComparisonSettings, robust: ClusteredDifferenceResult | ProcedureResult | None
) -> EquivalenceResult | None:
    """Test equivalence at the margin, with the standard error of the recommended accuracy test."""
    if settings.margin is None:
        return None
    independent = equivalence(table.n10, table.n01, table.items, settings.margin)  # also checks the margin
    if robust is None or not robust.se:
        return independent
    return tost(robust.estimate, robust.se, robust.df, settings.margin)


def bootstrap_block(table: ItemTable, settings: ComparisonSettings, reasons: Reasons) -> dict[str, BootstrapDifference]:
    """Bootstrap every measure that has a value."""
    metrics, results = _metrics(table), {}
    if table.independent:  # the accuracy has a stream of its own, and more resamples at no cost
        metrics.remove("accuracy")
        results["accuracy"] = multinomial_bootstrap(
            table.n10, table.n01, table.items, settings.resamples or 9999, settings.method, settings.level, seed=settings.seed
        )
    if metrics:
        results |= reasons.attempt("bootstrap", lambda: _shared_resamples(table, settings, metrics)) or {}
    return results


def _shared_resamples(table: ItemTable, settings: ComparisonSettings, metrics: Sequence[str]) -> dict[str, BootstrapDifference]:
    scores, labels, threshold = table.scores, table.labels, settings.threshold
    if scores is None or labels is None:  # right and wrong as scores of items that are all positive
        scores, labels, threshold = np.stack([table.right_a, table.right_b]).astype(np.float64), np.ones(table.items, dtype=np.bool_), 0.5
    return paired_bootstrap(
        scores[0], scores[1], labels, table.codes, metrics, bootstrap_resamples(table, settings), settings.method,
        threshold=threshold, specificity=settings.specificity, confidence_level=settings.level, seed=settings.seed,
    ).metrics  # fmt: skip


def _metrics(table: ItemTable) -> list[str]:
    """Measures that have a value: some need both classes, some need probabilities, all but accuracy need scores."""
    if table.scores is None or table.labels is None:
        return ["accuracy"]
    probabilities = table.scores.min() >= 0 and table.scores.max() <= 1
    both = table.labels.any() and not table.labels.all()
    possible = {"accuracy"} | set(METRICS if both else ()) | set(NEED_PROBABILITIES)
    return [name for name in METRICS if name in possible and (probabilities or name not in NEED_PROBABILITIES)]


def bootstrap_resamples(table: ItemTable, settings: ComparisonSettings) -> int:
    """Resamples to draw: the given number, by default 2,000, fewer for very many items."""
    default = max(200, min(2000, CELLS // table.items))
    return default if settings.resamples is None else as_count(settings.resamples, "resamples")
