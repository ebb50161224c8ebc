"""Multireader multicase (MRMC) analyses by their published names: Obuchowski-Rockette, Dorfman-Berbaum-Metz, Gallas's U-statistic."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.statistics.distributions import chi_squared_p, normal_p, normal_quantile, student_p, student_quantile
from paper_figures.statistics.multireader.agreement import without_blanks
from paper_figures.statistics.multireader.merits import COVARIANCES, Merits, Readings, merits, readings
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import Codes, Floats, NotEstimable, as_level
from see_in_pairs.errors import InputError

RANDOM = {"": "readers and cases", "readers": "cases; readers are fixed", "cases": "readers; cases are fixed"}
_TINY = 1e-18  # variances below this are rounding
NO_VARIANCE = "nothing varies between readers or cases, so there is no standard error"
NEGATIVE = "the unbiased estimate of the variance is negative ({:.3g}); Obuchowski and Rockette's analysis has one that cannot be"
ONE_READER = "one reader only: the variation between readers cannot be estimated; fix the readers"
NO_INTERVAL = (math.nan, math.nan)


@dataclass(frozen=True, repr=False)
class MrmcEstimate(Result):
    """A mean merit of one arm, or the difference of two, with its uncertainty."""

    estimate: float
    se: float  # NaN if it cannot be estimated
    df: float  # degrees of freedom of t; infinite against the normal distribution
    interval: Interval
    p: float  # two-sided, of a difference of 0; NaN for one arm
    reason: str = ""  # why there is no standard error; '' if there is one

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        return without_blanks(super().to_dict())


@dataclass(frozen=True, repr=False)
class MrmcTest(Result):
    """The test that all arms are equal: F, or chi-squared / df1 if the denominator has infinitely many degrees of freedom."""

    f: float
    df1: int
    df2: float
    p: float


@dataclass(frozen=True, repr=False)
class MrmcAnalysis(Result):
    """One published analysis; `estimate` to `p` are those of the first two arms, first minus second."""

    covariance: str  # source of the error covariances
    estimate: float
    se: float
    df: float
    interval: Interval
    p: float
    components: dict[str, float]  # mean squares, and variance and covariances of the merits
    test: MrmcTest | None  # that all arms are equal; None if there is one arm, or the test is not defined
    contrasts: dict[str, MrmcEstimate]  # every pair of arms, by 'A - B'
    means: dict[str, MrmcEstimate]  # of each arm, from its own readings alone
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        return without_blanks(super().to_dict())


@dataclass(frozen=True, repr=False)
class MrmcResult(Result):
    """Every MRMC analysis of one measure.

    Parameters
    ----------
    measure : str
        The figure of merit, for example ``auroc``.
    design : str
        Which readers read which items, in words.
    random : str
        The factors that are random in the analyses.
    arms, readers : tuple of str
        Names of the compared arms, and of all their readers.
    items, cases : int
        Number of items that were read, and of their cases (patients).
    merits : dict of str to dict
        Figure of merit of each reader in each arm, by arm and reader.
    obuchowski_rockette, dorfman_berbaum_metz, u_statistic : MrmcAnalysis
        The analyses; one that the data do not allow has a standard error of NaN and the reason.
    """

    measure: str
    design: str
    random: str
    arms: tuple[str, ...]
    readers: tuple[str, ...]
    items: int
    cases: int
    merits: dict[str, dict[str, float]]
    obuchowski_rockette: MrmcAnalysis
    dorfman_berbaum_metz: MrmcAnalysis
    u_statistic: MrmcAnalysis

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``see-in-pairs compare --mrmc --json``.

        Returns
        -------
        dict
            Plain values only; names of arms and readers are lists.
        """
        return super().to_dict() | {"arms": list(self.arms), "readers": list(self.readers)}

    def __repr__(self) -> str:
        return _text(self)


