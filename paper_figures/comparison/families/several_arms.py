"""Three or more arms on the same items: every pair, Holm over the declared family of pairs, and the tests that all arms are equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.comparison.arm_rows import ArmRows
from paper_figures.comparison.compare_arms import UNDECIDED, compare_rows
from paper_figures.comparison.families.task_family import (
    FamilyMember,
    TwoArms,
    adjusted_family,
    family_dict,
    family_frame,
    family_table,
    filled,
    remarks_of,
)
from paper_figures.comparison.item_table import ComparisonSettings
from paper_figures.comparison.limits import ONE_CLUSTER
from paper_figures.comparison.mean_difference import compare_means
from paper_figures.comparison.pairing import Aligned, align, metric_of
from paper_figures.comparison.result import format_p
from paper_figures.comparison.score_tables import ArmScores
from paper_figures.statistics.proportions.cochran_q import CochranQResult, cochran_q
from paper_figures.statistics.result import Result
from paper_figures.statistics.roc.clustered_delong import clustered_delong
from paper_figures.statistics.roc.delong import DeLongResult, delong
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_Z, class_clusters
from paper_figures.statistics.validation import Codes, Floats, NotEstimable, as_codes
from see_in_pairs.roc import placements

if TYPE_CHECKING:
    import pandas as pd

Test = TypeVar("Test")


@dataclass(frozen=True, repr=False)
class SmallSampleTest(Result):
    """A chi-squared test as F, which allows for a covariance estimated from few clusters."""

    statistic: float
    df: tuple[float, float]
    p: float


@dataclass(frozen=True, repr=False)
class GlobalTest(Result):
    """A test that all arms are equal."""

    statistic: float
    df: tuple[float, ...]  # of chi-squared, or of F
    p: float
    test: str
    values: dict[str, float]  # AUROC, accuracy or mean of each arm
    small_sample: SmallSampleTest | None = None


@dataclass(frozen=True, repr=False)
class SeveralArms(Result):
    """A comparison of three or more arms; differences are those of the first arm named minus the second."""

    arms: tuple[str, ...]
    items: int
    clusters: int
    pairs: dict[str, TwoArms]  # by name: 'A - B'
    cluster_columns: dict[str, tuple[str, ...]]  # of each pair
    family: tuple[FamilyMember, ...]  # the recommended test of each pair and measure
    cochran_q: CochranQResult | None  # treats items as independent
    global_auroc: GlobalTest | None  # DeLong's joint test, clustered where there are clusters
    global_mean: GlobalTest | None  # of accuracies or of a metric, by cluster
    metric: str  # compared by means; '' if scores, or right and wrong, are compared
    reasons: dict[str, str]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        shown = lambda found: None if found is None else found.to_dict()
        return {
            "arms": list(self.arms), "items": self.items, "clusters": self.clusters,
            "pairs": [pair.to_dict() | {"cluster_columns": list(self.cluster_columns[name])} for name, pair in self.pairs.items()],
            "family": family_dict(FAMILY, self.family), "cochran_q": shown(self.cochran_q), "global": shown(self.global_auroc),
            "global_accuracy": None if self.metric else shown(self.global_mean),
            "global_mean": shown(self.global_mean) if self.metric else None, "reasons": self.reasons, "warnings": list(self.warnings),
        }  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """The rows of every pair, with the adjusted p-value of recommended tests in ``holm``."""
        return family_frame("pair", self.pairs, self.family)

    def __repr__(self) -> str:
        clusters = f" in {self.clusters} clusters" if self.clusters < self.items else ""
        heading = f"{len(self.arms)} arms ({', '.join(self.arms)}), on the same {self.items} items{clusters}."
        lines = [f"Family '{FAMILY}', {len(self.family)} tests; the last p is by Holm's method."]
        if self.global_mean:
            lines.append(_said(f"means of {self.metric}" if self.metric else "accuracies", self.global_mean))
        if self.global_auroc:
            lines.append(_said("AUROCs", self.global_auroc))
        if self.cochran_q:
            lines.append(f"Cochran's Q, items taken as independent: {self.cochran_q.statistic:.2f}, p {format_p(self.cochran_q.p)}.")
        remarks = [f"Warning: {text}." for text in self.warnings]
        remarks += [f"Not computed: {block} ({reason})." for block, reason in self.reasons.items()]
        for name, pair in self.pairs.items():
            remarks += [f"{name}: {text}" for text in remarks_of(pair)[len(pair.warnings) :]]
        return "\n\n".join([heading, family_table(self.pairs, self.family), *(filled(block) for block in (lines, remarks) if block)])


def _said(what: str, test: GlobalTest) -> str:
    values = ", ".join(f"{arm} {value:.3f}" for arm, value in test.values.items())
    df = ", ".join(f"{one:g}" for one in test.df)
    one = test.small_sample
    said = "" if one is None else f"{format_p(one.p)} as F ({one.statistic:.2f} on {one.df[0]:g}, {one.df[1]:.1f} df), to be read; "
    return f"Equal {what} ({values}): p {said}{format_p(test.p)} ({test.test}, {test.statistic:.2f} on {df} df)."


FAMILY = "recommended tests of all pairs"


def compare_several(
    arms: Sequence[ArmScores], cluster: Sequence[str], settings: ComparisonSettings
) -> tuple[SeveralArms, list[tuple[str, ArmRows]]]:
    """Compare three or more arms pair by pair and all together; also gives the rows of each arm by name."""
    arms = _with_columns(arms, ["patient_id", *cluster])
    names = unique_names([arm.name for arm in arms])
    metric = next((name for name in (metric_of(arms[0], arm) for arm in arms[1:]) if name), "")
    aligned = {(i, j): align(arms[i], arms[j], cluster, metric) for i, j in combinations(range(len(arms)), 2)}
    found = {
        f"{names[i]} - {names[j]}": compare_aligned(one, replace(settings, arms=(names[i], names[j]))) for (i, j), one in aligned.items()
    }
    reasons: dict[str, str] = {}
    warnings = tuple(dict.fromkeys(text for pair in found.values() for text in pair.warnings))
    joint = _Joint.of([aligned[0, j] for j in range(1, len(arms))], names, settings, metric)
    first = next(iter(found.values()))
    several = SeveralArms(
        tuple(names), first.items, first.clusters, found,
        {name: one.cluster_columns for name, one in zip(found, aligned.values(), strict=True)}, adjusted_family(found),
        _attempt("cochran_q", reasons, joint.cochran_q), _attempt("global", reasons, joint.auroc),
        _attempt("global_mean" if metric else "global_accuracy", reasons, joint.means), metric, reasons, warnings + joint.warnings(),
    )  # fmt: skip
    rows = [aligned[0, 1].a, *(aligned[0, j].b for j in range(1, len(arms)))]
    return several, list(zip(names, rows, strict=True))


def compare_aligned(aligned: Aligned, settings: ComparisonSettings) -> TwoArms:
    """Compare two arms by the content of their files: scores or right and wrong, or a metric."""
    if aligned.metric:
        return compare_means(aligned, settings)
    return compare_rows(aligned, settings)


def unique_names(names: Sequence[str]) -> list[str]:
    """Distinct names: equal ones are numbered."""
    return [name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names, start=1)]


def _attempt(name: str, reasons: dict[str, str], compute: Callable[[], Test]) -> Test | None:
    try:
        return compute()
    except NotEstimable as error:
        reasons[name] = str(error)
        return None


def _with_columns(arms: Sequence[ArmScores], columns: Sequence[str]) -> list[ArmScores]:
    """Give the cluster columns that some files have to all arms, so that every pair has the same clusters."""
    for column in columns:
        owner = next((arm.table for arm in arms if column in arm.table.columns), None)
        if owner is None or column == "reference_ids":
            continue
        by_item = owner.drop_duplicates("item_id").set_index("item_id")[column]
        arms = [
            arm if column in arm.table.columns else replace(arm, table=arm.table.assign(**{column: arm.table["item_id"].map(by_item)}))
            for arm in arms
        ]
    return list(arms)


@dataclass(frozen=True)
class _Joint:
    """All arms side by side. Shapes: `values` (k, n); None if rows of the arms are not one per item."""

    names: Sequence[str]
    values: Floats | None
    right: Floats | None  # 0 or 1, or the metric
    labels: npt.NDArray[np.bool_] | None
    codes: Codes | None
    clustered: bool
    metric: str
    undecided: bool  # whether it is unknown which scores are positive
    why: str

    @classmethod
    def of(cls, aligned: Sequence[Aligned], names: Sequence[str], settings: ComparisonSettings, metric: str) -> _Joint:
        """Put the second arms of several alignments beside the first arm."""
        first, arms = aligned[0].a, [aligned[0].a, *(one.b for one in aligned)]
        items = len(first.items)
        if any(len(np.unique(arm.items)) < len(arm.items) for arm in arms):
            why = "items occur several times (trainings, wordings, seeds): these tests take one score per item and arm, --mrmc several"
            return cls(names, None, None, None, None, False, metric, False, why)
        values, labels = np.stack([arm.values for arm in arms]), first.labels
        right = values if labels is None else ((values >= settings.threshold) == labels).astype(np.float64)
        undecided = labels is not None and not settings.threshold_given and bool(values.min() < 0 or values.max() > 1)
        codes = np.arange(items) if first.clusters is None else as_codes(first.clusters, items)
        return cls(names, values, right, labels, codes, bool(codes.max() + 1 < items), metric, undecided, "")

    def _check(self) -> tuple[Floats, Floats, Codes]:
        if self.values is None or self.right is None or self.codes is None:
            raise NotEstimable(self.why)
        return self.values, self.right, self.codes

    def _decided(self) -> tuple[Floats, Floats, Codes]:
        if self.undecided:
            raise NotEstimable(UNDECIDED)
        return self._check()

    def warnings(self) -> tuple[str, ...]:
        """Warnings about the joint tests."""
        found: tuple[str, ...]
        found = ("Cochran's Q treats items as independent; read global_accuracy, which allows for clusters",) if self.clustered else ()
        if self.labels is not None and self.codes is not None and class_clusters(self.labels, self.codes) < FEWEST_FOR_Z:
            found += (f"fewer than {FEWEST_FOR_Z} clusters of a class: the chi-squared test of all AUROCs rejects too often; read it as F",)
        return found

    def cochran_q(self) -> CochranQResult:
        """Cochran's Q over items."""
        right = self._decided()[1]
        if self.metric:
            raise NotEstimable(f"{self.metric} is not only 0 or 1")
        return cochran_q(*right)

    def auroc(self) -> GlobalTest:
        """DeLong's joint test over all areas."""
        values, _, codes = self._check()
        if self.labels is None:
            raise NotEstimable("right or wrong, or a metric: an ROC curve needs scores and labels")
        found = clustered_delong(values, self.labels, codes) if self.clustered else delong(values, self.labels)
        test = found.equality()
        kind = "clustered DeLong (Obuchowski), joint chi-squared" if self.clustered else "DeLong, joint chi-squared"
        areas = dict(zip(self.names, found.auc.tolist(), strict=True))
        return GlobalTest(test.statistic, (float(test.df),), test.p, kind, areas, as_f(values, self.labels, codes, found))

    def means(self) -> GlobalTest:
        """Equality of accuracies, or means of a metric, by cluster."""
        _, right, codes = self._decided()
        statistic, df, p = equal_means(right, codes)
        values = dict(zip(self.names, right.mean(axis=1).tolist(), strict=True))
        return GlobalTest(statistic, df, p, f"{'cluster-robust ' * self.clustered}Hotelling, F", values)


