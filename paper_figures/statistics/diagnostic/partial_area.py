"""The partial area under the ROC curve over a range of specificity or sensitivity, of two arms on the same items."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.statistics.arms import arms_apart
from paper_figures.statistics.diagnostic.factors import Contributions, Estimated, Factors, Memberships, Merit, PairedMeasure, factors, minus
from paper_figures.statistics.distributions import student_quantile
from paper_figures.statistics.metrics._sample import ratio
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.delong import curves_and_labels
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_level
from see_in_pairs.errors import InputError

FEWEST_IN_RANGE = 5
"""With fewer clusters of a class (times the width of the range, for the class that it cuts) there is no interval."""


@dataclass(frozen=True, repr=False)
class PartialAurocResult(Result):
    """Partial areas under the ROC curve of two arms."""

    area: PairedMeasure  # the partial area itself, at most high - low
    standardised: PairedMeasure  # McClish's: .5 at chance, 1 at best
    over: str  # 'specificity' or 'sensitivity'
    low: float  # of the range
    high: float
    confidence_level: float


@arms_apart(3)
def partial_auroc(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    low: float = 0.8,
    high: float = 1.0,
    *,
    over: str = "specificity",
    seeds: npt.ArrayLike | None = None,
    references: Memberships | None = None,
    confidence_level: float = 0.95,
) -> PartialAurocResult:
    r"""Compare two partial areas under the ROC curve, over a range of specificity or of sensitivity.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Scores of arms A and B on the same items; higher speaks for positive. Both may come in one argument, `scores`, shape (2, n).
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    clusters : array_like, shape (n,), optional
        The cluster of each row, for example its patient; by default each row is its own cluster.
    low, high : float, default 0.8 and 1
        The range, within [0, 1].
    over : {'specificity', 'sensitivity'}
        The rate that the range is of.
    seeds : array_like, shape (n,), optional
        The training seed of the model of each row, if there are several: areas are averaged over trainings.
    references : array_like, shape (n,), or sequence of n sequences, optional
        References that are shared between clusters, one name per row or several.
    confidence_level : float, default 0.95
        Share of repetitions in which each interval covers the true value, between 0 and 1.

    Returns
    -------
    PartialAurocResult
        The partial areas, plain and standardised, their difference (A minus B) with intervals and p-value.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one class or one cluster only.

    Notes
    -----
    The area is under the empirical curve, with straight lines through ties, between the false positive rates
    :math:`t_0 = 1 - \mathrm{high}` and :math:`t_1 = 1 - \mathrm{low}`. With R the curve and :math:`u_i` the share of negative items that
    score at least as high as item i (ties one half), an item contributes, beyond the mean over its class,

    .. math:: \frac{1}{m} \int_{t_0}^{t_1} 1[u_i \le t]\, dt \quad \text{(positive)}, \qquad
              -\frac{1}{n} [R(t_1) - R(\operatorname{clip}(u_j, t_0, t_1))] \quad \text{(negative)},

    which is the influence function of the area, and over all of [0, 1] DeLong's placement. Their sums over clusters give the variance of
    `clustered_auroc_difference` (or, with references and trainings, of `Factors.estimate`), against t. Over sensitivity, the classes and
    the sign of the scores are exchanged. McClish's standardised area is :math:`\frac12 [1 + (A - A_{\min}) / (A_{\max} - A_{\min})]` with
    :math:`A_{\min} = (t_1^2 - t_0^2) / 2` and :math:`A_{\max} = t_1 - t_0`. An area's own interval is made on the logit of
    :math:`A / A_{\max}`. Intervals need at least 5 clusters of each class, and that many within the range of the class that is cut.

    References
    ----------
    McClish (1989), Medical Decision Making 9:190. He and Escobar (2008), Statistics in Medicine 27:5291 (nonparametric variance).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(200) % 2
    >>> pair, single = rng.normal(size=(2, 200)) + np.array([[2.0], [1.0]]) * labels
    >>> found = partial_auroc(pair, single, labels, low=0.8, high=1)
    >>> found.standardised.a > found.standardised.b > 0.5, found.area.p < 0.05
    (True, True)
    """
    curves, flags = curves_and_labels(scores, labels)
    if len(curves) != 2:
        raise InputError(f"scores: give two arms, not {len(curves)}")
    return compare_partial_areas(
        curves, flags, factors(len(flags), clusters, seeds, references), (low, high), over, as_level(confidence_level)
    )


def compare_partial_areas(curves: Floats, flags: Bools, design: Factors, limits: Interval, over: str, level: float) -> PartialAurocResult:
    """Compare the partial areas of two checked curves: `partial_auroc`. Shapes: `curves` (2, n), `flags` (n,)."""
    low, high = limits
    if over not in ("specificity", "sensitivity"):
        raise InputError(f"over: choose specificity or sensitivity, not {over!r}")
    if not 0 <= low < high <= 1:
        raise InputError(f"low and high: give a range within [0, 1], not {low} to {high}")
    design.check_classes(flags)
    if over == "sensitivity":
        curves, flags = -curves, ~flags
    merits = [partial_area(row, flags, 1 - high, 1 - low) for row in curves]
    area = _compare(merits, design, level, high - low, _too_few(design, flags, high - low))
    return PartialAurocResult(area, _standardised(area, 1 - high, 1 - low), over, low, high, level)


def partial_area(scores: Floats, labels: Bools, start: float, stop: float) -> Merit:
    """Prepare the area between two false positive rates. Shapes: `scores` (n,), `labels` (n,)."""

    def merit(rows: Bools) -> Contributions:
        values, positive = scores[rows], labels[rows]
        fpr, tpr, group = roc_points(values, positive)
        integral = _integral(fpr, tpr)
        area = float(integral(np.array([stop]))[0] - integral(np.array([start]))[0])
        parts = np.where(
            positive,
            (_positive_parts(fpr, start, stop)[group] - area) / positive.sum(),
            _negative_parts(fpr, tpr, start, stop)[group] / (~positive).sum(),
        )
        return area, parts, (positive, ~positive)

    return merit


def roc_points(scores: Floats, labels: Bools) -> tuple[Floats, Floats, Codes]:
    """Corners of the empirical ROC curve from (0, 0) to (1, 1), and the segment of each item.

    Shapes: `scores` (n,), `labels` (n,). Returns the false and true positive rates (G + 1,) of G distinct scores, and (n,) segments: the
    items of segment g move the curve from corner g to corner g + 1.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.append(True, ordered[1:] != ordered[:-1])
    group = np.empty(len(scores), dtype=np.intp)
    group[order] = np.cumsum(starts) - 1
    positives, negatives = (np.bincount(group, members).cumsum() for members in (labels, ~labels))
    return np.append(0.0, negatives / negatives[-1]), np.append(0.0, positives / positives[-1]), group


