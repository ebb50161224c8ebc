"""Net benefit of two arms over a range of threshold probabilities: decision curve analysis with paired intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.diagnostic.factors import Contributions, Factors, Memberships, Merit, factors
from paper_figures.statistics.result import Result
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_Z, class_clusters
from paper_figures.statistics.validation import Bools, Floats, NotEstimable, as_flags, as_level, as_scores, same_length
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Default threshold probabilities: .05 to .95."""

FEWEST_CALLED = 5
"""With fewer clusters that count (with an item called positive; for a difference called by one of the two) there is no interval."""

CURVES = ("a", "b", "difference", "treat_all", "a_minus_treat_all", "b_minus_treat_all")


@dataclass(frozen=True, repr=False)
class NetBenefitResult(Result):
    """Net benefit at T threshold probabilities.

    Shapes: every array (T,). Treating nobody has net benefit 0.
    """

    thresholds: Floats
    a: Floats
    b: Floats
    difference: Floats  # a - b
    treat_all: Floats
    a_minus_treat_all: Floats
    b_minus_treat_all: Floats
    low: dict[str, Floats]  # lower ends of pointwise intervals, by the name of the curve; NaN if there is none
    high: dict[str, Floats]
    prevalence: float
    confidence_level: float
    reason: str = ""  # why there are no intervals; '' if there are

    def to_frame(self) -> pd.DataFrame:
        """One row per threshold: ``threshold``, and each curve with its ``_low`` and ``_high``."""
        import pandas as pd

        columns = {"threshold": self.thresholds}
        for name in CURVES:
            columns |= {name: getattr(self, name), f"{name}_low": self.low[name], f"{name}_high": self.high[name]}
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON: a list of rows under ``curve``, a curve's value beside its interval."""
        interval = lambda name, row: None if np.isnan(self.low[name][row]) else [float(self.low[name][row]), float(self.high[name][row])]
        curve = [
            {"threshold": float(threshold), "treat_none": 0.0}
            | {name: {"net_benefit": float(getattr(self, name)[row]), "interval": interval(name, row)} for name in CURVES}
            for row, threshold in enumerate(self.thresholds)
        ]
        return {"prevalence": self.prevalence, "confidence_level": self.confidence_level, "curve": curve}


def net_benefit(
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    labels: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    *,
    seeds: npt.ArrayLike | None = None,
    references: Memberships | None = None,
    confidence_level: float = 0.95,
) -> NetBenefitResult:
    r"""Compare the net benefit of acting on two arms' probabilities over a range of threshold probabilities.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Probabilities of disease by both arms, within [0, 1].
    labels : array_like of bool, shape (n,)
        Whether each item is positive (diseased).
    clusters : array_like, shape (n,), optional
        The cluster of each row, for example its patient; by default each row is its own cluster.
    thresholds : sequence of float
        Threshold probabilities, between 0 and 1: at t, a false positive costs t / (1 - t) times the value of a true positive.
    seeds : array_like, shape (n,), optional
        The training seed of the model of each row, if there are several: net benefits are averaged over trainings.
    references : array_like, shape (n,), or sequence of n sequences, optional
        References that are shared between clusters, one name per row or several.
    confidence_level : float, default 0.95
        Share of repetitions in which each interval covers the true value, between 0 and 1; pointwise, not of the whole curve.

    Returns
    -------
    NetBenefitResult
        Net benefit of both arms, of treating all, and their differences, each with its interval.

    Raises
    ------
    InputError
        When inputs do not fit, scores are not probabilities, or there is one class or one cluster only.

    Notes
    -----
    :math:`\mathrm{NB}(t) = \mathrm{TP}/n - \frac{t}{1-t} \mathrm{FP}/n` is the mean over items of :math:`T_i [D_i - (1 - D_i) t / (1-t)]`,
    T being whether the score is at least t. So its variance is that of a mean over clustered items (the cluster jackknife, by t; with
    references and trainings `Factors.estimate`), and differences are paired. It is for the prevalence of these items, whose sampling is
    part of the intervals. Fewer than 15 clusters of a class, or 5 with an item that is called positive (for a difference: by one of the
    two): no interval.

    References
    ----------
    Vickers and Elkin (2006), Medical Decision Making 26:565. Sande et al. (2020), Statistics in Medicine 39:2980 (inference).

    Examples
    --------
    >>> found = net_benefit([0.9, 0.8, 0.2, 0.1], [0.9, 0.3, 0.6, 0.1], [1, 1, 0, 0], thresholds=[0.5])
    >>> found.a.tolist(), found.b.tolist(), found.treat_all.tolist()
    ([0.5], [0.0], [0.0])
    """
    a, b, flags = as_scores(scores_a, "scores_a"), as_scores(scores_b, "scores_b"), as_flags(labels)
    rows = same_length(scores_a=a, scores_b=b, labels=flags)
    design, level = factors(rows, clusters, seeds, references), as_level(confidence_level)
    return net_benefit_of(np.stack([a, b]), flags, design, thresholds, level)