def as_f(curves: Floats, labels: npt.NDArray[np.bool_], codes: Codes, found: DeLongResult) -> SmallSampleTest | None:
    r"""Read DeLong's joint test as F; None if the areas do not vary, or too few clusters have items of a class.

    Shapes: `curves` (k, n), `labels` (n,), `codes` (n,).

    Notes
    -----
    The statistic :math:`X^2` with r degrees of freedom treats its covariance as known. As in Hotelling's test,
    :math:`\frac{\nu - r + 1}{\nu r} X^2` is taken as F with r and :math:`\nu - r + 1`. With the classes' parts of the covariance,
    :math:`V_{10}` of the :math:`K_{10}` clusters with positive items and :math:`V_{01}`, :math:`v = \operatorname{tr} C^{-} V` and
    Satterthwaite's :math:`\nu = (v_{10} + v_{01})^2 / [v_{10}^2 / (K_{10} - 1) + v_{01}^2 / (K_{01} - 1)]`, at most K - 1. For two arms and
    independent items it is the t of `clustered_auroc_difference`. The combination is our choice: with 3 or 4 arms at their null hypothesis
    and 8 to 40 clusters of the rarer class, F rejects .046 to .058 of the time at .05, chi-squared .059 to .133 (1,500 trials each).
    """
    test, contrasts = found.equality(), np.diff(np.eye(len(curves)), axis=0)
    if not test.df:
        return None
    inverse = np.linalg.pinv(contrasts @ found.covariance @ contrasts.T, rcond=1e-12)
    gaps, parts, spread = np.diff(placements(curves, labels), axis=0), 0.0, 0.0
    for members in (labels, ~labels):
        names, own = np.unique(codes[members], return_inverse=True)
        deviations = gaps[:, members] - gaps[:, members].mean(axis=1, keepdims=True)
        sums = np.stack([np.bincount(own, row) for row in deviations]) / members.sum()
        part = float(np.trace(inverse @ sums @ sums.T)) * len(names) / (len(names) - 1)
        parts, spread = parts + part, spread + part**2 / (len(names) - 1)
    nu = min(parts**2 / spread, float(len(np.unique(codes)) - 1))
    if nu < test.df:
        return None
    df = float(test.df), nu - test.df + 1
    statistic = test.statistic * df[1] / (nu * test.df)
    return SmallSampleTest(statistic, df, float(special.fdtrc(*df, statistic)))