def mrmc(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike | None,
    items: npt.ArrayLike,
    readers: npt.ArrayLike,
    arms: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    measure: str = "auroc",
    threshold: float | None = None,
    covariance: str = "delong",
    fixed: str = "",
    confidence_level: float = 0.95,
) -> MrmcResult:
    r"""Compare arms that several readers (models, trainings, prompts) score, by the published analyses of multireader multicase studies.

    Parameters
    ----------
    scores : array_like, shape (n,)
        One score per reading, that is, per item, reader and arm; higher speaks for positive.
    labels : array_like of bool, shape (n,), or None
        Whether the item of each reading is positive; None for the measure ``mean``.
    items : array_like, shape (n,)
        The item (image) of each reading. Readers need not have read every item.
    readers : array_like, shape (n,)
        The reader of each reading, for example a training seed. A name in several arms is the same reader; readers whose
        names occur in one arm each are nested in the arms.
    arms : array_like, shape (n,)
        The arm (modality, treatment) of each reading; two or more are compared, in the order of their sorted names.
    clusters : array_like, shape (n,), optional
        The case of each reading, for example its patient, if several items come from one.
    measure : {'auroc', 'accuracy', 'sensitivity', 'specificity', 'mean'}
        Figure of merit of a reader; ``mean`` is that of the scores.
    threshold : float, optional
        The score at or above which an item counts as positive, for accuracy, sensitivity and specificity.
    covariance : {'delong', 'jackknife', 'unbiased'}
        Source of the error covariances of Obuchowski and Rockette's analysis; ``unbiased`` is the U-statistic.
    fixed : {'', 'readers', 'cases'}
        The fixed factor: results are then about these readers, or these cases, only; by default both are random.
    confidence_level : float, default 0.95
        Share of repetitions in which intervals cover the true value, between 0 and 1.

    Returns
    -------
    MrmcResult
        The analyses `obuchowski_rockette`, `dorfman_berbaum_metz` and `u_statistic`, each with estimate, standard error, degrees of
        freedom, interval, p-value, components, the test of all arms, every pair of arms, and the mean of each arm.

    Raises
    ------
    InputError
        When inputs do not fit, or some readers read in several but not all arms.

    Notes
    -----
    With :math:`\hat\theta_{ij}` the merit of reader j = 1..r in arm i = 1..t, the mean squares of its two-way table, MS(T) and MS(TR), and
    the mean variance and covariances due to cases (Cov1: one reader in two arms; Cov2: two readers in one arm; Cov3: two readers in two
    arms), :math:`F = \mathrm{MS(T)} / [\mathrm{MS(TR)} + \max(r(\mathrm{Cov2} - \mathrm{Cov3}), 0)]` has t - 1 and, by Hillis,
    :math:`[\ldots]^2 / [\mathrm{MS(TR)}^2 / ((t - 1)(r - 1))]` degrees of freedom. Dorfman, Berbaum and Metz take the mean squares of
    jackknife pseudovalues, which gives the same with covariances of the jackknife. The U-statistic's variance of a mean merit
    :math:`\bar\theta` is :math:`\bar\theta^2` minus the mean product of kernels that share no reader and no case: unbiased, and sometimes
    negative: its standard error is then NaN. Readers that did not read every item have covariances from the cases that two share. The
    page on MRMC in the documentation has every formula.

    References
    ----------
    Obuchowski and Rockette (1995), Communications in Statistics B 24:285. Hillis (2007), Statistics in Medicine 26:596; (2014) 33:330.
    Dorfman, Berbaum and Metz (1992), Investigative Radiology 27:723. Gallas (2006), Academic Radiology 13:353. Obuchowski (1997),
    Biometrics 53:567 (clusters).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> arm, reader, item = (axis.ravel() for axis in np.indices((2, 3, 60)))
    >>> label = item % 2
    >>> result = mrmc(rng.normal(size=360) + label * (2 - arm), label, item, reader, arm)
    >>> round(result.obuchowski_rockette.estimate, 3), round(result.obuchowski_rockette.df, 1)
    (0.159, 2.3)
    """
    data = readings(scores, labels, items, readers, arms, clusters)
    if labels is None and measure != "mean":
        raise InputError(f"labels: {measure} needs them")
    return analyse(merits(data, measure, threshold), covariance, fixed, as_level(confidence_level))


@dataclass(frozen=True)
class _Parts:
    """Mean squares and covariances of an analysis, from which every contrast follows.

    The difference of arms with r and r' readers has the variance ``(1 / r + 1 / r') base + 2 shared``, and of the base `ms` varies, with
    `df` degrees of freedom: that is Satterthwaite's approximation as Hillis takes it.
    """

    base: float
    shared: float
    ms: float
    df: float
    components: dict[str, float]

    def variance(self, share: float) -> tuple[float, float]:
        """Variance and degrees of freedom, `share` being 1 / r + 1 / r'."""
        variance = share * self.base + 2 * self.shared
        return variance, float(self.df * (variance / (share * self.ms)) ** 2) if self.ms > 0 and math.isfinite(self.df) else math.inf


