"""A whole comparison of two arms: its blocks, then the rows of its table, then its text for a reader of a radiology journal.

One file, since a `Comparison` prints itself as that text.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paper_figures.comparison.diagnostic_block import Diagnostic, diagnostic_text
from paper_figures.statistics.bootstrap.result import BootstrapDifference
from paper_figures.statistics.clustered.difference import ClusteredDifferenceResult
from paper_figures.statistics.clustered.sign_flip import SignFlipResult
from paper_figures.statistics.clustered.sums import ClusteredTestResult
from paper_figures.statistics.equivalence import EquivalenceResult
from paper_figures.statistics.multiplicity import holm
from paper_figures.statistics.multireader.procedure import ProcedureResult
from paper_figures.statistics.multireader.random_factors import Factor
from paper_figures.statistics.proportions.mcnemar import McNemarResult
from paper_figures.statistics.proportions.paired_difference import PairedDifferenceResult
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.delong import AurocDifference
from paper_figures.statistics.roc.permutation import AurocPermutationResult
from see_in_pairs.display import html_frame

if TYPE_CHECKING:
    import pandas as pd


NAMES = {
    "accuracy": "Accuracy",
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "sensitivity": "Sensitivity",
    "brier": "Brier score (lower is better)",
    "calibration_error": "Calibration error (lower is better)",
}
WIDTH = 120


@dataclass(frozen=True, repr=False)
class Accuracy(Result):
    """Accuracies of independent items."""

    paired: PairedDifferenceResult  # estimates and intervals of their difference
    mcnemar: McNemarResult
    a_interval: Interval | None  # of A's accuracy; allows for clusters, if any; None over one cluster
    b_interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        keys = ("a", "b", "difference", "n10", "n01", "intervals")
        tests = {key: getattr(self.mcnemar, key) for key in ("exact", "mid_p", "asymptotic", "corrected")}
        around = {"a_interval": self.a_interval, "b_interval": self.b_interval}
        return {key: getattr(self.paired, key) for key in keys} | {"mcnemar": tests} | around


@dataclass(frozen=True, repr=False)
class ClusteredAccuracy(Result):
    """Tests of equal accuracy that allow for correlation within clusters."""

    obuchowski: ClusteredTestResult
    yang: ClusteredTestResult
    durkalski: ClusteredTestResult
    difference: ClusteredDifferenceResult

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        tests = {"obuchowski": self.obuchowski, "yang": self.yang, "durkalski": self.durkalski}
        content = {name: {"statistic": test.statistic, "p": test.p} for name, test in tests.items()}
        return content | {"difference": difference_dict(self.difference), "design_effect": self.difference.design_effect}


@dataclass(frozen=True, repr=False)
class Auroc(Result):
    """Areas under the ROC curve and their difference."""

    a: float
    b: float
    difference: float
    delong: AurocDifference | None  # as if items were independent; None if there are too few of a class
    clustered_delong: AurocDifference | None  # with clusters; None if too few clusters have items of a class
    a_interval: Interval | None  # of `a`; allows for clusters, if any
    b_interval: Interval | None
    # as `clustered_delong`, against t, with few degrees of freedom if there are few clusters
    clustered_t: ClusteredDifferenceResult | None = None
    two_way: ClusteredDifferenceResult | None = None  # with two kinds of clusters
    permutation: AurocPermutationResult | None = None  # independent items, neither class rare

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        results = {"clustered_t": self.clustered_t, "two_way": self.two_way}
        return super().to_dict() | {name: result and difference_dict(result) for name, result in results.items()}


@dataclass(frozen=True, repr=False)
class Recommendation(Result):
    """The one test to report for a measure, by a fixed rule."""

    measure: str
    test: str  # its name, in words
    why: str  # why this one applies
    difference: float
    interval: Interval
    p: float | None  # None if no test keeps its level in this design
    se: float | None = None  # None for a test without one, for example McNemar's
    df: float | None = None  # degrees of freedom of the t distribution; None without one
    admissible: bool = True  # whether the test keeps its level in this design
    reason: str = ""  # why not; '' if it does
    factors: Mapping[str, Factor] = field(default_factory=dict)  # which factors vary, and which are fixed
    margin: EquivalenceResult | None = None  # equivalence, non-inferiority and non-superiority at the given margin

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        keys = ("levels", "effective", "random")
        factors = {name: {key: getattr(factor, key) for key in keys} for name, factor in self.factors.items()}
        return super().to_dict() | {"factors": factors}


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """Every paired test of two arms on the same items; differences are A minus B.

    Parameters
    ----------
    items, clusters : int
        Number of items that both arms answered, and of clusters; without clusters both are equal.
    arms : tuple of str
        Names of arms A and B.
    accuracy : Accuracy or None
        Accuracies and McNemar's tests, as if items were independent.
    clustered_accuracy : ClusteredAccuracy or None
        Tests of equal accuracy that allow for correlation within clusters.
    auroc : Auroc or None
        Areas under the ROC curve; None if only right and wrong are known, or there is one class.
    two_way : ClusteredDifferenceResult or None
        The accuracy difference with two kinds of clusters. It is not the recommended test, which allows for every random factor.
    equivalence : EquivalenceResult or None
        Test that the accuracy difference is within a margin, if one was given: the `margin` of the recommended test.
    procedure, procedure_auroc : ProcedureResult or None
        The differences of accuracy and of AUROC with patients crossed with training seeds, if there are several. Not the recommended
        tests, which allow for shared references and for each arm's own trainings.
    bootstrap : dict of str to BootstrapDifference
        Paired bootstrap over clusters of each measure that has a value.
    permutation : SignFlipResult or None
        Sign-flip test of the accuracy difference over clusters.
    recommended : dict of str to Recommendation
        The one test to report, for ``accuracy`` and ``auroc``; a measure without a suitable test is left out, with its reason.
    reasons : dict of str to str
        Why a block is None, by the name of the block.
    warnings : tuple of str
        Warnings for the reader, for example clusters that a test ignores.
    confidence_level : float
        Share of repetitions in which each interval covers the true value.
    specificity : float, default 0.9
        The specificity at which sensitivities are compared.
    diagnostic : Diagnostic or None
        Operating points, partial area, flips and net benefit.
    """

    items: int
    clusters: int
    arms: tuple[str, str]
    accuracy: Accuracy | None  # None if it is unknown which scores are positive
    clustered_accuracy: ClusteredAccuracy | None
    auroc: Auroc | None
    two_way: ClusteredDifferenceResult | None
    equivalence: EquivalenceResult | None
    procedure: ProcedureResult | None
    procedure_auroc: ProcedureResult | None
    bootstrap: dict[str, BootstrapDifference]
    permutation: SignFlipResult | None
    recommended: dict[str, Recommendation]
    reasons: dict[str, str]
    warnings: tuple[str, ...]
    confidence_level: float
    specificity: float = 0.9
    diagnostic: Diagnostic | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``see-in-pairs compare --json``.

        Returns
        -------
        dict
            Stable keys; a block that cannot be computed is None and has its reason under ``reasons``.
        """
        content = super().to_dict() | {"arms": list(self.arms), "warnings": list(self.warnings)}
        content["two_way"] = self.two_way and difference_dict(self.two_way) | {"note": self.two_way.note}
        auroc = content.pop("procedure_auroc")
        if content["procedure"] is not None or auroc is not None:
            content["procedure"] = (content["procedure"] or {}) | {"auroc": auroc}
        return content

    def to_frame(self) -> pd.DataFrame:
        """Tabulate the tests.

        Returns
        -------
        pandas.DataFrame
            One row per test: ``measure, test, a, b, difference, low, high, p, recommended``.
        """
        return _frame(self)

    def __repr__(self) -> str:
        return _text(self)

    def _repr_html_(self) -> str:
        columns = ["measure", "test", "a", "b", "difference", "low", "high", "p"]
        table = self.to_frame().sort_values("recommended", ascending=False, kind="stable")
        note = f"A = {self.arms[0]}, B = {self.arms[1]}; the first {len(self.recommended)} rows are the tests to report."
        return html_frame(_heading(self), table[columns], " ".join([note, *(f"Warning: {text}." for text in self.warnings)]))