def net_benefit_of(scores: Floats, labels: Bools, design: Factors, thresholds: Sequence[float], level: float) -> NetBenefitResult:
    """Compare the net benefit of two checked arms: `net_benefit`. Shapes: `scores` (2, n), `labels` (n,)."""
    if scores.min() < 0 or scores.max() > 1:
        raise NotEstimable("scores are outside [0, 1], so they are not probabilities, which net benefit needs")
    if labels.all() or not labels.any():
        raise NotEstimable(f"one class only ({'no negative' if labels.all() else 'no positive'} items)")
    at = np.asarray(thresholds, dtype=np.float64)
    if at.ndim != 1 or not at.size or not ((at > 0) & (at < 1)).all():
        raise InputError("thresholds: give probabilities between 0 and 1")
    few = class_clusters(labels, design.codes)
    reason = f"only {few} clusters have an item of the rarer class; fewer than {FEWEST_FOR_Z} are too few" if few < FEWEST_FOR_Z else ""
    curves = lambda shown: np.array([_at(threshold, scores, labels, design, shown) for threshold in at])  # (T, curves, 3)
    try:
        found = curves(None if reason else level)
    except NotEstimable as error:
        found, reason = curves(None), str(error)
    values, low, high = ({name: found[:, curve, part] for curve, name in enumerate(CURVES)} for part in range(3))
    return NetBenefitResult(at, **values, low=low, high=high, prevalence=float(labels.mean()), confidence_level=level, reason=reason)


def _at(threshold: float, scores: Floats, labels: Bools, design: Factors, level: float | None) -> list[list[float]]:
    """Value and interval of each curve at one threshold; without an interval if `level` is None or nothing varies."""
    worth, everyone = np.where(labels, 1.0, -threshold / (1 - threshold)), np.ones(len(labels), dtype=np.bool_)
    called = {"a": scores[0] >= threshold, "b": scores[1] >= threshold, "all": everyone}
    rows = []
    for first, second in (("a", ""), ("b", ""), ("a", "b"), ("all", ""), ("a", "all"), ("b", "all")):
        counted = called[first] ^ called[second] if second else called[first]
        merit = _mean(np.where(called[first], worth, 0.0) - (np.where(called[second], worth, 0.0) if second else 0.0))
        found = None if level is None or design.clusters(counted) < FEWEST_CALLED else design.estimate(merit)
        ends = (np.nan, np.nan) if found is None or level is None or found.se <= 1e-10 else found.interval(level)
        rows.append([design.value(merit) if found is None else found.value, *ends])
    return rows


def _mean(values: Floats) -> Merit:
    def merit(rows: Bools) -> Contributions:
        counted = values[rows]
        mean = float(counted.mean())
        return mean, (counted - mean) / len(counted), (np.ones(len(counted), dtype=np.bool_),)

    return merit