def analyse(found: Merits, covariance: str = "delong", fixed: str = "", level: float = 0.95) -> MrmcResult:
    """Run every analysis of checked figures of merit."""
    if fixed not in RANDOM:
        raise InputError(f"fixed: give readers, cases, or nothing, not {fixed!r}")
    data = found.data
    if covariance not in COVARIANCES:
        raise InputError(f"covariance: give one of {', '.join(COVARIANCES)}, not {covariance!r}")
    if not data.crossed and not data.nested:
        times = np.bincount(data.reader)
        name = data.readers[int(np.flatnonzero(times < len(data.arms))[0])]
        raise InputError(f"readers: {name} reads in some arms only; let each reader read in every arm, or each in one arm")
    by_arm: dict[str, dict[str, float]] = {name: {} for name in data.arms}
    like = lambda: _obuchowski_rockette(found, "unbiased", fixed)  # the U-statistic has the degrees of freedom of this one
    for arm, reader, value in zip(data.arm, data.reader, found.theta, strict=True):
        by_arm[data.arms[arm]][data.readers[reader]] = float(value)
    return MrmcResult(
        found.measure, _design(data), RANDOM[fixed], data.arms, data.readers, int(data.items.max()) + 1, data.cases, by_arm,
        _attempt(found, covariance, lambda: _assemble(found, covariance, *_obuchowski_rockette(found, covariance, fixed), level)),
        _attempt(found, "jackknife", lambda: _assemble(found, "jackknife", *_dorfman_berbaum_metz(found, fixed), level)),
        _attempt(found, "unbiased", lambda: _assemble(found, "unbiased", *like(), level, _u_statistic(found, fixed))),
    )  # fmt: skip


def _design(data: Readings) -> str:
    who = (
        "readers nested in arms" if data.nested else "readers crossed with arms (one name, one reader)" if len(data.arms) > 1 else "one arm"
    )
    what = "every reader read every item" if data.complete else "readers did not read every item: covariances are from the cases two share"
    return f"{who}; {what}" + ("; cases hold several items" if data.clustered else "")


def _attempt(found: Merits, covariance: str, compute: Callable[[], MrmcAnalysis]) -> MrmcAnalysis:
    """Run an analysis; if the data do not allow it, give the reason instead of the numbers."""
    try:
        return compute()
    except NotEstimable as error:
        means = _arm_means(found)
        estimate = means[0] - means[1] if len(means) > 1 else means[0]
        return MrmcAnalysis(covariance, float(estimate), math.nan, math.nan, NO_INTERVAL, math.nan, {}, None, {}, {}, str(error))


def _arm_means(found: Merits) -> Floats:
    return np.array([found.theta[found.data.arm == arm].mean() for arm in range(len(found.data.arms))])


def _obuchowski_rockette(found: Merits, covariance: str, fixed: str) -> tuple[_Parts | None, list[_Parts]]:
    """The parts for the difference of two arms, and for the mean of each arm, the latter from the arm's own readings only."""
    data, theta = found.data, found.theta
    covariances = None if fixed == "cases" else found.covariance(covariance)
    means = []
    for arm in range(len(data.arms)):
        group = np.flatnonzero(data.arm == arm)
        own = np.zeros((len(group), len(group))) if covariances is None else covariances[np.ix_(group, group)]
        var, cov2 = np.diag(own).mean(), own[~np.eye(len(group), dtype=np.bool_)].mean() if len(group) > 1 else 0.0
        shared = max(float(cov2), 0.0)
        if fixed == "readers":
            means.append(_Parts(float(var) - shared, shared, 0.0, math.inf, {}))
        else:
            ms = _mean_square(theta[group], len(group) - 1)
            means.append(_Parts(ms, shared, ms, len(group) - 1, {}))
    return _contrast_parts(found, covariances, fixed) if len(data.arms) > 1 else None, means


def _mean_square(deviations: Floats, df: int) -> float:
    if df < 1:
        raise NotEstimable(ONE_READER)
    return float(((deviations - deviations.mean()) ** 2).sum()) / df


def _contrast_parts(found: Merits, covariances: Floats | None, fixed: str) -> _Parts:
    data, means = found.data, _arm_means(found)
    readers = np.bincount(data.arm)
    deviations = found.theta - means[data.arm]
    df, name = int((readers - 1).sum()), "MS(R(T))"
    if data.crossed:
        deviations = deviations - np.array([found.theta[data.reader == one].mean() for one in range(len(data.readers))])[data.reader]
        df, name = (len(means) - 1) * (len(data.readers) - 1), "MS(TR)"
    components = {"MS(T)": _mean_square(means, len(means) - 1) * float(readers[0])} if (readers == readers[0]).all() else {}
    ms = _mean_square(deviations, df) if df or fixed != "readers" else math.nan
    components[name] = ms
    if covariances is None:
        return _Parts(ms, 0.0, ms, df, components)
    same_arm, same_reader = (codes[:, None] == codes for codes in (data.arm, data.reader))
    pairs = {
        "Var": same_arm & same_reader,
        "Cov1": ~same_arm & same_reader,
        "Cov2": same_arm & ~same_reader,
        "Cov3": ~(same_arm | same_reader),
    }
    components |= {key: float(covariances[pair].mean()) if pair.any() else 0.0 for key, pair in pairs.items()}
    shared = max(components["Cov2"] - components["Cov3"], 0.0)
    if fixed == "readers":
        own = components["Var"] - (components["Cov1"] + shared if data.crossed else components["Cov2"])
        return _Parts(own, shared, 0.0, math.inf, components)
    return _Parts(ms, shared, ms, df, components)


