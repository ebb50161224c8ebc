"""Sensitivity, specificity, predictive values and likelihood ratios of two arms on the same items, at a threshold or at a specificity."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.arms import clusters_and_number
from paper_figures.statistics.bootstrap.cluster_weights import cluster_weights, jackknife_weights, resampling_strata
from paper_figures.statistics.bootstrap.intervals import METHODS, acceleration, bootstrap_interval
from paper_figures.statistics.bootstrap.paired import FEWEST_OF_A_CLASS
from paper_figures.statistics.diagnostic.factors import (
    Contributions,
    Estimated,
    Factors,
    Memberships,
    Merit,
    PairedMeasure,
    factors,
    logarithm,
    minus,
    over_trainings,
    share,
    share_interval,
)
from paper_figures.statistics.metrics._sample import Sample, ratio
from paper_figures.statistics.metrics.sensitivity import operating_counts
from paper_figures.statistics.proportions.bonett_price import bonett_price_standard_error
from paper_figures.statistics.proportions.mcnemar import mcnemar
from paper_figures.statistics.proportions.tango import tango_interval
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_count, as_flags, as_level, as_scores, same_length
from see_in_pairs.errors import InputError

FEWEST_OF_A_CELL = 5
"""With fewer clusters with a false (or true) positive (or negative) item a ratio has no interval: its logarithm is then not normal."""

LEAST_DEFINED = 0.95
"""Share of the resamples that must have a value, or there is no interval."""

HELD = "held"
"""Used instead of a test of specificities at the fixed specificity."""

BETWEEN = "trainings and clusters, bootstrap covariances, t"

MEASURES = ("sensitivity", "specificity", "ppv", "npv", "positive_likelihood_ratio", "negative_likelihood_ratio")


@dataclass(frozen=True, repr=False)
class OperatingPoint(Result):
    """Results of two arms at one operating point.

    Sensitivity and specificity are compared by their difference, the others by their ratio.
    """

    sensitivity: PairedMeasure
    specificity: PairedMeasure
    ppv: PairedMeasure  # positive predictive value at the prevalence of these items
    npv: PairedMeasure
    positive_likelihood_ratio: PairedMeasure
    negative_likelihood_ratio: PairedMeasure
    prevalence: float
    at: str  # 'threshold' or 'specificity'
    value: float  # the threshold, or the fixed specificity
    thresholds: tuple[float, float]  # of A and of B; the mean over trainings
    confidence_level: float
    note: str = ""  # a note for the reader; '' if there is none


@dataclass(frozen=True)
class PairedScores:
    """Two checked arms. Shapes: `scores` (2, n), `labels` (n,)."""

    scores: Floats
    labels: Bools
    design: Factors
    level: float


def measures_at_threshold(
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    labels: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    threshold: float = 0.5,
    *,
    seeds: npt.ArrayLike | None = None,
    references: Memberships | None = None,
    confidence_level: float = 0.95,
) -> OperatingPoint:
    r"""Compare sensitivity, specificity, predictive values and likelihood ratios of two arms at a threshold.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Scores of both arms on the same rows; higher speaks for positive.
    labels : array_like of bool, shape (n,)
        Whether each item is positive (diseased).
    clusters : array_like, shape (n,), optional
        The cluster of each row, for example its patient; each row is its own when left out.
    threshold : float, default 0.5
        A score at or above it counts as positive, in both arms. By position, clusters and threshold are accepted in either order.
    seeds : array_like, shape (n,), optional
        The training seed of the model of each row, if there are several: measures are averaged over trainings.
    references : array_like, shape (n,), or sequence of n sequences, optional
        References that are shared between clusters, one name per row or several.
    confidence_level : float, default 0.95
        Share of repetitions in which each interval covers the true value, between 0 and 1.

    Returns
    -------
    OperatingPoint
        Each measure of both arms with its interval, and their difference (sensitivity, specificity) or ratio (the others).

    Raises
    ------
    InputError
        When inputs do not fit, or there is one class or one cluster only. A measure without value has a reason instead.

    Notes
    -----
    Sensitivities are compared on the positive items, specificities on the negative ones: independent items by McNemar's mid-p and Tango's
    interval, others by the cluster jackknife and t. Ratios are compared on the logarithm, where each row contributes

    .. math:: \log \mathrm{PPV}:\ \frac{T_i (D_i - \mathrm{PPV})}{\mathrm{TP}}, \qquad
              \log \mathrm{LR}_+:\ \frac{D_i (T_i - \mathrm{Se})}{P\, \mathrm{Se}}
              - \frac{(1 - D_i)(T_i - 1 + \mathrm{Sp})}{N (1 - \mathrm{Sp})}

    with T the test's result and D the truth; the arms' contributions are subtracted, and the variance of the sum allows for clusters,
    references and trainings (`Factors.estimate`). With independent items this is, up to n / (n - 1), the variance of Moskowitz and Pepe
    for relative predictive values, and of Simel for one likelihood ratio. A ratio whose numerator or denominator comes from fewer than 5
    clusters has no interval. Predictive values are for the prevalence of these items.

    References
    ----------
    Moskowitz and Pepe (2006), Clinical Trials 3:272. Simel, Samsa and Matchar (1991), Journal of Clinical Epidemiology 44:763. Leisenring,
    Alonzo and Pepe (2000), Biometrics 56:345. Nofuentes and Luna del Castillo (2007), Statistics in Medicine 26:4179.

    Examples
    --------
    >>> labels = [1] * 60 + [0] * 60
    >>> a = [0.9] * 50 + [0.1] * 10 + [0.9] * 10 + [0.1] * 50
    >>> b = [0.9] * 40 + [0.1] * 20 + [0.1] * 45 + [0.9] * 15
    >>> found = measures_at_threshold(a, b, labels)
    >>> round(found.sensitivity.estimate, 3), round(found.positive_likelihood_ratio.estimate, 3)
    (0.167, 1.875)
    """
    clusters, cut = clusters_and_number(clusters, threshold)
    data = _data((scores_a, scores_b), labels, factors_of=(clusters, seeds, references), level=confidence_level)
    return at_threshold(data, cut)


def at_threshold(data: PairedScores, threshold: float) -> OperatingPoint:
    """Compare two checked arms: `measures_at_threshold`."""
    if math.isnan(threshold):
        raise InputError("threshold: not a number")
    data.design.check_classes(data.labels)
    called = data.scores >= threshold
    found: dict[str, Any] = {name: _at_threshold(name, called, data) for name in MEASURES}
    return OperatingPoint(**found, prevalence=float(data.labels.mean()), at="threshold", value=threshold,
                          thresholds=(threshold, threshold), confidence_level=data.level)  # fmt: skip


def _data(
    scores: tuple[npt.ArrayLike, npt.ArrayLike],
    labels: npt.ArrayLike,
    factors_of: tuple[npt.ArrayLike | None, npt.ArrayLike | None, Memberships | None],
    level: float,
) -> PairedScores:
    a, b, flags = as_scores(scores[0], "scores_a"), as_scores(scores[1], "scores_b"), as_flags(labels)
    rows = same_length(scores_a=a, scores_b=b, labels=flags)
    if flags.all() or not flags.any():
        raise NotEstimable(f"one class only ({'no negative' if flags.all() else 'no positive'} items)")
    return PairedScores(np.stack([a, b]), flags, factors(rows, *factors_of), as_level(level))


def _at_threshold(name: str, called: Bools, data: PairedScores) -> PairedMeasure:
    positive, both = name in ("sensitivity", "ppv"), (data.labels, ~data.labels)
    if name in ("sensitivity", "specificity"):
        members = data.labels if positive else ~data.labels
        hits = called if positive else ~called
        return _difference(hits, members, data)
    if name in ("ppv", "npv"):
        hits, selected = (data.labels, called) if positive else (~data.labels, ~called)
        what = "true positive" if positive else "true negative"
        shares = [share(hits, row) for row in selected]
        merits = [logarithm(one, f"an arm has no {what} item") for one in shares]
        cells = [members & hits for members in selected] + [members & ~hits for members in selected]
        return _ratio(merits, cells, data, [_share_of(one, row, data) for one, row in zip(shares, selected, strict=True)])
    hits = called if name == "positive_likelihood_ratio" else ~called
    merits = [_log_likelihood_ratio(row, *both) for row in hits]
    found = _ratio(merits, [row & members for row in hits for members in both], data, None)
    a, b = (_likelihood_ratio(row, data) for row in hits)
    return replace(found, a=a, b=b)


def _log_likelihood_ratio(hits: Bools, positive: Bools, negative: Bools) -> Merit:
    """Share of hits among the positive items over that among the negative ones, as a logarithm."""
    parts = [
        logarithm(share(hits, members), f"an arm has no such {name} item")
        for members, name in ((positive, "positive"), (negative, "negative"))
    ]

    def merit(rows: Bools) -> Contributions:
        (upper, over, over_group), (lower, under, under_group) = parts[0](rows), parts[1](rows)
        return upper - lower, over - under, (*over_group, *under_group)

    return merit


def _likelihood_ratio(hits: Bools, data: PairedScores) -> float:
    """The ratio itself, over trainings its geometric mean; NaN if no negative item is hit."""
    shares = [[float(hits[rows & members].mean()) for members in (data.labels, ~data.labels)] for rows in data.design.rows]
    if any(lower == 0 for _, lower in shares):
        return math.nan
    return math.prod(upper / lower for upper, lower in shares) ** (1 / len(shares))


def _share_of(merit: Merit, members: Bools, data: PairedScores) -> tuple[float, Interval | None, str]:
    """A share with its interval, or why there is none."""
    try:
        found = data.design.estimate(merit)
    except NotEstimable as error:
        return data.design.value(merit), None, str(error)
    clusters = data.design.clusters(members)
    if clusters < FEWEST_FOR_T:
        return found.value, None, f"only {clusters} clusters are in the denominator"
    items = float(members.sum()) / data.design.trainings
    return found.value, share_interval(found, clusters, items, data.design.independent, data.level), ""


def _difference(hits: Bools, members: Bools, data: PairedScores) -> PairedMeasure:
    """Compare two shares of the same members."""
    merits = [share(row, members) for row in hits]
    arms = [_share_of(merit, members, data) for merit in merits]
    (a, a_interval, reason), (b, b_interval, _) = arms
    estimate, clusters = a - b, data.design.clusters(members)
    if reason:
        return PairedMeasure(a, b, None, None, "difference", estimate, math.nan, None, math.nan, "", reason)
    if data.design.independent:
        n10, n01 = (int((one & ~other & members).sum()) for one, other in (hits, hits[::-1]))
        p, interval = mcnemar(n10, n01).mid_p, tango_interval(n10, n01, int(members.sum()), data.level)
        return PairedMeasure(a, b, a_interval, b_interval, "difference", estimate, math.nan, interval, p, "McNemar mid-p, Tango interval")
    found, test = data.design.estimate(minus(*merits)), "cluster jackknife, t"
    if found.se <= 1e-10 and abs(found.value) <= 1e-12:
        interval = tango_interval(0, 0, clusters, data.level)
        return PairedMeasure(a, b, a_interval, b_interval, "difference", 0.0, 0.0, interval, 1.0, f"Tango interval of {clusters} clusters")
    if found.se <= 1e-10:  # as in `clustered_difference`: all clusters agree, which may happen by chance if there are few
        se = bonett_price_standard_error(clusters * max(found.value, 0.0), clusters * max(-found.value, 0.0), clusters)
        found, test = replace(found, se=se), "each cluster counted as one item, t"
    low, high = found.interval(data.level)
    p = found.p
    return PairedMeasure(a, b, a_interval, b_interval, "difference", found.value, found.se, (max(-1.0, low), min(1.0, high)), p, test)


def _ratio(
    merits: list[Merit], cells: list[Bools], data: PairedScores, arms: list[tuple[float, Interval | None, str]] | None
) -> PairedMeasure:
    """Compare two measures by the logarithm of their ratio; without `arms` those are exponentials of the merits."""
    few = min(data.design.clusters(cell) for cell in cells)
    reason = f"clusters with an item of some cell of the tables: {few}; fewer than {FEWEST_OF_A_CELL} are too few for a ratio"
    reason = reason if few < FEWEST_OF_A_CELL else ""
    if arms is None:
        arms = [_exponential(merit, data, reason) for merit in merits]
    (a, a_interval, _), (b, b_interval, _) = arms
    estimate = math.exp(data.design.value(minus(*merits)))
    lacking = PairedMeasure(a, b, a_interval, b_interval, "ratio", estimate, math.nan, None, math.nan, "", reason)
    if reason:
        return lacking
    try:
        found = data.design.estimate(minus(*merits))
    except NotEstimable as error:
        return replace(lacking, reason=str(error))
    if found.se <= 1e-10:
        same = abs(found.value) <= 1e-12
        return replace(lacking, p=1.0 if same else math.nan, reason="no cluster tells the arms apart: the ratio shows no variation")
    low, high = found.interval(data.level)
    p = found.p
    return PairedMeasure(
        a, b, a_interval, b_interval, "ratio", estimate, found.se, (math.exp(low), math.exp(high)), p, "log ratio, cluster jackknife, t"
    )


def _exponential(merit: Merit, data: PairedScores, reason: str) -> tuple[float, Interval | None, str]:
    if reason:
        return math.nan, None, reason
    try:
        found = data.design.estimate(merit)
    except NotEstimable as error:
        return math.nan, None, str(error)
    low, high = found.interval(data.level)
    return math.exp(found.value), (math.exp(low), math.exp(high)), ""


def measures_at_specificity(
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    labels: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    specificity: float = 0.9,
    *,
    seeds: npt.ArrayLike | None = None,
    references: Memberships | None = None,
    confidence_level: float = 0.95,
    resamples: int = 2000,
    method: str = "bca",
    seed: int = 0,
) -> OperatingPoint:
    r"""Compare two arms at a given specificity of each, with thresholds estimated on these items.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Scores of both arms on the same rows; higher speaks for positive.
    labels : array_like of bool, shape (n,)
        Whether each item is positive (diseased).
    clusters : array_like, shape (n,), optional
        The cluster of each row, as in `measures_at_threshold`.
    specificity : float, default 0.9
        The smallest specificity, between 0 and 1; each arm gets the threshold with the highest sensitivity that has it. By position,
        clusters and specificity are accepted in either order.
    seeds, references : array_like, optional
        As in `measures_at_threshold`; with shared references there is no interval, since resamples of clusters do not vary them.
    confidence_level : float, default 0.95
        Share of repetitions in which each interval covers the true value, between 0 and 1.
    resamples : int, default 2000
        Number of bootstrap resamples of clusters.
    method : {'bca', 'percentile', 'basic'}
        Kind of bootstrap interval, if there is one training.
    seed : int, default 0
        Seed of the resamples; the same as in `paired_bootstrap`.

    Returns
    -------
    OperatingPoint
        As `measures_at_threshold`; without p if there is one training. The specificity is fixed and has no interval.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one class or one cluster only.

    Notes
    -----
    The threshold of each arm (and training) is estimated again in each resample of clusters, so its uncertainty is part of the intervals.
    A jackknife would be wrong: the threshold is a quantile, whose delete-one jackknife is inconsistent. Resamples keep the numbers of
    clusters of each class, and so nearly the prevalence. With several trainings, covariances over resamples replace those due
    to patients in `random_factors_contrast`, on the scale of the difference or of the logarithm of the ratio. Fewer than 20 clusters of
    a class: no intervals, as in `paired_bootstrap`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(200) % 2
    >>> scores = rng.normal(size=(2, 200)) + np.array([[2.0], [1.0]]) * labels
    >>> found = measures_at_specificity(*scores, labels, specificity=0.9, resamples=200)
    >>> found.sensitivity.interval[0] < found.sensitivity.estimate < found.sensitivity.interval[1]
    True
    """
    clusters, least = clusters_and_number(clusters, specificity)
    data = _data((scores_a, scores_b), labels, factors_of=(clusters, seeds, references), level=confidence_level)
    return at_specificity(data, least, resamples, method, seed)


def at_specificity(data: PairedScores, specificity: float, resamples: int, method: str, seed: int) -> OperatingPoint:
    """Compare two checked arms: `measures_at_specificity`."""
    if not 0 <= specificity <= 1:
        raise InputError(f"specificity: give a number between 0 and 1, not {specificity}")
    if (count := as_count(resamples, "resamples")) < 2:
        raise InputError(f"resamples: give at least 2, not {count}")
    if method not in METHODS:
        raise InputError(f"method: choose one of {', '.join(METHODS)}, not {method!r}")
    data.design.check_classes(data.labels)
    fewest = min(data.design.clusters(members) for members in (data.labels, ~data.labels))
    reason = "items share references, which resamples of clusters do not vary" if data.design.sets is not None else ""
    if fewest < FEWEST_OF_A_CLASS:
        reason = f"only {fewest} clusters have an item of the rarer class; with fewer than {FEWEST_OF_A_CLASS} resamples vary too little"
    point = _resample(data, specificity, 0, seed, bca=False)
    found = _formula("sensitivity", point.point).reshape(data.design.trainings, 2)
    if not reason and ((found == 0) | (found == 1)).all(axis=0).any():
        reason = "an arm's sensitivity is 0 or 1 there, which no resample changes"
    drawn = point if reason else _resample(data, specificity, count, seed, bca=method == "bca")
    measures = {name: _at_specificity(name, drawn, data, method, reason) for name in MEASURES}
    thresholds = tuple(float(np.mean([_threshold(data, arm, rows, specificity) for rows in data.design.rows])) for arm in (0, 1))
    return OperatingPoint(
        **measures, prevalence=float(data.labels.mean()), at="specificity", value=specificity, thresholds=thresholds,  # type: ignore[arg-type]
        confidence_level=data.level, note="thresholds are estimated on these items; intervals allow for it",
    )  # fmt: skip


@dataclass(frozen=True)
class _Resampled:
    """Counts at the operating point, (trainings, 2 arms, 4 counts, ...): observed, in resamples, and with clusters left out."""

    point: Floats
    resamples: Floats
    left_out: Floats
    strata: Codes


def _resample(data: PairedScores, specificity: float, resamples: int, seed: int, bca: bool) -> _Resampled:
    codes = data.design.codes
    samples = [
        [operating_counts(Sample(scores[rows], data.labels[rows], codes[rows], specificity=specificity)) for scores in data.scores]
        for rows in data.design.rows
    ]
    strata = resampling_strata(data.labels, codes)
    evaluate = lambda portions: np.concatenate(
        [np.array([[one(weights) for one in arms] for arms in samples]) for weights in portions], axis=-1
    )
    point = evaluate([np.ones((1, len(strata)))])
    if not resamples:
        return _Resampled(point, point, point, strata[:0])
    portions, rows = jackknife_weights(strata, len(codes), min(500, max(50, 50_000_000 // len(codes))))
    left_out = evaluate(portions) if bca and data.design.trainings == 1 else point
    return _Resampled(point, evaluate(cluster_weights(strata, len(codes), resamples, seed)), left_out, rows)


def _threshold(data: PairedScores, arm: int, rows: Bools, specificity: float) -> float:
    """The lowest score with at least the given specificity; infinite if no score has it."""
    scores, negative = data.scores[arm, rows], np.sort(data.scores[arm, rows & ~data.labels])
    found = np.unique(scores)
    false = len(negative) - np.searchsorted(negative, found, "left")
    allowed = found[false <= (1 - specificity) * len(negative) + 1e-9]
    return float(allowed[0]) if len(allowed) else math.inf


def _formula(name: str, counts: Floats) -> Floats:
    """A measure from its counts. Shapes: `counts` (..., 4, B); returns (..., B), NaN if it has no value."""
    tp, positives, fp, negatives = np.moveaxis(counts, -2, 0)
    fn, tn = positives - tp, negatives - fp
    if name in ("positive_likelihood_ratio", "negative_likelihood_ratio"):
        upper, lower = (tp, fp) if name == "positive_likelihood_ratio" else (fn, tn)
        return ratio(ratio(upper, positives), ratio(lower, negatives))
    upper, lower = {"sensitivity": (tp, fn), "specificity": (tn, fp), "ppv": (tp, fp), "npv": (tn, fn)}[name]
    return ratio(upper, upper + lower)


def _at_specificity(name: str, drawn: _Resampled, data: PairedScores, method: str, reason: str) -> PairedMeasure:
    kind = "difference" if name in ("sensitivity", "specificity") else "ratio"
    tables = [_formula(name, counts) for counts in (drawn.point, drawn.resamples, drawn.left_out)]
    a, b = (float(tables[0][:, arm].mean()) for arm in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):  # a ratio of 0 has no logarithm, which is checked below
        logs = [np.log(one) for one in tables]
        gaps = [one[:, 0] - one[:, 1] for one in (tables if kind == "difference" else logs)]
    estimate = float(gaps[0].mean())
    shown = estimate if kind == "difference" else float(np.exp(estimate))
    lacking = PairedMeasure(a, b, None, None, kind, shown if math.isfinite(shown) else math.nan, math.nan, None, math.nan, "", reason)
    if name == "specificity":
        return replace(lacking, test=HELD)
    defined: Bools = np.asarray(np.isfinite(gaps[1]).all(axis=0))
    if not reason and (not math.isfinite(estimate) or defined.mean() < LEAST_DEFINED):
        reason = "an arm has no item of some cell of its table at this specificity, or in too many resamples"
    if not reason and np.ptp(gaps[1][:, defined], axis=1).max() <= 1e-12:
        reason = "every resample gives the same value, so its uncertainty cannot be estimated"
    if reason:
        return replace(lacking, reason=reason)
    of = lambda series: _resampled_interval(series[0], series[1], series[2], defined, drawn.strata, data, method)
    scale, back = (logs, np.exp) if name.endswith("ratio") else (tables, lambda ends: np.clip(ends, 0, 1))
    around = [tuple(back(of([one[:, arm] for one in scale])[1]).tolist()) for arm in (0, 1)]
    found, (low, high) = of(gaps)
    interval = (max(-1.0, low), min(1.0, high)) if kind == "difference" else (math.exp(low), math.exp(high))
    if data.design.trainings == 1:
        return replace(lacking, a_interval=around[0], b_interval=around[1], se=found.se, interval=interval,
                       test=f"bootstrap of clusters ({method}, {drawn.resamples.shape[-1]})")  # fmt: skip
    p = found.p
    return replace(lacking, a_interval=around[0], b_interval=around[1], se=found.se, interval=interval, p=p, test=BETWEEN)


def _resampled_interval(
    point: Floats, values: Floats, left_out: Floats, defined: Bools, strata: Codes, data: PairedScores, method: str
) -> tuple[Estimated, Interval]:
    """Interval from resamples. Shapes: `point` (S, 1), `values` (S, B), `left_out` (S, rows), `defined` (B,), `strata` (rows,)."""
    kept = values[:, defined]
    if len(point) == 1:
        known = np.isfinite(left_out[0])
        skew = acceleration(left_out[0, known], strata[known]) if method == "bca" else 0.0
        interval, _ = bootstrap_interval(kept[0], float(point[0, 0]), method, data.level, skew)
        return Estimated(float(point[0, 0]), float(kept[0].std(ddof=1)), math.inf), interval
    covariance, count = np.cov(kept), len(point)
    own = float(np.trace(covariance)) / count
    shared = float(covariance.sum() - np.trace(covariance)) / (count * (count - 1))
    fewest = min(data.design.clusters(members) for members in (data.labels, ~data.labels))
    found = replace(over_trainings(point[:, 0], own, shared, fewest - 1.0), verdict=data.design.verdict)
    return found, found.interval(data.level)