def difference_dict(result: ClusteredDifferenceResult) -> dict[str, Any]:
    """Cluster-robust difference in the layout of the JSON: ``estimate, se, df, interval, p``."""
    return {key: getattr(result, key) for key in ("estimate", "se", "df", "interval", "p")}


def _frame(comparison: Comparison) -> pd.DataFrame:
    import pandas as pd

    rows = [*_recommended_rows(comparison), *_accuracy_rows(comparison), *_auroc_rows(comparison), *_bootstrap_rows(comparison)]
    rows += comparison.diagnostic.rows() if comparison.diagnostic else []
    return pd.DataFrame(rows).assign(arm_a=comparison.arms[0], arm_b=comparison.arms[1])


def _row(
    measure: str, test: str, values: tuple[float, float, float], interval: Interval | None, p: float | None, recommended: bool = False
) -> dict[str, Any]:
    """One row of the table; `values` are those of A and B and their difference."""
    (a, b, difference), (low, high) = values, interval or (math.nan, math.nan)
    return {
        "measure": measure, "test": test, "a": a, "b": b, "difference": difference, "low": low, "high": high,
        "p": math.nan if p is None else p,
        "recommended": recommended,
    }  # fmt: skip


def _recommended_rows(comparison: Comparison) -> list[dict[str, Any]]:
    arms = {} if comparison.accuracy is None else {"accuracy": (comparison.accuracy.paired.a, comparison.accuracy.paired.b)}
    if comparison.auroc:
        arms["auroc"] = (comparison.auroc.a, comparison.auroc.b)
    return [_row(name, one.test, (*arms[name], one.difference), one.interval, one.p, True) for name, one in comparison.recommended.items()]


