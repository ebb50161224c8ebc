"""The leak s of T13: the share of the query's signal that its references carry, from areas under the ROC curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.statistics.distributions import student_quantile
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.clustered_delong import clustered_delong
from paper_figures.statistics.roc.delong import curves_and_labels
from paper_figures.statistics.roc.intervals import mann_whitney_interval
from paper_figures.statistics.validation import Floats, NotEstimable, as_level, cluster_codes

UNBOUNDED = "the query alone is not shown to tell the class, so nothing bounds the share of its signal that references carry"
CONSTANT = "the reference alone has the same score for all queries, so the variation of its area is unknown"


@dataclass(frozen=True, repr=False)
class LeakResult(Result):
    """The leak, with the two areas it follows from."""

    estimate: float  # share of the query's signal that the references carry; 0 if they carry nothing
    interval: Interval  # infinite where `reason` says why
    df: float  # degrees of freedom of the t distribution behind the intervals
    auc_single: float  # of the query alone, averaged over trainings
    auc_single_interval: Interval
    auc_reference: float  # of the references alone, averaged over trainings
    auc_reference_interval: Interval
    trainings: tuple[int, int]  # of the single arm, of the references alone
    clusters: int
    confidence_level: float
    reason: str = ""  # why the interval has no ends; '' if it has


def leak_of(auc_single: npt.ArrayLike, auc_reference: npt.ArrayLike) -> Floats:
    r"""Compute the leak from areas of any shape, for example those of all resamples: :math:`\Phi^{-1}(A_r)/\Phi^{-1}(A_q)` (T13.5).

    NaN if the query alone predicts nothing (.5), or either area is 0 or 1. `estimate_leak` gives it with its interval.

    Examples
    --------
    >>> leak_of([0.829, 0.8, 0.5], [0.683, 0.5, 0.6]).round(3)
    array([0.501, 0.   ,   nan])
    """
    single, reference = (special.ndtri(np.asarray(area, dtype=np.float64)) for area in (auc_single, auc_reference))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.asarray(reference / single)
    return np.where(np.isfinite(single) & np.isfinite(reference) & np.isfinite(found), found, np.nan)


def estimate_leak(
    single: npt.ArrayLike,
    reference: npt.ArrayLike,
    labels: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> LeakResult:
    r"""Estimate how much of the query's signal its references carry, from the scores of the query alone and of the reference alone.

    Parameters
    ----------
    single : array_like, shape (n,) or (S, n)
        Scores of the query alone (arm ``single``), of one training or of S; higher speaks for positive.
    reference : array_like, shape (n,) or (T, n)
        Scores of the reference alone (arm ``reference_only``) for the same queries, of one training or of T.
    labels : array_like of bool, shape (n,)
        Whether each query is positive.
    clusters : array_like, shape (n,), optional
        The cluster of each query, for example its patient; by default each query is its own cluster.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    LeakResult
        The leak with its interval, and both areas with theirs.

    Raises
    ------
    InputError
        When inputs do not fit, a class has fewer than two clusters, or an area is .5 (query) or 0 or 1 (either).

    Notes
    -----
    With scores that are normal with equal variances within class, :math:`\Phi^{-1}(A)=D/\sqrt2`, and a reference that carries the share s
    of the query's shift has :math:`D_r=sD_q`, so that :math:`s=r/q` with :math:`r=\Phi^{-1}(A_r)`, :math:`q=\Phi^{-1}(A_q)` (T13.5): both
    areas must come from observers of equal skill. An average over trainings is the area of an average training.

    The interval is Fieller's for a ratio: all s with :math:`(r-sq)^2\le t^2(v_{rr}-2sv_{rq}+s^2v_{qq})`. The covariance is that of
    `clustered_delong` for the averaged areas, plus the variance between trainings over their number, brought to the probit scale by the
    delta method; t has Satterthwaite's degrees of freedom over these parts. If q is not significantly different from 0, that set has no
    ends, and there is no interval. There is also none if the reference alone has the same score for all queries.

    References
    ----------
    Fieller (1954), Journal of the Royal Statistical Society B 16:175.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(400) < 200
    >>> found = estimate_leak(rng.standard_normal(400) + 1.3 * labels, rng.standard_normal(400) + 0.6 * labels, labels)
    >>> found.interval[0] < 0.6 / 1.3 < found.interval[1]
    True
    """
    alone, flags = curves_and_labels(single, labels, "single")
    groups = alone, curves_and_labels(reference, labels, "reference")[0]
    trainings = len(groups[0]), len(groups[1])
    codes, level = cluster_codes(clusters, len(flags)), as_level(confidence_level)
    found = clustered_delong(np.vstack(groups), flags, codes, level)
    rows = np.repeat([[1.0, 0.0], [0.0, 1.0]], trainings, axis=0) / np.repeat(trainings, trainings)[:, None]  # (S + T, 2)
    areas: Floats = rows.T @ found.auc
    if areas.min() <= 0 or areas.max() >= 1 or areas[0] == 0.5:
        raise NotEstimable(f"AUROC {areas[0]:.3f} of the query alone, {areas[1]:.3f} of the reference alone: no share follows from these")
    probits = special.ndtri(areas)
    slopes = math.sqrt(2 * math.pi) * np.exp(probits**2 / 2)
    between = np.zeros(2)
    for arm, areas_of in enumerate((found.auc[: trainings[0]], found.auc[trainings[0] :])):
        between[arm] = areas_of.var(ddof=1) / len(areas_of) if len(areas_of) > 1 else 0.0
    items = slopes[:, None] * (rows.T @ found.covariance @ rows) * slopes
    trained = slopes**2 * between
    q, r = probits
    s = r / q
    contrast = np.array([-s, 1.0])
    units = found.units or (int(flags.sum()), int((~flags).sum()))
    parts = [(float(contrast @ items @ contrast), min(units) - 1)]
    parts += [(float(contrast[arm] ** 2 * trained[arm]), trainings[arm] - 1) for arm in (0, 1) if trainings[arm] > 1]
    total = sum(part for part, _ in parts)
    df = total**2 / sum(part**2 / freedom for part, freedom in parts if part > 0) if total > 0 else float(min(units) - 1)
    t = student_quantile(level, df)
    covariance = items + np.diag(trained)
    interval, reason = _fieller(float(q), float(r), covariance, t)
    if (np.ptp(groups[1], axis=1) == 0).all():  # the model has collapsed; it is not certain: Fieller's interval would be [0, 0]
        interval, reason = (-math.inf, math.inf), CONSTANT
    ends = []
    for arm in (0, 1):
        half = t * math.sqrt(max(float(covariance[arm, arm]), 0.0))
        around = (float(special.ndtr(probits[arm] - half)), float(special.ndtr(probits[arm] + half)))
        ends.append(around if half > 0 else mann_whitney_interval(float(areas[arm]), *units, level))
    return LeakResult(
        float(s), interval, float(df), float(areas[0]), ends[0], float(areas[1]), ends[1], trainings, len(np.unique(codes)), level, reason
    )  # fmt: skip


def _fieller(q: float, r: float, covariance: Floats, t: float) -> tuple[Interval, str]:
    """All ratios r/q that a t test does not reject, or why they have no bounds."""
    a = q**2 - t**2 * float(covariance[0, 0])
    b = q * r - t**2 * float(covariance[0, 1])
    c = r**2 - t**2 * float(covariance[1, 1])
    if a <= 0:
        return (-math.inf, math.inf), UNBOUNDED
    root = math.sqrt(max(b**2 - a * c, 0.0))
    return ((b - root) / a, (b + root) / a), ""
