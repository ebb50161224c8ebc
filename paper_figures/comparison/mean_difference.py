"""Two arms by a metric of each item that is not only 0 or 1 (F1, VQA accuracy, ANLS): the difference of their means, by cluster."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.comparison.item_table import ArmPair, ComparisonSettings
from paper_figures.comparison.limits import ONE_CLUSTER
from paper_figures.comparison.result import WIDTH, Recommendation, format_interval, format_p
from paper_figures.statistics.clustered.sign_flip import SignFlipResult, sign_flip
from paper_figures.statistics.clustered.two_way import membership_sets, two_way_variance
from paper_figures.statistics.distributions import student_p, student_quantile
from paper_figures.statistics.equivalence import EquivalenceResult, tost
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import Codes, Floats, NotEstimable, as_codes, as_scores, same_length
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class MeanDifference(Result):
    """A difference of means, A minus B."""

    estimate: float
    se: float
    df: float  # degrees of freedom of the t distribution
    interval: Interval
    p: float  # two-sided, of no difference


@dataclass(frozen=True, repr=False)
class MeanComparison(Result):
    """Two arms by the mean of a metric; differences are A minus B."""

    items: int
    clusters: int
    arms: tuple[str, str]
    metric: str
    a: float  # mean of arm A
    b: float
    difference: MeanDifference | None  # None over one cluster
    permutation: SignFlipResult  # sign flips of the clusters' differences
    equivalence: EquivalenceResult | None  # within the margin, where one was given
    recommended: dict[str, Recommendation]
    reasons: dict[str, str]
    warnings: tuple[str, ...]
    confidence_level: float

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        return super().to_dict() | {"arms": list(self.arms), "warnings": list(self.warnings)}

    def to_frame(self) -> pd.DataFrame:
        """One row per test: ``measure, test, a, b, difference, low, high, p, recommended, arm_a, arm_b``."""
        import pandas as pd

        best = self.recommended.get("mean")
        none = (math.nan, math.nan)
        tests = [(best.test if best else "", best.interval if best else none, best.p if best else math.nan, True)][: len(self.recommended)]
        tests.append(("sign-flip permutation", self.permutation.interval, self.permutation.p, False))
        means = {"measure": self.metric, "a": self.a, "b": self.b, "difference": self.a - self.b}
        rows = [{"test": test, "low": low, "high": high, "p": p, "recommended": best} for test, (low, high), p, best in tests]
        columns = ["measure", "test", "a", "b", "difference", "low", "high", "p", "recommended"]
        return pd.DataFrame(rows).assign(**means)[columns].assign(arm_a=self.arms[0], arm_b=self.arms[1])

    def __repr__(self) -> str:
        return _text(self)


def compare_means(pair: ArmPair, metric: str, settings: ComparisonSettings, warnings: Sequence[str] = ()) -> MeanComparison:
    """Compare two arms by the mean over items of a metric, a finite number per item."""
    a, b = as_scores(pair.scores_a, f"{metric} of A"), as_scores(pair.scores_b, f"{metric} of B")
    items = same_length(scores_a=a, scores_b=b)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError(f"{metric}: some values are infinite, which have no mean")
    codes = np.arange(items) if pair.clusters is None else as_codes(pair.clusters, items)
    order = np.lexsort((a, np.maximum(a, b), np.minimum(a, b), codes))  # as in `item_table`: the order of rows changes nothing
    a, b, codes = a[order], b[order], codes[order]
    sets = None if pair.second_clusters is None else membership_sets(pair.second_clusters, items)
    found, reasons = None, {}
    try:
        found = clustered_mean_difference(a - b, codes, None if sets is None else [sets[row] for row in order], settings.level)
    except NotEstimable as error:
        reasons = {"difference": str(error), "recommended.mean": str(error)}
    recommended = {}
    if found is not None:
        why = "items share clusters of two kinds" if sets is not None else "the items' metric is not only 0 or 1"
        test = f"{'two-way ' if sets is not None else ''}cluster-robust t ({found.df:.0f} df)"
        recommended["mean"] = Recommendation("mean", test, why, found.estimate, found.interval, found.p)
    notes = [] if pair.clusters is not None else ["no clusters were given: if items share patients, p-values are too small"]
    if pair.training_seeds is not None:
        notes.append("several trainings: this holds for these trained models, not for new ones")
    equal = tost(found.estimate, found.se, found.df, settings.margin) if found is not None and settings.margin is not None else None
    permutation = sign_flip(a - b, codes, settings.permutations, settings.level, seed=settings.seed)
    return MeanComparison(
        items, int(codes.max()) + 1, settings.arms, metric, float(a.mean()), float(b.mean()), found, permutation, equal, recommended,
        reasons, (*warnings, *notes), settings.level,
    )  # fmt: skip


def clustered_mean_difference(d: Floats, codes: Codes, sets: list[tuple[int, ...]] | None, level: float) -> MeanDifference:
    """The mean of paired differences, with a standard error by cluster, or by clusters of two kinds.

    Shapes: `d` (n,), `codes` (n,), `sets` n. The ratio estimator of `clustered_difference`, with its K - 1 degrees of freedom, and the
    variance of `two_way`.
    """
    clusters, estimate = int(codes.max()) + 1, float(d.mean())
    references = None if sets is None else len(set().union(*sets))
    if clusters == 1 or references == 1:
        raise NotEstimable(ONE_CLUSTER)
    parts = (d - estimate) / len(d)
    if sets is None or references is None:
        variance, df = clusters / (clusters - 1) * float((np.bincount(codes, parts) ** 2).sum()), clusters - 1
    else:
        variance, df = two_way_variance(parts, codes, sets)[0], min(clusters, references) - 1
    if variance <= 1e-20:
        raise NotEstimable("every cluster shows the same difference, which says nothing of its uncertainty")
    se = math.sqrt(variance)
    half = student_quantile(level, df) * se
    return MeanDifference(estimate, se, float(df), (estimate - half, estimate + half), student_p(estimate / se, df))


def _text(comparison: MeanComparison) -> str:
    one, arms = comparison.recommended.get("mean"), comparison.arms
    clusters = f" in {comparison.clusters} clusters" if comparison.clusters < comparison.items else ""
    lines = [f"A = {arms[0]}, B = {arms[1]}, on the same {comparison.items} items{clusters}.", ""]
    level = f"{comparison.confidence_level:.0%} interval"
    gap = f"{comparison.a - comparison.b:+.3f}"
    lines.append(f"Mean {comparison.metric}: A {comparison.a:.3f}, B {comparison.b:.3f}, A - B {gap}")
    if one is not None:
        lines.append(f"  {level} {format_interval(one.interval, '+')}, p {format_p(one.p)}: {one.test}, because {one.why}.")
    lines.append(f"  sign-flip permutation over clusters, not to be chosen from: p {format_p(comparison.permutation.p)}.")
    if comparison.equivalence is not None:
        lines.append(f"  Equivalence within {comparison.equivalence.margin:g}: p {format_p(comparison.equivalence.p)}.")
    remarks = [f"Warning: {text}." for text in comparison.warnings]
    remarks += [f"Not computed: {block} ({reason})." for block, reason in comparison.reasons.items()]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in [*lines, *([""] if remarks else []), *remarks])
