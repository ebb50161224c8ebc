"""Two arms by a metric of each item that is not only 0 or 1 (F1, VQA accuracy, ANLS): the difference of their means, by cluster."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.comparison.arm_rows import CrossedArms, crossed
from paper_figures.comparison.factors_block import factor_tests
from paper_figures.comparison.item_table import ComparisonSettings
from paper_figures.comparison.pairing import Aligned
from paper_figures.comparison.recommendation import over_factors
from paper_figures.comparison.result import WIDTH, Recommendation, format_interval, format_p
from paper_figures.statistics.clustered.sign_flip import SignFlipResult, sign_flip
from paper_figures.statistics.equivalence import EquivalenceResult, tost
from paper_figures.statistics.multireader.random_factors import ContrastResult
from paper_figures.statistics.result import Result
from paper_figures.statistics.validation import NotEstimable, as_codes
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class MeanComparison(Result):
    """Two arms by the mean of a metric; differences are A minus B."""

    items: int
    clusters: int
    arms: tuple[str, str]
    metric: str
    a: float  # mean of arm A
    b: float
    difference: ContrastResult | None  # None over one cluster
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
        none, p_best = (math.nan, math.nan), math.nan if best is None or best.p is None else best.p
        tests = [(best.test if best else "", best.interval if best else none, p_best, True)][: len(self.recommended)]
        tests.append(("sign-flip permutation", self.permutation.interval, self.permutation.p, False))
        means: dict[str, Any] = {"measure": self.metric, "a": self.a, "b": self.b, "difference": self.a - self.b}
        rows = [{"test": test, "low": low, "high": high, "p": p, "recommended": best} for test, (low, high), p, best in tests]
        columns = ["measure", "test", "a", "b", "difference", "low", "high", "p", "recommended"]
        return pd.DataFrame(rows).assign(**means)[columns].assign(arm_a=self.arms[0], arm_b=self.arms[1])

    def __repr__(self) -> str:
        return _text(self)


def compare_means(aligned: Aligned, settings: ComparisonSettings) -> MeanComparison:
    """Compare two arms by the mean over items of a metric, a finite number per item.

    All trainings (or readers), wordings, references and clusters are random, as in `random_factors_contrast`; trainings of the arms are
    independent of each other.
    """
    metric, notes = aligned.metric, list(aligned.warnings)
    for name, values in ((settings.arms[0], aligned.a.values), (settings.arms[1], aligned.b.values)):
        if not np.isfinite(values).all():
            raise InputError(f"{metric} of {name}: some values are infinite, so there is no mean")
    try:
        arms = crossed(aligned.a, aligned.b)
    except NotEstimable as error:
        arms = _rows_as_items(aligned)
        notes.append(f"{error}: trainings, readers and wordings are treated as fixed")
    clusters = as_codes(arms.items if arms.clusters is None else arms.clusters, len(arms.items))
    # sort the items, as in `item_table`, so that the order of rows does not matter
    a, b = (scores.mean(axis=(0, 1)) for scores in arms.scores)
    order = np.lexsort((a, np.maximum(a, b), np.minimum(a, b), clusters))
    a, b, clusters = a[order], b[order], clusters[order]
    references = None if arms.second_clusters is None else [arms.second_clusters[row] for row in order]
    ordered = replace(
        arms, scores=(arms.scores[0][..., order], arms.scores[1][..., order]), clusters=clusters.astype(str), second_clusters=references
    )
    tests = factor_tests(ordered, settings, settings.paired_seeds or aligned.same_models, ("mean",))
    found = tests.tests.get("mean")
    recommended: dict[str, Recommendation] = {}
    reasons = {key: why for why in tests.reason.values() for key in (["recommended.mean"] if found else ["difference", "recommended.mean"])}
    if found is not None:
        recommended["mean"] = over_factors(found, tests)
        notes += [found.note] if found.note else []
    if arms.clusters is None:
        notes.append("no clusters were given: if items share patients, p-values are too small")
    margin = settings.margin_of("mean")
    equal = tost(found.estimate, found.se, found.df, margin) if found is not None and margin is not None else None
    permutation = sign_flip(a - b, clusters, settings.permutations, settings.level, seed=settings.seed)
    return MeanComparison(
        len(a), int(clusters.max()) + 1, settings.arms, metric, float(a.mean()), float(b.mean()), found, permutation, equal, recommended,
        reasons, tuple(notes), settings.level,
    )  # fmt: skip


def _rows_as_items(aligned: Aligned) -> CrossedArms:
    """Each row as a separate item, in the cluster of its item or patient: for designs that are not crossed."""
    pair, a, b = aligned.pair, aligned.a, aligned.b
    rows = np.array([f"{number}" for number in range(len(a.items))])
    second = None if pair.second_clusters is None else [[str(name) for name in entry] for entry in a.second_clusters or ()]
    none = np.array([""])
    scores = a.values[None, None], b.values[None, None]
    return CrossedArms(scores, rows, None, a.items if a.clusters is None else a.clusters, second, (none, none), none)


def _text(comparison: MeanComparison) -> str:
    one, arms = comparison.recommended.get("mean"), comparison.arms
    clusters = f" in {comparison.clusters} clusters" if comparison.clusters < comparison.items else ""
    lines = [f"A = {arms[0]}, B = {arms[1]}, on the same {comparison.items} items{clusters}.", ""]
    level = f"{comparison.confidence_level:.0%} interval"
    gap = f"{comparison.a - comparison.b:+.3f}"
    lines.append(f"Mean {comparison.metric}: A {comparison.a:.3f}, B {comparison.b:.3f}, A - B {gap}")
    if one is not None:
        verdict = f"no verdict, {one.reason}" if one.p is None else f"p {format_p(one.p)}"
        lines.append(f"  {level} {format_interval(one.interval, '+')}, {verdict}: {one.test}, because {one.why}.")
    lines.append(f"  sign-flip permutation over clusters, not to be chosen from: p {format_p(comparison.permutation.p)}.")
    if comparison.equivalence is not None:
        lines.append(f"  Equivalence within {comparison.equivalence.margin:g}: p {format_p(comparison.equivalence.p)}.")
    remarks = [f"Warning: {text}." for text in comparison.warnings]
    remarks += [f"Not computed: {block} ({reason})." for block, reason in comparison.reasons.items()]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in [*lines, *([""] if remarks else []), *remarks])