def _integral(fpr: Floats, tpr: Floats) -> Callable[[Floats], Floats]:
    """The area under a curve of straight lines, from 0 to t."""
    widths = np.diff(fpr)
    areas = np.append(0.0, np.cumsum(widths * (tpr[1:] + tpr[:-1]) / 2))
    slopes = np.append(ratio(np.diff(tpr), widths), 0.0)

    def to(t: Floats) -> Floats:
        corner = np.searchsorted(fpr, t, "right") - 1
        beyond = t - fpr[corner]
        steps: Floats = areas[corner] + tpr[corner] * beyond + np.where(beyond > 0, slopes[corner], 0.0) * beyond**2 / 2
        return steps

    return to


def _positive_parts(fpr: Floats, start: float, stop: float) -> Floats:
    """Contribution of a positive item of each segment to the area: from its false positive rate on; tied items rise along the segment."""
    low, width = fpr[:-1], np.diff(fpr)
    rise = lambda t: np.where(t >= fpr[1:], t - low - width / 2, np.clip(t - low, 0, None) ** 2 / (2 * np.maximum(width, 1e-300)))
    parts: Floats = rise(stop) - rise(start)
    return parts


def _negative_parts(fpr: Floats, tpr: Floats, start: float, stop: float) -> Floats:
    """Contribution of a negative item of each segment beyond the mean: the curve's height at the item, constant outside the range."""
    area = _integral(fpr, tpr)
    # at a vertical step, the start of the range uses the curve's top, and the end its foot
    first = _height(fpr, tpr, start, "right")
    last = _height(fpr, tpr, stop, "left")
    upto = lambda t: (
        first * np.minimum(t, start) + area(np.clip(t, start, stop)) - area(np.array([start])) + last * np.clip(t - stop, 0, None)
    )
    ends = upto(fpr)
    parts: Floats = np.where(np.diff(fpr) > 0, ratio(np.diff(ends), np.diff(fpr)), 0.0) - ends[-1]
    return parts


