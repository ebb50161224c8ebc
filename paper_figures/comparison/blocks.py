"""The blocks of a comparison, each from the same rows; `compare_arms` puts them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from paper_figures.comparison.result import Accuracy, Auroc, ClusteredAccuracy
from paper_figures.comparison.rows import Reasons, Rows, Settings
from paper_figures.statistics.bootstrap.multinomial import multinomial_bootstrap
from paper_figures.statistics.bootstrap.paired import paired_bootstrap
from paper_figures.statistics.bootstrap.result import BootstrapDifference
from paper_figures.statistics.clustered.chi_squared import _durkalski, _obuchowski, _yang
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult, _clustered_difference, clustered_difference
from paper_figures.statistics.clustered.sums import cluster_sums
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
from paper_figures.statistics.validation import Bools, as_count
from see_in_pairs.roc import auroc

Robust = ClusteredDifferenceResult | ProcedureResult
CELLS = 200_000_000  # resamples x items that a default bootstrap may cost


def accuracy_block(rows: Rows, settings: Settings) -> Accuracy:
    """Compare accuracies as if items were independent."""
    n11 = int((rows.right_a & rows.right_b).sum())
    paired = paired_difference(n11, rows.n10, rows.n01, rows.items - n11 - rows.n10 - rows.n01, settings.level)
    intervals = (_share_interval(right, rows, settings) for right in (rows.right_a, rows.right_b))
    return Accuracy(paired, mcnemar(rows.n10, rows.n01), *intervals)


def _share_interval(right: Bools, rows: Rows, settings: Settings) -> Interval:
    """Give Wilson's interval of one arm's accuracy, with as many items as the design effect leaves (our choice)."""
    k, n = int(right.sum()), rows.items
    effective = float(n)
    if 1 < rows.clusters < n and 0 < k < n:
        robust = clustered_difference(right, np.zeros(n, dtype=np.bool_), rows.codes)
        effective = min(n, max(1.0, k / n * (1 - k / n) / robust.se**2)) if robust.se else effective
    return wilson_interval(k / n * effective, effective, normal_quantile(settings.level))


def clustered_accuracy_block(rows: Rows, settings: Settings) -> ClusteredAccuracy:
    """Compare accuracies with clusters."""
    sums = cluster_sums(rows.right_a, rows.right_b, rows.codes)
    return ClusteredAccuracy(_obuchowski(sums), _yang(sums), _durkalski(sums), _clustered_difference(sums, settings.level))


def auroc_block(rows: Rows, settings: Settings, why: Reasons) -> Auroc | None:
    """Compare areas under the ROC curve."""
    scores, labels = rows.scores, rows.labels
    if scores is None or labels is None:
        why.found["auroc"] = "right or wrong only: an ROC curve needs scores and labels"
        return None
    if why.attempt("auroc", lambda: curves_and_labels(scores, labels)) is None:
        return None
    plain = why.attempt("auroc.delong", lambda: delong(scores, labels, settings.level))
    clustered = why.attempt("auroc.clustered_delong", lambda: clustered_delong(scores, labels, rows.codes, settings.level))
    best = plain if rows.clusters == rows.items else clustered
    a, b = (auroc(row, labels) for row in scores)
    differences = [result.difference() if result else None for result in (plain, clustered)]
    intervals = [best.interval(curve) if best else None for curve in (0, 1)]
    few = why.attempt("auroc.clustered_t", lambda: clustered_auroc_difference(scores, labels, rows.codes, settings.level))
    memberships, both = cast(Sequence[Sequence[object]], rows.second), None
    if rows.second is not None:
        both = why.attempt("auroc.two_way", lambda: two_way_delong(scores, labels, rows.codes, memberships, settings.level))
    return Auroc(a, b, a - b, differences[0], differences[1], intervals[0], intervals[1], few, both)


def two_way_block(rows: Rows, settings: Settings, why: Reasons) -> ClusteredDifferenceResult | None:
    """Compare accuracies with the clusters crossed with a second kind."""
    if rows.second is None:
        return None
    memberships = cast(Sequence[Sequence[object]], rows.second)
    return why.attempt("two_way", lambda: two_way(rows.right_a, rows.right_b, rows.codes, memberships, settings.level))


def procedure_blocks(rows: Rows, settings: Settings, why: Reasons) -> tuple[ProcedureResult | None, ProcedureResult | None]:
    """Compare accuracies, and areas under the ROC curve, with the clusters crossed with training seeds."""
    seeds, scores, labels = rows.seeds, rows.scores, rows.labels
    if seeds is None:
        return None, None
    trained = np.asarray([str(seed) for seed in seeds])
    accuracy = why.attempt("procedure", lambda: procedure(rows.right_a, rows.right_b, rows.codes, trained, settings.level))
    if scores is None or labels is None:
        return accuracy, None
    return accuracy, why.attempt("procedure.auroc", lambda: procedure_auroc(scores, labels, rows.codes, trained, settings.level))


def equivalence_block(
    rows: Rows, settings: Settings, robust: ClusteredDifferenceResult | ProcedureResult | None
) -> EquivalenceResult | None:
    """Test equivalence at the margin, with the standard error of the recommended accuracy test."""
    if settings.margin is None:
        return None
    independent = equivalence(rows.n10, rows.n01, rows.items, settings.margin)  # also checks the margin
    if robust is None or not robust.se:
        return independent
    return tost(robust.estimate, robust.se, robust.df, settings.margin)


def bootstrap_block(rows: Rows, settings: Settings, why: Reasons) -> dict[str, BootstrapDifference]:
    """Bootstrap every measure that has a value."""
    metrics, results = _metrics(rows), {}
    if rows.clusters == rows.items:  # independent items: the accuracy has a stream of its own, and more resamples at no cost
        draws = settings.resamples or 9999
        results["accuracy"] = multinomial_bootstrap(
            rows.n10, rows.n01, rows.items, draws, settings.method, settings.level, seed=settings.seed
        )
        metrics.remove("accuracy")
    if metrics:
        results |= why.attempt("bootstrap", lambda: _shared_resamples(rows, settings, metrics)) or {}
    return results


def _shared_resamples(rows: Rows, settings: Settings, metrics: Sequence[str]) -> dict[str, BootstrapDifference]:
    scores, labels, threshold = rows.scores, rows.labels, settings.threshold
    if scores is None or labels is None:  # right and wrong as scores of items that are all positive
        scores, labels, threshold = np.stack([rows.right_a, rows.right_b]).astype(np.float64), np.ones(rows.items, dtype=np.bool_), 0.5
    return paired_bootstrap(
        scores[0], scores[1], labels, rows.codes, metrics, bootstrap_resamples(rows, settings), settings.method,
        threshold=threshold, specificity=settings.specificity, confidence_level=settings.level, seed=settings.seed,
    ).metrics  # fmt: skip


def _metrics(rows: Rows) -> list[str]:
    """Choose the measures that have a value: some need both classes, some need probabilities, all but accuracy need scores."""
    if rows.scores is None or rows.labels is None:
        return ["accuracy"]
    probabilities = rows.scores.min() >= 0 and rows.scores.max() <= 1
    both = rows.labels.any() and not rows.labels.all()
    possible = {"accuracy"} | set(METRICS if both else ()) | set(NEED_PROBABILITIES)
    return [name for name in METRICS if name in possible and (probabilities or name not in NEED_PROBABILITIES)]


def bootstrap_resamples(rows: Rows, settings: Settings) -> int:
    """Decide how many resamples: as told, else 2,000, fewer for very many items."""
    default = max(200, min(2000, CELLS // rows.items))
    return default if settings.resamples is None else as_count(settings.resamples, "resamples")