def _dorfman_berbaum_metz(found: Merits, fixed: str) -> tuple[_Parts | None, list[_Parts]]:
    data = found.data
    if not data.crossed or not data.complete:
        raise NotEstimable("pseudovalues need every reader to read every item in every arm; Obuchowski and Rockette's analysis does not")
    found.check()
    t, r, k = len(data.arms), len(data.readers), found.left_out.shape[1]
    values = k * found.theta[:, None] - (k - 1) * found.left_out
    values += (found.theta - values.mean(axis=1))[:, None]  # normalised: Hillis, Berbaum and Metz (2008)
    cube = values.reshape(t, r, k)
    parts = _pseudovalue_parts(cube - cube.mean(axis=0), t - 1, fixed) if t > 1 else None
    return parts, [_pseudovalue_parts(one[None], 1, fixed) for one in cube]


def _pseudovalue_parts(d: Floats, arms: int, fixed: str) -> _Parts:
    """Mean squares of pseudovalues (t, r, K): of one arm, or of several, free of their mean over arms, with `arms` degrees of freedom."""
    _, r, k = d.shape
    if r == 1 and fixed != "readers":
        raise NotEstimable(ONE_READER)
    mean, by_reader, by_case = d.mean(axis=(1, 2), keepdims=True), d.mean(axis=2, keepdims=True), d.mean(axis=1, keepdims=True)
    squares = {
        "MS(T)": (r * k * (mean**2).sum(), arms),
        "MS(TR)": (k * ((by_reader - mean) ** 2).sum(), arms * (r - 1)),
        "MS(TC)": (r * ((by_case - mean) ** 2).sum(), arms * (k - 1)),
        "MS(TRC)": (((d - by_reader - by_case + mean) ** 2).sum(), arms * (r - 1) * (k - 1)),
    }
    ms = {name: float(total) / df if df else math.nan for name, (total, df) in squares.items()}
    reader, case, both = (ms[name] / k for name in ("MS(TR)", "MS(TC)", "MS(TRC)"))  # in units of squared merits
    if fixed == "readers":
        return _Parts(case, 0.0, case, arms * (k - 1), ms)
    return _Parts(reader, 0.0 if fixed else max(case - both, 0.0) / r, reader, arms * (r - 1), ms)


def _u_statistic(found: Merits, fixed: str) -> Floats:
    """Gallas's covariances of the arms' means (t, t): their products minus the mean products of kernels that share no random factor."""
    data, products = found.data, np.outer(found.theta, found.theta)
    readers = np.bincount(data.arm)[data.arm]
    weight, kernels = 1.0 / np.outer(readers, readers), products
    if fixed != "readers":
        weight = weight * (data.reader[:, None] != data.reader)
    if fixed != "cases":
        kernels, shares = found.disjoint
        weight = weight * shares
    arms = range(len(data.arms))
    covariance = np.empty((len(arms), len(arms)))
    for a in arms:
        for b in arms:
            block = np.ix_(data.arm == a, data.arm == b)
            w = weight[block]
            if w.max() <= 1e-12:
                raise NotEstimable("no two readings share neither a reader nor a case")
            covariance[a, b] = products[block].mean() - (w * np.where(w > 1e-12, kernels[block], 0.0)).sum() / w.sum()
    return covariance