def _height(fpr: Floats, tpr: Floats, t: float, side: Literal["left", "right"]) -> float:
    """Height of the curve at t; at a vertical step its top ('right') or foot ('left')."""
    at = int(np.searchsorted(fpr, t, side))
    if side == "right":  # the last corner at or before t
        before, after = at - 1, min(at, len(fpr) - 1)
    else:  # the first corner at or after t
        before, after = max(at - 1, 0), at
    width = fpr[after] - fpr[before]
    if width <= 0:
        return float(tpr[before] if side == "right" else tpr[after])
    return float(tpr[before] + (tpr[after] - tpr[before]) * (t - fpr[before]) / width)


def _too_few(design: Factors, cut: Bools, width: float) -> str:
    """Why there is no interval: too few clusters of a class, or within the range of the class that it cuts (the negative of `cut`)."""
    whole, within = design.clusters(cut), design.clusters(~cut) * width
    if min(whole, within) >= FEWEST_IN_RANGE:
        return ""
    return f"{whole} clusters of one class, and {within:.3g} of the other within the range; fewer than {FEWEST_IN_RANGE} are too few"


def _compare(merits: list[Merit], design: Factors, level: float, most: float, reason: str) -> PairedMeasure:
    a, b = (design.value(merit) for merit in merits)
    lacking = PairedMeasure(a, b, None, None, "difference", a - b, math.nan, None, math.nan, "", reason)
    if reason:
        return lacking
    try:
        arms, found = [design.estimate(merit) for merit in merits], design.estimate(minus(*merits))
    except NotEstimable as error:
        return replace(lacking, reason=str(error))
    around = [_own_interval(arm, most, level) for arm in arms]
    lacking = replace(lacking, a_interval=around[0], b_interval=around[1])
    if found.se <= 1e-10:
        same = abs(found.value) <= 1e-12
        return replace(lacking, p=1.0 if same else math.nan, reason="no cluster tells the arms apart: the difference shows no variation")
    low, high = found.interval(level)
    p = found.p
    return replace(lacking, se=found.se, interval=(max(-most, low), min(most, high)), p=p, test="cluster jackknife, t")


def _own_interval(found: Estimated, most: float, level: float) -> Interval | None:
    """Interval of one area, on the logit of its share of the maximum; None at 0 and at the maximum, where nothing varies."""
    part = found.value / most
    if not 0 < part < 1 or found.se <= 1e-10:
        return None
    half = student_quantile(level, found.df) * found.se / (most * part * (1 - part))
    return tuple(most * float(special.expit(special.logit(part) + step)) for step in (-half, half))  # type: ignore[return-value]


def _standardised(area: PairedMeasure, start: float, stop: float) -> PairedMeasure:
    """McClish's transformation, which is linear."""
    least, most = (stop**2 - start**2) / 2, stop - start
    scale = 0.5 / (most - least)
    value = lambda one: 0.5 + (one - least) * scale
    ends = lambda interval: None if interval is None else tuple(value(end) for end in interval)
    return replace(
        area, a=value(area.a), b=value(area.b), a_interval=ends(area.a_interval), b_interval=ends(area.b_interval),
        estimate=area.estimate * scale, se=area.se * scale,
        interval=None if area.interval is None else (area.interval[0] * scale, area.interval[1] * scale),
    )  # fmt: skip
