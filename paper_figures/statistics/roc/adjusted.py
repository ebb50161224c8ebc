"""AUROC within sites and adjusted for covariates: how well scores tell diseased from otherwise similar healthy people."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult, student_result
from paper_figures.statistics.distributions import student_quantile
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.delong import curves_and_labels
from paper_figures.statistics.roc.intervals import mann_whitney_interval
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_codes, as_level, cluster_codes
from see_in_pairs.errors import InputError
from see_in_pairs.roc import placements

GROUPS = 400
"""Largest number of clusters, or groups of clusters, that are left out one at a time: each costs one evaluation of the areas."""

PER_COEFFICIENT = 5  # healthy items for each coefficient of the regression, at least
Statistic = Callable[[Bools], Floats]  # from the items that are kept to the areas, (L,)


@dataclass(frozen=True, repr=False)
class AdjustedAuroc(Result):
    """Areas of L curves on comparable items, with the effect of leaving out each cluster.

    Shapes: `auc` (L,), `shifts` (C, L), `strata` (C,).
    """

    auc: Floats
    shifts: Floats  # areas without each group of clusters, minus their mean over the stratum
    strata: Codes  # of each group: its clusters have positive items only, negative ones only, or both
    positives: int  # items that count
    negatives: int
    clusters: int
    left_out: Mapping[str, int]  # items that do not count, by reason
    confidence_level: float

    def contrast(
        self, weights: npt.ArrayLike, between: Sequence[tuple[float, int]] = (), level: float | None = None
    ) -> ClusteredDifferenceResult:
        r"""Estimate a weighted sum of the areas, with its t interval.

        Parameters
        ----------
        weights : array_like, shape (L,)
            The weight of each area.
        between : sequence of tuple of float and int
            Further variances, for example that between trainings over their number, each with its degrees of freedom.
        level : float, optional
            Confidence level; by default that of the result.

        Returns
        -------
        ClusteredDifferenceResult
            The sum with standard error, degrees of freedom, interval, and p of the hypothesis that it is 0.

        Notes
        -----
        The jackknife in strata: :math:`V=\sum_g\frac{C_g-1}{C_g}\sum_{c\in g}(\hat\theta_{(c)}-\bar\theta_g)^2`, with Satterthwaite's
        degrees of freedom over the strata (and the further variances).
        """
        w = np.asarray(weights, dtype=np.float64)
        moved = self.shifts @ w
        parts = list(between)
        for stratum in np.unique(self.strata):
            own = moved[self.strata == stratum]
            parts.append(((len(own) - 1) / len(own) * float(own @ own), len(own) - 1))
        total = sum(part for part, _ in parts)
        df = total**2 / sum(part**2 / freedom for part, freedom in parts if part > 0) if total > 1e-18 else float(len(self.strata) - 1)
        return student_result(float(w @ self.auc), math.sqrt(max(total, 0.0)), df, self.confidence_level if level is None else level)

    def interval(self, curve: int = 0) -> Interval:
        """Interval of one area, on the logit scale so that it stays within (0, 1)."""
        return self.area_interval(np.eye(len(self.auc))[curve])

    def area_interval(self, weights: npt.ArrayLike, between: Sequence[tuple[float, int]] = ()) -> Interval:
        """Interval of an average of areas, as `interval`; if nothing varies it is Newcombe's."""
        one = self.contrast(weights, between)
        if one.se <= 1e-9 or not 0 < one.estimate < 1:
            return mann_whitney_interval(min(max(one.estimate, 0.0), 1.0), self.positives, self.negatives, self.confidence_level)
        half = student_quantile(self.confidence_level, one.df) * one.se / (one.estimate * (1 - one.estimate))
        centre = special.logit(one.estimate)
        return float(special.expit(centre - half)), float(special.expit(centre + half))

    def difference(self, first: int = 0, second: int = 1) -> ClusteredDifferenceResult:
        """Compare two of the areas, first minus second."""
        contrast = np.zeros(len(self.auc))
        contrast[first], contrast[second] = 1, -1
        return self.contrast(contrast)


