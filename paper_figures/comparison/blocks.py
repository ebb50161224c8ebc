"""The blocks of a comparison, each from the same table of items; `compare_arms` combines them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from paper_figures.comparison.item_table import ComparisonSettings, ItemTable
from paper_figures.comparison.limits import area_interval, by_t, enough_for_z, with_own_width, with_width
from paper_figures.comparison.result import Accuracy, Auroc, ClusteredAccuracy
from paper_figures.statistics.bootstrap.multinomial import multinomial_bootstrap
from paper_figures.statistics.bootstrap.paired import paired_bootstrap
from paper_figures.statistics.bootstrap.result import BootstrapDifference
from paper_figures.statistics.clustered.chi_squared import durkalski, obuchowski, yang
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult, clustered_difference
from paper_figures.statistics.clustered.sign_flip import SignFlipResult, sign_flip
from paper_figures.statistics.clustered.two_way import two_way
from paper_figures.statistics.distributions import normal_quantile
from paper_figures.statistics.metrics import METRICS, NEED_PROBABILITIES
from paper_figures.statistics.multireader.procedure import ProcedureResult, procedure, procedure_auroc
from paper_figures.statistics.proportions.mcnemar import mcnemar
from paper_figures.statistics.proportions.newcombe import wilson_interval
from paper_figures.statistics.proportions.paired_difference import paired_difference
from paper_figures.statistics.result import Interval
from paper_figures.statistics.roc.cluster_jackknife import clustered_auroc_difference, two_way_delong
from paper_figures.statistics.roc.clustered_delong import clustered_delong
from paper_figures.statistics.roc.delong import curves_and_labels, delong
from paper_figures.statistics.roc.permutation import AurocPermutationResult, auroc_permutation
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T, LEAST_SHARE
from paper_figures.statistics.validation import Bools, Floats, NotEstimable, as_count
from see_in_pairs.roc import auroc

CELLS = 200_000_000  # resamples x items that a default bootstrap may cost
MANY_ITEMS = 500_000  # with more items there is no bootstrap unless resamples are asked for: it would take longer than everything else
Block = TypeVar("Block")


@dataclass
class Reasons:
    """Why blocks could not be computed, by the name of the block."""

    found: dict[str, str] = field(default_factory=dict)

    def attempt(self, name: str, compute: Callable[[], Block]) -> Block | None:
        """Compute a block; if the data do not allow it (one class, one cluster), note the reason and continue."""
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


def _share_interval(right: Bools, table: ItemTable, level: float) -> Interval | None:
    """Wilson's interval of one arm's accuracy, with items divided by the design effect (our choice); None over one cluster."""
    k, n = int(right.sum()), table.items
    if table.clusters == 1 < n:
        return None
    effective = float(n)
    if not table.independent:
        robust = clustered_difference(right, np.zeros(n, dtype=np.bool_), table.codes)
        # without variation between clusters there is no estimate of the design effect, so each cluster counts as one item
        varies = 0 < k < n and not robust.note
        effective = min(n, max(1.0, k / n * (1 - k / n) / robust.se**2)) if varies else float(table.clusters)
    return wilson_interval(k / n * effective, effective, normal_quantile(level))


def clustered_accuracy_block(table: ItemTable, settings: ComparisonSettings) -> ClusteredAccuracy:
    """Compare accuracies with clusters."""
    data = table.right_a, table.right_b, table.codes
    difference = with_width(clustered_difference(*data, settings.level), settings.level)
    return ClusteredAccuracy(obuchowski(*data), yang(*data), durkalski(*data), difference)


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
    jackknife = reasons.attempt("auroc.clustered_t", lambda: by_t(table, lambda: clustered_auroc_difference(scores, labels, codes, level)))
    both = None
    if second is not None:
        both = reasons.attempt("auroc.two_way", lambda: by_t(table, lambda: two_way_delong(scores, labels, codes, second, level)))
    swaps = reasons.attempt("auroc.permutation", lambda: _swapped(table, scores, labels, settings))
    best = plain if table.independent else clustered
    a, b = (auroc(row, labels) for row in scores)
    differences = [with_own_width(result) if result else None for result in (plain, clustered)]
    intervals = [area_interval(table, labels, best, curve, level) for curve in (0, 1)]
    return Auroc(a, b, a - b, differences[0], differences[1], intervals[0], intervals[1], jackknife, both, swaps)


def _swapped(table: ItemTable, scores: Floats, labels: Bools, settings: ComparisonSettings) -> AurocPermutationResult:
    """Permute the arms within items, if that test keeps its level in this design."""
    if not table.independent:
        raise NotEstimable("items are not independent, but swapping the arms item by item assumes that they are")
    rarer = int(min(labels.sum(), (~labels).sum()))
    if rarer < max(FEWEST_FOR_T, LEAST_SHARE * table.items):
        raise NotEstimable(f"{rarer} of {table.items} items are of the rarer class: too few for this test if the curves differ in shape")
    return auroc_permutation(scores, labels, settings.permutations, seed=settings.seed)


def two_way_block(table: ItemTable, settings: ComparisonSettings, reasons: Reasons) -> ClusteredDifferenceResult | None:
    """Compare accuracies with the clusters crossed with a second kind."""
    second = table.second
    if second is None:
        return None
    compute = lambda: two_way(table.right_a, table.right_b, table.codes, second, settings.level)
    return reasons.attempt("two_way", lambda: with_width(compute(), settings.level))


def procedure_blocks(
    table: ItemTable, settings: ComparisonSettings, reasons: Reasons
) -> tuple[ProcedureResult | None, ProcedureResult | None]:
    """Compare accuracies, and areas under the ROC curve, with the clusters crossed with training seeds."""
    seeds, scores, labels = table.seeds, table.scores, table.labels
    if seeds is None:
        return None, None
    compute = lambda: procedure(table.right_a, table.right_b, table.codes, seeds, settings.level)
    accuracy = reasons.attempt("procedure", lambda: with_width(compute(), settings.level))
    if scores is None or labels is None:
        return accuracy, None
    area = lambda: enough_for_z(table, lambda: procedure_auroc(scores, labels, table.codes, seeds, settings.level))
    return accuracy, reasons.attempt("procedure.auroc", area)


def permutation_block(table: ItemTable, settings: ComparisonSettings, reasons: Reasons) -> SignFlipResult:
    """Flip the signs of the clusters' differences; an interval without width is removed."""
    found = sign_flip(table.right_a.astype(float) - table.right_b, table.codes, settings.permutations, seed=settings.seed)
    if found.clusters:
        return found
    reasons.found["permutation.interval"] = "no cluster shows a difference"
    return replace(found, interval=(math.nan, math.nan))


def bootstrap_block(table: ItemTable, settings: ComparisonSettings, reasons: Reasons) -> dict[str, BootstrapDifference]:
    """Bootstrap every measure that has a value."""
    metrics, results = _metrics(table), {}
    if table.independent:  # the accuracy has its own random stream, and more resamples at no cost
        metrics.remove("accuracy")
        results["accuracy"] = multinomial_bootstrap(
            table.n10, table.n01, table.items, settings.resamples or 9999, settings.method, settings.level, seed=settings.seed
        )
    if metrics and table.items > MANY_ITEMS and settings.resamples is None:
        reasons.found["bootstrap"] = f"more than {MANY_ITEMS:,} items; ask for it with resamples (--resamples 200)"
    elif metrics:
        results |= reasons.attempt("bootstrap", lambda: _shared_resamples(table, settings, metrics)) or {}
    identical = table.scores is not None and bool((table.scores[0] == table.scores[1]).all())
    for name, one in results.items():
        if one.interval[1] - one.interval[0] <= 1e-12 and not identical:  # more than rounding
            results[name] = one.without_interval("every resample gives the same difference, so its uncertainty cannot be estimated")
        if results[name].reason:
            reasons.found[f"bootstrap.{name}"] = results[name].reason
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
