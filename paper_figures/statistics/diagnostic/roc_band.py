"""ROC curves with simultaneous confidence bands from resamples of clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.bootstrap.cluster_weights import cluster_weights, resampling_strata
from paper_figures.statistics.bootstrap.paired import FEWEST_OF_A_CLASS
from paper_figures.statistics.diagnostic.factors import Memberships, factors
from paper_figures.statistics.diagnostic.partial_area import roc_points
from paper_figures.statistics.result import Result
from paper_figures.statistics.roc.delong import curves_and_labels
from paper_figures.statistics.validation import Bools, Codes, Floats, as_count, as_level
from see_in_pairs.errors import InputError

STEPS = 200
"""Places along the descending diagonals at which curve and band are known."""


@dataclass(frozen=True, repr=False)
class RocBands(Result):
    """ROC curves of L arms, each with a simultaneous confidence band.

    Shapes: `fpr`, `tpr`, `lower_fpr`, `lower_tpr`, `upper_fpr`, `upper_tpr` (L, G); `half_width`, `half_width_mcse` (L,).
    """

    fpr: Floats  # of the curve
    tpr: Floats
    lower_fpr: Floats  # the band's lower edge; NaN if there is no band
    lower_tpr: Floats
    upper_fpr: Floats
    upper_tpr: Floats
    half_width: Floats  # of the band, in TPR - FPR; NaN if there is none
    half_width_mcse: Floats  # its Monte Carlo standard error
    confidence_level: float
    resamples: int
    seed: int
    reason: str = ""  # why there is no band; '' if there is one


def roc_bands(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    seeds: npt.ArrayLike | None = None,
    references: Memberships | None = None,
    confidence_level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> RocBands:
    r"""Draw ROC curves with bands that cover the whole true curve with the given probability.

    Parameters
    ----------
    scores : array_like, shape (n,) or (L, n)
        Scores of one or L arms; higher speaks for positive.
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    clusters : array_like, shape (n,), optional
        The cluster of each row, for example its patient; by default each row is its own cluster.
    seeds : array_like, shape (n,), optional
        The training seed of the model of each row: curves are averaged over trainings, and the band is for *these* trainings.
    references : array_like, shape (n,), or sequence of n sequences, optional
        References that are shared between clusters; with them there is no band, since resamples of clusters do not vary them.
    confidence_level : float, default 0.95
        Share of repetitions in which a band contains the whole true curve, between 0 and 1.
    resamples : int, default 2000
        Number of bootstrap resamples of clusters.
    seed : int, default 0
        Seed of the resamples.

    Returns
    -------
    RocBands
        Each curve and the two edges of its band, along G places.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one class or one cluster only.

    Notes
    -----
    With u = (FPR + TPR) / 2 and v = TPR - FPR, every ROC curve is a function v(u) on [0, 1] with a slope within ±2, however steep it
    is: a band around it has no infinite slopes (as a band along TPR has) and needs no choice of thresholds.

    1. Curves of the trainings are averaged at each u.
    2. In each resample of clusters (positive, negative and mixed ones each among themselves) the largest :math:`|v^*(u) - \hat v(u)|`
       over u is found.
    3. Their quantile, plus one step of the curve, 1 over the clusters of the rarer class, is h; the band is :math:`\hat v(u) \pm h`,
       cut where no ROC curve can be, :math:`|v| \le 2 \min(u, 1-u)`.

    A fixed-width band in the sense of Macskassy and Provost, with its width from the bootstrap of the supremum (Kolmogorov's statistic),
    whose bootstrap is consistent. Without the step (our choice), bands of 20 to 50 clusters of a class at an AUROC of .98 contain the
    curve with probability .87 to .92; with it, .97 and more. Fewer than 20 clusters of a class, perfect separation, or
    scores that are all alike: no band.

    References
    ----------
    Campbell (1994), Statistics in Medicine 13:499 (Kolmogorov-type bands). Macskassy and Provost (2004), Proceedings of the First Workshop
    on ROC Analysis in AI, 61 (fixed-width bands). Efron and Tibshirani (1993), An Introduction to the Bootstrap.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(200) % 2
    >>> found = roc_bands(rng.normal(size=200) + 1.5 * labels, labels, resamples=200)
    >>> found.fpr.shape, bool((found.lower_tpr <= found.tpr).all())
    ((1, 201), True)
    """
    curves, flags = curves_and_labels(scores, labels)
    design, level = factors(len(flags), clusters, seeds, references), as_level(confidence_level)
    if (count := as_count(resamples, "resamples")) < 2:
        raise InputError(f"resamples: give at least 2, not {count}")
    rows_of = design.rows
    design.check_classes(flags)
    grid = np.linspace(0, 1, STEPS + 1)
    heights = [[_height_of(row[rows], flags[rows], design.codes[rows], grid) for rows in rows_of] for row in curves]
    strata = resampling_strata(flags, design.codes)
    mean = lambda weights: np.array([np.mean([one(weights) for one in arm], axis=0) for arm in heights])  # (L, B, G)
    centre = mean(np.ones((1, len(strata))))[:, 0]
    fewest = min(design.clusters(members) for members in (flags, ~flags))
    reason, half, error = "", np.full(len(curves), np.nan), np.full(len(curves), np.nan)
    if design.sets is not None:
        reason = "items share references, which resamples of clusters do not vary"
    elif fewest < FEWEST_OF_A_CLASS:
        reason = f"only {fewest} clusters have an item of the rarer class; with fewer than {FEWEST_OF_A_CLASS} a band is too narrow"
    else:
        drawn = cluster_weights(strata, len(flags), count, seed)
        farthest = np.concatenate([np.abs(mean(weights) - centre[:, None]).max(axis=2) for weights in drawn], axis=1)  # (L, B)
        half, error = np.quantile(farthest, level, axis=1), _quantile_error(farthest, level)
        if (half <= 1e-12).any():
            reason = "no resample moves an arm's curve: its scores separate the classes perfectly, or are all alike"
            half = np.where(half <= 1e-12, np.nan, half)
        half = half + 1 / fewest
    most = 2 * np.minimum(grid, 1 - grid)
    lower, upper = (np.clip(centre + sign * half[:, None], -most, most) for sign in (-1, 1))
    (x, y), (low_x, low_y), (up_x, up_y) = ((grid - v / 2, grid + v / 2) for v in (centre, lower, upper))
    return RocBands(x, y, low_x, low_y, up_x, up_y, half, error, level, count, seed, reason)


def _height_of(scores: Floats, labels: Bools, codes: Codes, grid: Floats) -> Callable[[Floats], Floats]:
    """Prepare v(u) of weighted resamples: from weights of clusters, (B, K), to (B, G)."""
    _, _, group = roc_points(scores, labels)
    order = np.argsort(group, kind="stable")
    last = np.flatnonzero(np.append(np.diff(group[order]) > 0, True))
    columns, positive = codes[order], labels[order].astype(np.float64)

    def evaluate(weights: Floats) -> Floats:
        gathered = weights[:, columns]
        tpr = np.cumsum(gathered * positive, axis=1)[:, last]
        fpr = np.cumsum(gathered, axis=1)[:, last] - tpr
        with np.errstate(invalid="ignore"):  # a resample without one class has no curve; with enough clusters this does not happen
            tpr, fpr = tpr / tpr[:, -1:], fpr / fpr[:, -1:]
        first = np.zeros(1)
        return np.stack([
            np.interp(grid, np.append(first, (y + x) / 2), np.append(first, y - x)) for x, y in zip(fpr, tpr, strict=True)
        ])  # fmt: skip

    return evaluate


def _quantile_error(values: Floats, level: float) -> Floats:
    """Monte Carlo standard error of a quantile of each row, as in `bootstrap_interval`."""
    step = np.sqrt(level * (1 - level) / values.shape[1])
    low, high = np.quantile(values, [max(level - step, 0.0), min(level + step, 1.0)], axis=1)
    errors: Floats = (high - low) / 2
    return errors