def within_stratum_auroc(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    strata: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> AdjustedAuroc:
    r"""Estimate areas over pairs of a positive and a negative item of the same stratum, for example a site.

    Parameters
    ----------
    scores : array_like, shape (n,) or (L, n)
        Scores of one or L curves; higher speaks for positive.
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    strata : array_like, shape (n,)
        The stratum of each item.
    clusters : array_like, shape (n,), optional
        The cluster of each item, for example its patient; each item is its own when left out.
    confidence_level : float, default 0.95
        Share of repetitions in which each interval covers the true value, between 0 and 1.

    Returns
    -------
    AdjustedAuroc
        The areas, with methods `interval`, `difference` and `contrast`; items of strata with one class are counted in `left_out`.

    Raises
    ------
    InputError
        When inputs do not fit, no stratum has both classes, or the strata with both have fewer than four clusters of a class.

    Notes
    -----
    The mean of the stratum-specific areas, each weighted by its pairs :math:`m_sn_s`: of all pairs of a diseased and a healthy person *of
    one site*, the share that is ranked correctly. A site's shift of all its scores, and its prevalence, cancel. The area over
    all pairs also includes pairs of different sites, which a score can tell apart by the site alone.

    Intervals are of the jackknife over clusters (`AdjustedAuroc.contrast`).

    References
    ----------
    Janes and Pepe (2008), American Journal of Epidemiology 168:89 (the area over strata of a covariate). Obuchowski (1997), Biometrics
    53:567 (clusters).

    Examples
    --------
    Two sites: the scores tell the site, and nothing within it.

    >>> scores, labels = [3, 4, 3, 4, 1, 2, 1, 2] * 2, [1, 1, 1, 0, 1, 0, 0, 0] * 2
    >>> site = ["a", "a", "a", "a", "b", "b", "b", "b"] * 2
    >>> found = within_stratum_auroc(scores, labels, site)
    >>> float(found.auc[0].round(3)), found.positives, found.negatives
    (0.167, 8, 8)
    """
    curves, flags, codes, level = _checked(scores, labels, clusters, confidence_level)
    names = as_codes(strata, len(flags), "strata")
    both = [stratum for stratum in range(int(names.max()) + 1) if 0 < flags[names == stratum].sum() < (names == stratum).sum()]
    if not both:
        raise NotEstimable("no stratum holds both classes: there is no pair within one")
    kept = np.isin(names, both)
    left = {"of a stratum that lacks a class": int((~kept).sum())}
    curves, flags, codes, names = curves[:, kept], flags[kept], codes[kept], names[kept]

    def areas(chosen: Bools) -> Floats:
        total, pairs = np.zeros(len(curves)), 0.0
        for stratum in both:
            members = chosen & (names == stratum)
            m, n = int((flags & members).sum()), int((~flags & members).sum())
            if m and n:
                total += placements(curves[:, members], flags[members])[:, flags[members]].sum(axis=1) * n
                pairs += m * n
        return total / pairs if pairs else np.full(len(curves), np.nan)

    return _jackknifed(areas, flags, codes, left, level)


def covariate_adjusted_auroc(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    covariates: Mapping[str, npt.ArrayLike],
    clusters: npt.ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> AdjustedAuroc:
    r"""Estimate covariate-adjusted areas: diseased people against healthy people with the same covariates.

    Parameters
    ----------
    scores : array_like, shape (n,) or (L, n)
        Scores of one or L curves; higher speaks for positive. Give log-odds rather than probabilities: the model below is linear.
    labels : array_like of bool, shape (n,)
        Whether each item is positive (diseased).
    covariates : mapping of str to array_like, shape (n,)
        Numbers (for example age; NaN if missing) enter linearly, names (for example sex or site) as levels.
    clusters : array_like, shape (n,), optional
        The cluster of each item, for example its patient; each item is its own when left out.
    confidence_level : float, default 0.95
        Share of repetitions in which each interval covers the true value, between 0 and 1.

    Returns
    -------
    AdjustedAuroc
        The areas, with methods `interval`, `difference` and `contrast`; items without a number, and items of levels that fewer than two
        healthy clusters have, are counted in `left_out`.

    Raises
    ------
    InputError
        When inputs do not fit, or too few healthy items remain for the regression, or fewer than four clusters of a class.

    Notes
    -----
    The area under the covariate-adjusted ROC curve (AROC) is the mean, over the diseased, of the placement of each among the healthy *of
    its covariates*. Among the healthy the score is taken to be :math:`Y=\beta^\top Z+\epsilon` with one distribution of
    :math:`\epsilon`, estimated by its empirical distribution (the semiparametric estimator of Janes and Pepe 2009): :math:`\beta` is
    fitted by least squares to the healthy, and the area is that of the residuals of all. It assumes that covariates shift the scores of the
    healthy linearly and without interactions, and do not change their spread. The area may differ between covariates; the estimate is
    its mean over the covariates of the diseased.

    A score that predicts the class only through the covariates has an area of .5. Intervals are of the jackknife over clusters, with the
    regression refitted each time.

    References
    ----------
    Janes and Pepe (2009), Biometrika 96:371. Pepe and Cai (2004), Biometrics 60:528 (placement values).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(600) < 300
    >>> age = 50 + 10 * (rng.standard_normal(600) + labels)
    >>> score = age / 10 + rng.standard_normal(600)
    >>> found = covariate_adjusted_auroc(score, labels, {"age": age})
    >>> found.interval()[0] < 0.5 < found.interval()[1]
    True
    """
    curves, flags, codes, level = _checked(scores, labels, clusters, confidence_level)
    if not covariates:
        raise InputError("covariates: give at least one")
    columns: list[Floats] = []
    levels: list[tuple[str, Codes]] = []
    usable, left = np.ones(len(flags), dtype=np.bool_), dict[str, int]()
    for name, values in covariates.items():
        given = np.asarray(values)
        if given.shape != flags.shape:
            raise InputError(f"covariates: {name} has {given.shape[:1]} values for {len(flags)} items")
        if given.dtype.kind in "fiub":
            numbers = given.astype(np.float64)
            missing = ~np.isfinite(numbers)
            left[f"without {name}"] = int((usable & missing).sum())
            usable &= ~missing
            columns.append(numbers)
        else:
            levels.append((name, as_codes(given, len(flags), name)))
    for _ in range(len(levels) + 1):  # leaving out a level of one column can make one of another rare
        for name, own in levels:
            for level_code in np.unique(own[usable]):
                members = usable & (own == level_code)
                if len(np.unique(codes[members & ~flags])) < 2:
                    label = f"of a {name} that fewer than two healthy clusters have"
                    left[label] = left.get(label, 0) + int(members.sum())
                    usable &= ~members
    curves, flags, codes = curves[:, usable], flags[usable], codes[usable]
    if not flags.size or flags.all() or not flags.any():
        lost = "; ".join(f"{count} {reason}" for reason, count in left.items() if count)
        raise NotEstimable(f"no pair of a diseased and a healthy item is left{f' (left out: {lost})' if lost else ''}")
    blocks = [np.ones((len(flags), 1))]
    for numbers in columns:
        centred = numbers[usable] - numbers[usable].mean()
        blocks += [centred[:, None] / centred.std()] if centred.std() > 0 else []
    for _, own in levels:
        known = np.unique(own[usable])
        blocks.append((own[usable][:, None] == known[1:]).astype(np.float64))
    design = np.hstack(blocks)
    healthy = int((~flags).sum())
    if healthy < PER_COEFFICIENT * design.shape[1]:
        raise NotEstimable(f"{healthy} healthy items for {design.shape[1]} coefficients: fewer than {PER_COEFFICIENT} for each")

    def areas(chosen: Bools) -> Floats:
        fitted = chosen & ~flags
        beta = np.linalg.lstsq(design[fitted], curves[:, fitted].T, rcond=None)[0]
        residuals = curves[:, chosen] - (design[chosen] @ beta).T
        own = flags[chosen]
        # ties of scores at equal covariates are ties of residuals, which rounding would break
        return np.asarray(placements(residuals.round(9), own)[:, own].mean(axis=1))

    return _jackknifed(areas, flags, codes, left, level)


def _checked(
    scores: npt.ArrayLike, labels: npt.ArrayLike, clusters: npt.ArrayLike | None, confidence_level: float
) -> tuple[Floats, Bools, Codes, float]:
    curves, flags = curves_and_labels(scores, labels)
    finite = np.isfinite(curves)
    if not finite.all():  # a failed item ranks last, beyond all others of its curve
        low, high = np.where(finite, curves, np.inf).min(axis=1), np.where(finite, curves, -np.inf).max(axis=1)
        reach = (1 + high - low)[:, None]
        curves = np.where(finite, curves, np.where(curves > 0, high[:, None] + reach, low[:, None] - reach))
        if not np.isfinite(curves).all():
            raise NotEstimable("a curve has no finite score")
    codes = cluster_codes(clusters, len(flags))
    return curves, flags, codes, as_level(confidence_level)


def _jackknifed(areas: Statistic, flags: Bools, codes: Codes, left: Mapping[str, int], level: float) -> AdjustedAuroc:
    """Leave out each cluster, or each group of clusters if there are many, within strata of clusters by the classes of their items."""
    clusters, where = np.unique(codes, return_inverse=True)
    kinds = 2 * (np.bincount(where, flags) > 0) + (np.bincount(where, ~flags) > 0)  # 1: negative only, 2: positive only, 3: both
    for name, own in (("positive", kinds >= 2), ("negative", kinds != 2)):
        if own.sum() < FEWEST_FOR_T:
            raise NotEstimable(f"{name} items that count come from {int(own.sum())} cluster(s), fewer than {FEWEST_FOR_T}")
    sizes = np.bincount(kinds, minlength=4)
    kinds = np.where(sizes[kinds] == 1, int(sizes.argmax()), kinds)  # a stratum with one cluster has no variation
    rng = np.random.default_rng(0)
    without: list[Floats] = []
    strata: list[int] = []
    for kind in np.unique(kinds):
        members = rng.permutation(np.flatnonzero(kinds == kind))
        number = min(len(members), max(2, round(GROUPS * len(members) / len(clusters)))) if len(clusters) > GROUPS else len(members)
        for group in range(number):
            gone = np.zeros(len(clusters), dtype=np.bool_)
            gone[members[group::number]] = True
            without.append(areas(~gone[where]))
            strata.append(int(kind))
    shifts, groups = np.stack(without), np.array(strata, dtype=np.intp)
    if not np.isfinite(shifts).all():
        raise NotEstimable("one cluster holds all comparable items of a class")
    for kind in np.unique(groups):
        shifts[groups == kind] -= shifts[groups == kind].mean(axis=0)
    everyone = areas(np.ones(len(flags), dtype=np.bool_))
    kept = {reason: count for reason, count in left.items() if count}
    return AdjustedAuroc(everyone, shifts, groups, int(flags.sum()), int((~flags).sum()), len(clusters), kept, level)