def _accuracy_rows(comparison: Comparison) -> list[dict[str, Any]]:
    if comparison.accuracy is None:
        return []
    paired, mcnemar, clustered = comparison.accuracy.paired, comparison.accuracy.mcnemar, comparison.clustered_accuracy
    tests: list[tuple[str, Interval | None, float]] = [
        (f"McNemar {name.replace('_', '-')}", None, getattr(mcnemar, name)) for name in ("exact", "mid_p", "asymptotic", "corrected")
    ]
    tests += [(f"{name} interval", interval, math.nan) for name, interval in paired.intervals.items()]
    if clustered:
        tests += [(name.capitalize(), None, getattr(clustered, name).p) for name in ("obuchowski", "yang", "durkalski")]
        tests.append(("clustered difference", clustered.difference.interval, clustered.difference.p))
    for name, result in (("two-way clusters", comparison.two_way), ("procedure", comparison.procedure)):
        tests += [(name, result.interval, result.p)] if result else []
    tests += [("sign-flip permutation", None, comparison.permutation.p)] if comparison.permutation else []
    return [_row("accuracy", name, (paired.a, paired.b, paired.difference), interval, p) for name, interval, p in tests]


def _auroc_rows(comparison: Comparison) -> list[dict[str, Any]]:
    auroc = comparison.auroc
    if auroc is None:
        return []
    tests = (
        ("DeLong", auroc.delong), ("clustered DeLong", auroc.clustered_delong), ("clustered DeLong, t", auroc.clustered_t),
        ("two-way DeLong, t", auroc.two_way), ("AUROC by procedure", comparison.procedure_auroc),
    )  # fmt: skip
    values = (auroc.a, auroc.b, auroc.difference)
    rows = [_row("auroc", name, values, test.interval, test.p) for name, test in tests if test]
    return rows + ([_row("auroc", "permutation of swapped arms", values, None, auroc.permutation.p)] if auroc.permutation else [])


def _bootstrap_rows(comparison: Comparison) -> list[dict[str, Any]]:
    paired, rows = comparison.accuracy and comparison.accuracy.paired, []
    for name, one in comparison.bootstrap.items():
        # the multinomial short cut gives the difference only
        arms = (paired.a, paired.b) if name == "accuracy" and paired else (one.a, one.b)
        rows.append(_row(name, f"bootstrap, {one.method}", (*arms, one.difference), one.interval, math.nan))
    return rows


def _text(comparison: Comparison) -> str:
    parts = [_heading(comparison), _table(comparison), _in_words(comparison), _why(comparison), _others(comparison)]
    parts += [diagnostic_text(comparison.diagnostic, comparison.arms, comparison.confidence_level)] if comparison.diagnostic else []
    parts.append(_remarks(comparison))
    return "\n\n".join(part for part in parts if part)


def _heading(comparison: Comparison) -> str:
    clusters = f" in {comparison.clusters} clusters" if comparison.clusters < comparison.items else ""
    arms = f"A = {comparison.arms[0]}, B = {comparison.arms[1]}"
    return f"{arms}, on the same {comparison.items} items{clusters}."