def _assemble(
    found: Merits, covariance: str, parts: _Parts | None, by_arm: list[_Parts], level: float, variances: Floats | None = None
) -> MrmcAnalysis:
    """Assemble an analysis; `variances` (t, t) replace those of `parts`, but not their degrees of freedom."""
    data, means = found.data, _arm_means(found)
    readers = np.bincount(data.arm)
    span = math.inf if found.measure == "mean" else 1.0
    alone = {}
    for arm, one in enumerate(by_arm):
        variance, df = one.variance(2 / readers[arm])  # of the difference of two such arms
        variance = variance / 2 if variances is None else float(variances[arm, arm])
        own = _estimate(float(means[arm]), variance, df, level, (0.0 if span == 1 else -span, span))
        alone[data.arms[arm]] = (
            replace(own, p=math.nan) if own.se else replace(own, interval=NO_INTERVAL, p=math.nan, se=math.nan, reason=NO_VARIANCE)
        )
    if parts is None:
        only = alone[data.arms[0]]
        return MrmcAnalysis(covariance, only.estimate, only.se, only.df, only.interval, only.p, {}, None, {}, alone, only.reason)
    contrasts = {}
    for a, b in combinations(range(len(means)), 2):
        variance, df = parts.variance(1 / readers[a] + 1 / readers[b])
        if variances is not None:
            variance = float(variances[a, a] + variances[b, b] - 2 * variances[a, b])
        contrasts[f"{data.arms[a]} - {data.arms[b]}"] = _estimate(float(means[a] - means[b]), variance, df, level, (-span, span))
    first = next(iter(contrasts.values()))
    test = _test(parts, readers, means) if variances is None else None
    return MrmcAnalysis(
        covariance, first.estimate, first.se, first.df, first.interval, first.p, parts.components, test, contrasts, alone, first.reason
    )


def _estimate(value: float, variance: float, df: float, level: float, bounds: Interval) -> MrmcEstimate:
    if variance <= _TINY:
        if variance >= -_TINY and abs(value) < 1e-12:
            return MrmcEstimate(0.0, 0.0, df, (0.0, 0.0), 1.0)
        reason = NEGATIVE.format(variance) if variance < -_TINY else NO_VARIANCE
        return MrmcEstimate(value, math.nan, df, NO_INTERVAL, math.nan, reason)
    se = math.sqrt(variance)
    exact = math.isfinite(df)
    half = se * (student_quantile(level, df) if exact else normal_quantile(level))
    p = student_p(value / se, df) if exact else normal_p(value / se)
    return MrmcEstimate(value, se, df, (max(bounds[0], value - half), min(bounds[1], value + half)), p)


def _test(parts: _Parts, readers: Codes, means: Floats) -> MrmcTest | None:
    """Test that all arms are equal; None if arms have different numbers of readers."""
    variance, df = parts.variance(2 / int(readers[0]))
    if (readers != readers[0]).any() or variance <= _TINY:
        return None
    df1 = len(means) - 1
    f = float(means.var(ddof=1)) / (variance / 2)
    p = float(special.fdtrc(df1, df, f)) if math.isfinite(df) else chi_squared_p(df1 * f, df1)
    return MrmcTest(f, df1, df, p)


def _text(result: MrmcResult) -> str:
    """The analyses as a table, for a reader of a radiology journal."""
    lines = [
        f"MRMC, {result.measure}: {len(result.readers)} readers, {result.items} items of {result.cases} cases, {len(result.arms)} arms.",
        f"Random: {result.random}. Design: {result.design}.",
    ]
    rows = [("", "", "estimate", "SE", "df", "interval", "p")]
    for name, one in (
        (f"Obuchowski-Rockette ({result.obuchowski_rockette.covariance})", result.obuchowski_rockette),
        ("Dorfman-Berbaum-Metz", result.dorfman_berbaum_metz),
        ("U-statistic (Gallas)", result.u_statistic),
    ):
        if one.reason:
            lines.append(f"{name}: {one.reason}.")
        for pair, found in one.contrasts.items():
            rows.append((name, pair, *_cells(found, "+")))
        if one.test and len(result.arms) > 2:
            df2 = f"{one.test.df2:.1f}" if math.isfinite(one.test.df2) else "inf"
            rows.append((name, "all arms", f"F {one.test.f:.3f}", "", f"{one.test.df1}, {df2}", "", shown_p(one.test.p)))
    rows += [("mean of the readers", arm, *_cells(found, "")) for arm, found in result.obuchowski_rockette.means.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(lines + ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows])


def _cells(one: MrmcEstimate, sign: str) -> tuple[str, str, str, str, str]:
    df = f"{one.df:.1f}" if math.isfinite(one.df) else "inf"
    if one.reason:
        return f"{one.estimate:{sign}.4f}", "-", df, "-", "-"
    low, high = one.interval
    return (
        f"{one.estimate:{sign}.4f}",
        f"{one.se:.5f}",
        df,
        f"[{low:{sign}.4f}, {high:{sign}.4f}]",
        "" if one.p != one.p else shown_p(one.p),
    )


def shown_p(p: float) -> str:
    """Four digits, never 0."""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"
