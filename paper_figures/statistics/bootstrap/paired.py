"""The paired bootstrap over clusters: one set of resamples for both arms and every measure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.bootstrap.cluster_weights import cluster_weights, jackknife_weights, resampling_strata
from paper_figures.statistics.bootstrap.intervals import METHODS, acceleration, bootstrap_interval
from paper_figures.statistics.bootstrap.result import BootstrapDifference
from paper_figures.statistics.metrics import METRICS, NEED_PROBABILITIES, Evaluate, Sample
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import (
    Codes,
    Floats,
    NotEstimable,
    as_count,
    as_flags,
    as_level,
    as_scores,
    cluster_codes,
    same_length,
)
from see_in_pairs.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


FEWEST_OF_A_CLASS = 20
"""With fewer clusters of a class, a measure that ranks or separates the classes gets no interval."""

NEED_NO_CLASS = ("accuracy", *NEED_PROBABILITIES)


@dataclass(frozen=True, repr=False)
class PairedBootstrapResult(Result):
    """Bootstrap intervals of the differences of several performance measures."""

    metrics: dict[str, BootstrapDifference]  # one result per measure
    clusters: int
    strata: int  # types of clusters resampled separately

    def to_frame(self) -> pd.DataFrame:
        """One row per measure."""
        import pandas as pd

        return pd.concat([result.to_frame() for result in self.metrics.values()], ignore_index=True)

    def __repr__(self) -> str:
        lines = [
            f"  {name:<18} {one.difference:+.4f} [{one.interval[0]:+.4f}, {one.interval[1]:+.4f}]  ({one.a:.4f} - {one.b:.4f})"
            for name, one in self.metrics.items()
        ]
        return "\n".join([f"PairedBootstrapResult ({self.clusters} clusters in {self.strata} strata)", *lines])


def paired_bootstrap(
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    labels: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    metrics: Sequence[str] = ("accuracy", "auroc"),
    resamples: int = 2000,
    method: str = "bca",
    *,
    threshold: float = 0.5,
    specificity: float = 0.9,
    stratify: bool = True,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> PairedBootstrapResult:
    r"""Bootstrap differences of performance measures between two arms that score the same items.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Scores of arms A and B on the same items; higher speaks for positive.
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    clusters : array_like, shape (n,), optional
        The cluster of each item, for example its patient; by default each item is its own cluster.
    metrics : sequence of str
        Of ``accuracy``, ``auroc``, ``average_precision``, ``sensitivity``, ``brier``, ``calibration_error``.
    resamples : int, default 2000
        Number of resamples, B, at least 2.
    method : {'bca', 'percentile', 'basic'}
        The kind of interval; BCa corrects for bias and skewness.
    threshold : float, default 0.5
        A score at or above it counts as positive, for the accuracy.
    specificity : float, default 0.9
        The specificity, between 0 and 1, at which the sensitivity is taken.
    stratify : bool, default True
        Whether to resample clusters with only positive items, only negative ones, or both, separately.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.
    seed : int, default 0
        Seed of the resamples, which both arms and all measures share.

    Returns
    -------
    PairedBootstrapResult
        One difference, A minus B, per measure, with its interval and Monte Carlo error.

    Raises
    ------
    InputError
        When inputs do not fit, there is one class or one cluster only, or a measure is unknown.

    Notes
    -----
    1. Draw as many clusters as there are, with replacement, within each type of cluster. A cluster takes all its items along.
    2. Compute every measure of both arms on that resample, and the differences.
    3. Repeat B times; make intervals by `bootstrap_interval`; BCa's acceleration leaves out one cluster at a time.

    Resampling whole clusters keeps the correlation inside them: Davison and Hinkley (1997), Bootstrap Methods and their
    Application, section 3.8. With few clusters (below about 20) any bootstrap interval is too short.

    A type with one cluster is resampled together with the largest type, since alone it would never vary. If fewer than 20 clusters have
    positive items, or negative ones, AUROC, average precision and sensitivity have no interval (NaN, with a ``reason``): with 5, 10, 15
    and 20 positives of 100 items the interval of AUROC leaves out a true difference of 0 with probability .16, .09, .08 and .06.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(200) % 2
    >>> scores = rng.normal(size=(2, 200)) + np.array([[1.5], [0.5]]) * labels
    >>> result = paired_bootstrap(*scores, labels, clusters=np.arange(200) // 4, metrics=["auroc"], resamples=500)
    >>> auroc = result.metrics["auroc"]
    >>> auroc.interval[0] < auroc.difference < auroc.interval[1]
    True
    """
    a, b, flags = as_scores(scores_a, "scores_a"), as_scores(scores_b, "scores_b"), as_flags(labels)
    items = same_length(scores_a=a, scores_b=b, labels=flags)
    codes = cluster_codes(clusters, items)
    settings = _Settings(as_count(resamples, "resamples"), method, as_level(confidence_level), seed)
    arms = [Sample(scores, flags, codes, threshold, specificity) for scores in (a, b)]
    _check(arms, metrics, settings)
    strata = resampling_strata(flags, codes) if stratify else np.zeros(codes.max() + 1, dtype=np.intp)
    found = _paired_bootstrap(arms, strata, metrics, settings)
    positive, negative = (len(np.unique(codes[members])) for members in (flags, ~flags))
    if min(positive, negative) >= FEWEST_OF_A_CLASS:
        return found
    reason = f"clusters with a positive item: {positive}, with a negative one: {negative}; with fewer than {FEWEST_OF_A_CLASS} "
    reason += "resamples vary too little, and intervals are too short"
    return replace(found, metrics={
        name: one if name in NEED_NO_CLASS else one.without_interval(reason) for name, one in found.metrics.items()
    })  # fmt: skip


@dataclass(frozen=True)
class _Settings:
    """How to resample and to make intervals."""

    resamples: int
    method: str
    level: float
    seed: int


def _check(arms: Sequence[Sample], metrics: Sequence[str], settings: _Settings) -> None:
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise InputError(f"unknown measure {unknown[0]!r}; choose of {', '.join(METRICS)}{did_you_mean(unknown[0], METRICS)}")
    if settings.method not in METHODS:
        raise InputError(f"method: choose one of {', '.join(METHODS)}, not {settings.method!r}")
    if settings.resamples < 2:
        raise InputError(f"resamples: give at least 2, not {settings.resamples}")
    labels = arms[0].labels
    if arms[0].clusters == 1:
        raise NotEstimable("one cluster only: the variation between clusters cannot be estimated")
    if set(metrics) - set(NEED_NO_CLASS) and (labels.all() or not labels.any()):
        raise NotEstimable("one class only: measures that compare positive with negative items have no value")
    if set(metrics) & set(NEED_PROBABILITIES) and any(arm.scores.min() < 0 or arm.scores.max() > 1 for arm in arms):
        raise InputError(f"{', '.join(NEED_PROBABILITIES)} need probabilities: some scores are outside [0, 1]")


def _paired_bootstrap(arms: Sequence[Sample], strata: Codes, metrics: Sequence[str], settings: _Settings) -> PairedBootstrapResult:
    evaluators = [[METRICS[name](arm) for arm in arms] for name in metrics]
    items, clusters = len(arms[0].scores), len(strata)
    point = _evaluate(evaluators, [np.ones((1, clusters))])[:, :, 0]
    values = _evaluate(evaluators, cluster_weights(strata, items, settings.resamples, settings.seed))
    left_out, rows = np.zeros((len(metrics), 2, 2)), np.zeros(2, dtype=np.intp)
    if settings.method == "bca":
        # with very many items a jackknife over every cluster would cost more than the bootstrap itself
        portions, rows = jackknife_weights(strata, items, min(500, max(50, 50_000_000 // items)))
        left_out = _evaluate(evaluators, portions)
    results = {name: _difference(name, point[i], values[i], left_out[i], rows, settings) for i, name in enumerate(metrics)}
    return PairedBootstrapResult(results, clusters, len(np.unique(strata)))


def _evaluate(evaluators: list[list[Evaluate]], portions: Iterable[Floats]) -> Floats:
    """Evaluate every measure of both arms on the same weights; shape (measures, 2, rows)."""
    parts = [[[evaluate(weights) for evaluate in pair] for pair in evaluators] for weights in portions]
    return np.concatenate([np.array(part) for part in parts], axis=-1)


def _difference(name: str, point: Floats, values: Floats, left_out: Floats, rows: Codes, settings: _Settings) -> BootstrapDifference:
    """Summarise one measure. Shapes: `point` (2,), `values` (2, B), `left_out` (2, rows), `rows` (rows,) their strata."""
    defined = ~np.isnan(values).any(axis=0)

    def ends(estimate: float, resampled: Floats, jackknife: Floats) -> tuple[Interval, Interval]:
        known = ~np.isnan(jackknife)
        skew = acceleration(jackknife[known], rows[known])
        return bootstrap_interval(resampled[defined], estimate, settings.method, settings.level, skew)

    (a, b), difference, gaps = point.tolist(), float(point[0] - point[1]), values[0] - values[1]
    interval, errors = ends(difference, gaps, left_out[0] - left_out[1])
    return BootstrapDifference(
        name, a, b, difference, interval, ends(a, values[0], left_out[0])[0], ends(b, values[1], left_out[1])[0],
        float(gaps[defined].std(ddof=1)), errors, settings.method, len(gaps), int((~defined).sum()), settings.seed,
    )  # fmt: skip