def _table(comparison: Comparison) -> str:
    level = f"[{comparison.confidence_level:.0%} interval]"
    head = ("", f"A {level}", f"B {level}", f"A - B {level}", "p", "test")
    lines = [head, *_main_lines(comparison), *_bootstrap_lines(comparison)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = "-" * min(WIDTH, sum(widths) + 2 * len(widths))
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([rule, text[0], rule, *text[1:], rule])


def _main_lines(comparison: Comparison) -> list[tuple[str, ...]]:
    accuracy, auroc = comparison.accuracy, comparison.auroc
    arms: dict[str, tuple[tuple[float, Interval | None], ...]] = {}
    if accuracy:
        arms["accuracy"] = ((accuracy.paired.a, accuracy.a_interval), (accuracy.paired.b, accuracy.b_interval))
    if auroc:
        arms["auroc"] = ((auroc.a, auroc.a_interval), (auroc.b, auroc.b_interval))
    lines = []
    for name, values in arms.items():
        one = comparison.recommended.get(name)
        gap = values[0][0] - values[1][0] if one is None else one.difference  # of all trainings, if the arms have their own
        between, p, test = ("", "-", "none: see below") if one is None else (format_interval(one.interval, "+"), format_p(one.p), one.test)
        shown = (f"{value:.3f} {format_interval(interval)}" for value, interval in values)
        lines.append((NAMES[name], *shown, f"{gap:+.3f} {between}", p, test))
    return lines


def _bootstrap_lines(comparison: Comparison) -> list[tuple[str, ...]]:
    names = NAMES | {"sensitivity": f"Sensitivity at specificity {comparison.specificity:g}"}
    return [
        (
            names[name], f"{one.a:.3f} {format_interval(one.a_interval)}", f"{one.b:.3f} {format_interval(one.b_interval)}",
            f"{one.difference:+.3f} {format_interval(one.interval, '+')}", "", f"paired bootstrap ({one.method}, {one.resamples})",
        )
        for name, one in comparison.bootstrap.items() if name not in ("accuracy", "auroc")
    ]  # fmt: skip


def _in_words(comparison: Comparison) -> str:
    """The result as a paper would state it; a difference that is not shown is not called equality."""
    lines = []
    for name, one in comparison.recommended.items():
        unit, scale, digits = ("percentage points", 100.0, 1) if name == "accuracy" else ("", 1.0, 3)
        low, high = (f"{scale * end:+.{digits}f}" for end in one.interval)
        size = f"{scale * one.difference:+.{digits}f} {unit}".strip()
        a, b = comparison.arms
        level = f"{comparison.confidence_level:.0%} interval {low} to {high}"
        if one.p is None:
            lines.append(f"{NAMES[name]}, {a} minus {b}: {size} ({level}). No verdict: {one.reason}.")
            continue
        found = (
            "the data tell them apart" if one.p < 1 - comparison.confidence_level else "not told apart by these data (no proof of equality)"
        )
        p = format_p(one.p)
        lines.append(f"{NAMES[name]}, {a} minus {b}: {size} ({level}, p {p if p.startswith('<') else f'= {p}'}): {found}.")
        lines += [f"{NAMES[name]}: {_margin_in_words(one.margin, a)}"] if one.margin else []
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def _margin_in_words(found: EquivalenceResult, a: str) -> str:
    one_sided = f"{a} not worse p {format_p(found.non_inferior_p)}, {a} not better p {format_p(found.non_superior_p)}"
    return f"at the margin {found.margin:g}: equivalent p {format_p(found.p)}, {one_sided} ({found.method})."


def _why(comparison: Comparison) -> str:
    lines = [f"{NAMES[name]}: {one.test}, because {one.why}." for name, one in comparison.recommended.items()]
    factors = next((one.factors for one in comparison.recommended.values()), {})
    if factors:
        lines.append(f"Factors: {'; '.join(f'{name} {_factor_in_words(factor)}' for name, factor in factors.items())}.")
    p_values = {name: one.p for name, one in comparison.recommended.items() if one.p is not None}
    if len(p_values) > 1:
        adjusted = holm(list(p_values.values()), family="recommended").adjusted
        shown = ", ".join(f"{NAMES[name]} {format_p(float(p))}" for name, p in zip(p_values, adjusted, strict=True))
        lines.append(f"Family 'recommended', {len(adjusted)} tests; p by Holm's method: {shown}.")
    return "\n".join(lines)


def _factor_in_words(factor: Factor) -> str:
    effective = "" if abs(factor.effective - factor.levels) < 0.05 else f", effectively {factor.effective:.1f}"
    return f"{factor.levels}{effective}, {'random' if factor.random else 'fixed'}"


def _others(comparison: Comparison) -> str:
    frame_rows = [row for row in [*_accuracy_rows(comparison), *_auroc_rows(comparison)] if not math.isnan(row["p"])]
    tests = "; ".join(f"{row['test']} {format_p(row['p'])}" for row in frame_rows)
    lines = [f"Family 'all tests of this comparison', not to be chosen from, unadjusted p: {tests}."]
    if comparison.accuracy:
        paired = comparison.accuracy.paired
        lines.insert(0, f"Right in A only: {paired.n10} items; right in B only: {paired.n01}.")
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def _remarks(comparison: Comparison) -> str:
    remarks = [f"Warning: {text}." for text in comparison.warnings]
    remarks += [f"Not computed: {block} ({reason})." for block, reason in comparison.reasons.items()]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in remarks)


def format_p(p: float | None) -> str:
    """Write a p-value as journals do: two significant digits, never 0.

    Examples
    --------
    >>> format_p(0.0312), format_p(0.00002), format_p(1.0)
    ('.031', '<.001', '1.00')
    """
    if p is None or math.isnan(p):
        return "-"
    if p < 0.001:
        return "<.001"
    digits = 3 if p < 0.1 else 2
    return f"{p:.{digits}f}".removeprefix("0")


def format_interval(interval: Interval | None, sign: str = "") -> str:
    """Write an interval with three decimals: ``[-0.012, +0.051]``; '' without one."""
    if interval is None or math.isnan(interval[0]):
        return ""
    return f"[{interval[0]:{sign}.3f}, {interval[1]:{sign}.3f}]"