def equal_means(values: Floats, codes: Codes) -> tuple[float, tuple[float, float], float]:
    r"""Test whether k arms have equal means on the same items in K clusters.

    Shapes: `values` (k, n), `codes` (n,). Returns F, its degrees of freedom and p.

    Notes
    -----
    With the successive differences of the arms on item i, :math:`d_i`, their mean :math:`\bar d` and the sums over clusters of
    :math:`(d_i - \bar d) / n`, :math:`e_c`: :math:`S = \frac{K}{K-1} \sum_c e_c e_c^\top`, and for r contrasts that vary
    :math:`F = \frac{K - r}{(K - 1) r} \bar d^\top S^{-} \bar d` against F with r and K - r degrees of freedom: Hotelling's test (1931,
    Annals of Mathematical Statistics 2:360) of the clusters' sums. With two arms it is the square of t of `clustered_difference`.
    """
    clusters = int(codes.max()) + 1
    if clusters == 1:
        raise NotEstimable(ONE_CLUSTER)
    gaps = np.diff(values, axis=0)
    means = gaps.mean(axis=1)
    errors = np.stack([np.bincount(codes, row, minlength=clusters) for row in (gaps - means[:, None]) / gaps.shape[1]])
    covariance = clusters / (clusters - 1) * errors @ errors.T
    rank = int(np.linalg.matrix_rank(covariance, tol=1e-12 * max(float(np.trace(covariance)), 1e-20), hermitian=True))
    if rank and clusters - 1 < np.linalg.matrix_rank(gaps - means[:, None]):  # otherwise some difference varies within clusters only
        raise NotEstimable(f"{clusters} clusters are too few for a joint test of {len(values)} arms")
    if rank == 0:
        if np.abs(means).max() > 1e-12:
            raise NotEstimable("every cluster shows the same differences, so their uncertainty cannot be estimated")
        return 0.0, (float(len(gaps)), float(clusters - len(gaps))), 1.0
    squared = float(means @ np.linalg.pinv(covariance, rcond=1e-12, hermitian=True) @ means)
    statistic, df = squared * (clusters - rank) / ((clusters - 1) * rank), (float(rank), float(clusters - rank))
    return statistic, df, float(special.fdtrc(*df, statistic))
