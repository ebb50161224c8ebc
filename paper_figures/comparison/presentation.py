"""A comparison as a table that a reader of a radiology journal understands."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from paper_figures.statistics.multiplicity import holm
from paper_figures.statistics.result import Interval

if TYPE_CHECKING:
    import pandas as pd

    from paper_figures.comparison.result import Comparison

NAMES = {
    "accuracy": "Accuracy",
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "sensitivity": "Sensitivity",
    "brier": "Brier score (lower is better)",
    "calibration_error": "Calibration error (lower is better)",
}
WIDTH = 120


def format_p(p: float) -> str:
    """Write a p-value as journals do.

    Parameters
    ----------
    p : float
        The p-value; NaN where there is none.

    Returns
    -------
    str
        Two significant digits, never 0.

    Examples
    --------
    >>> format_p(0.0312), format_p(0.00002), format_p(1.0)
    ('.031', '<.001', '1.00')
    """
    if math.isnan(p):
        return "-"
    if p < 0.001:
        return "<.001"
    digits = 3 if p < 0.1 else 2
    return f"{p:.{digits}f}".removeprefix("0")


def format_interval(interval: Interval | None, sign: str = "") -> str:
    """Write an interval with three decimals.

    Parameters
    ----------
    interval : tuple of float or None
        The two ends.
    sign : str, default ''
        ``'+'`` for differences.

    Returns
    -------
    str
        For example ``'[-0.012, +0.051]'``; '' without an interval.
    """
    if interval is None or math.isnan(interval[0]):
        return ""
    return f"[{interval[0]:{sign}.3f}, {interval[1]:{sign}.3f}]"


def comparison_frame(comparison: Comparison) -> pd.DataFrame:
    """Give every test of a comparison as a table row.

    Parameters
    ----------
    comparison : Comparison
        The comparison.

    Returns
    -------
    pandas.DataFrame
        Columns ``measure, test, a, b, difference, low, high, p, recommended``; NaN where a test has no such thing.
    """
    import pandas as pd

    rows = [*_recommended_rows(comparison), *_accuracy_rows(comparison), *_auroc_rows(comparison), *_bootstrap_rows(comparison)]
    return pd.DataFrame(rows).assign(arm_a=comparison.arms[0], arm_b=comparison.arms[1])


def _row(
    measure: str, test: str, a: float, b: float, difference: float, interval: Interval | None, p: float, best: bool = False
) -> dict[str, Any]:
    low, high = interval or (math.nan, math.nan)
    return {
        "measure": measure,
        "test": test,
        "a": a,
        "b": b,
        "difference": difference,
        "low": low,
        "high": high,
        "p": p,
        "recommended": best,
    }


def _recommended_rows(comparison: Comparison) -> list[dict[str, Any]]:
    values = {"accuracy": (comparison.accuracy.paired.a, comparison.accuracy.paired.b)}
    if comparison.auroc:
        values["auroc"] = (comparison.auroc.a, comparison.auroc.b)
    return [_row(name, one.test, *values[name], one.difference, one.interval, one.p, True) for name, one in comparison.recommended.items()]


def _accuracy_rows(comparison: Comparison) -> list[dict[str, Any]]:
    paired, tests = comparison.accuracy.paired, comparison.accuracy.mcnemar
    values = ("accuracy", paired.a, paired.b, paired.difference)

    def row(test: str, interval: Interval | None, p: float) -> dict[str, Any]:
        return _row(values[0], test, *values[1:], interval, p)

    rows = [row(f"McNemar {name.replace('_', '-')}", None, getattr(tests, name)) for name in ("exact", "mid_p", "asymptotic", "corrected")]
    rows += [row(f"{name} interval", interval, math.nan) for name, interval in paired.intervals.items()]
    clustered = comparison.clustered_accuracy
    if clustered:
        rows += [row(name.capitalize(), None, getattr(clustered, name).p) for name in ("obuchowski", "yang", "durkalski")]
        rows.append(row("clustered difference", clustered.difference.interval, clustered.difference.p))
    for name, result in (("two-way clusters", comparison.two_way), ("procedure", comparison.procedure)):
        rows += [row(name, result.interval, result.p)] if result else []
    return [*rows, row("sign-flip permutation", None, comparison.permutation.p)]


def _auroc_rows(comparison: Comparison) -> list[dict[str, Any]]:
    auroc = comparison.auroc
    if auroc is None:
        return []
    tests = (
        ("DeLong", auroc.delong), ("clustered DeLong", auroc.clustered_delong), ("clustered DeLong, t", auroc.clustered_t),
        ("two-way DeLong, t", auroc.two_way), ("AUROC by procedure", comparison.procedure_auroc),
    )  # fmt: skip
    return [_row("auroc", name, auroc.a, auroc.b, auroc.difference, test.interval, test.p) for name, test in tests if test]


def _bootstrap_rows(comparison: Comparison) -> list[dict[str, Any]]:
    paired = comparison.accuracy.paired
    return [
        _row(
            name,
            f"bootstrap, {one.method}",
            *((paired.a, paired.b) if name == "accuracy" else (one.a, one.b)),
            one.difference,
            one.interval,
            math.nan,
        )
        for name, one in comparison.bootstrap.items()
    ]


def comparison_text(comparison: Comparison) -> str:
    """Write a comparison for a person.

    Parameters
    ----------
    comparison : Comparison
        The comparison.

    Returns
    -------
    str
        Heading, table, the reasons for the tests, other tests, warnings.
    """
    parts = [_heading(comparison), _table(comparison), _in_words(comparison), _why(comparison), _others(comparison), _remarks(comparison)]
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
    lines = []
    for name, one in comparison.recommended.items():
        block: Any = comparison.auroc if name == "auroc" else comparison.accuracy.paired
        around: Any = comparison.auroc if name == "auroc" else comparison.accuracy
        values = [
            f"{value:.3f} {format_interval(interval)}" for value, interval in ((block.a, around.a_interval), (block.b, around.b_interval))
        ]
        lines.append((NAMES[name], *values, f"{one.difference:+.3f} {format_interval(one.interval, '+')}", format_p(one.p), one.test))
    return lines


def _bootstrap_lines(comparison: Comparison) -> list[tuple[str, ...]]:
    names = NAMES | {"sensitivity": f"Sensitivity at specificity {comparison.specificity:g}"}
    return [
        (
            names[name], f"{one.a:.3f} {format_interval(one.a_interval)}", f"{one.b:.3f} {format_interval(one.b_interval)}",
            f"{one.difference:+.3f} {format_interval(one.interval, '+')}", "", f"paired bootstrap ({one.method}, {one.resamples})",
        )
        for name, one in comparison.bootstrap.items() if name not in comparison.recommended
    ]  # fmt: skip


def _in_words(comparison: Comparison) -> str:
    """Say the result as one would in a paper; what cannot be told is not called equality."""
    lines = []
    for name, one in comparison.recommended.items():
        unit, scale, digits = ("percentage points", 100.0, 1) if name == "accuracy" else ("", 1.0, 3)
        low, high = (f"{scale * end:+.{digits}f}" for end in one.interval)
        size = f"{scale * one.difference:+.{digits}f} {unit}".strip()
        a, b = comparison.arms
        found = (
            "the data tell them apart" if one.p < 1 - comparison.confidence_level else "not told apart by these data (no proof of equality)"
        )
        p = format_p(one.p)
        level = f"{comparison.confidence_level:.0%} interval {low} to {high}, p {p if p.startswith('<') else f'= {p}'}"
        lines.append(f"{NAMES[name]} of {a} less that of {b}: {size} ({level}): {found}.")
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def _why(comparison: Comparison) -> str:
    lines = [f"{NAMES[name]}: {one.test}, because {one.why}." for name, one in comparison.recommended.items()]
    if len(comparison.recommended) > 1:
        adjusted = holm([one.p for one in comparison.recommended.values()], family="recommended").adjusted
        shown = ", ".join(f"{NAMES[name]} {format_p(float(p))}" for name, p in zip(comparison.recommended, adjusted, strict=True))
        lines.append(f"Family 'recommended', {len(adjusted)} tests; p by Holm's method: {shown}.")
    return "\n".join(lines)


def _others(comparison: Comparison) -> str:
    frame_rows = [row for row in [*_accuracy_rows(comparison), *_auroc_rows(comparison)] if not math.isnan(row["p"])]
    tests = "; ".join(f"{row['test']} {format_p(row['p'])}" for row in frame_rows)
    lines = [f"Family 'all tests of this comparison', not to be chosen from, unadjusted p: {tests}."]
    if comparison.equivalence:
        equal = comparison.equivalence
        one_sided = f"A not worse by the margin: p {format_p(equal.non_inferior_p)}"
        lines.append(f"Equivalence of accuracy within {equal.margin:g}: p {format_p(equal.p)} ({one_sided}; {equal.method}).")
    paired = comparison.accuracy.paired
    lines.insert(0, f"Right in A only: {paired.n10} items; right in B only: {paired.n01}.")
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def _remarks(comparison: Comparison) -> str:
    remarks = [f"Warning: {text}." for text in comparison.warnings]
    remarks += [f"Not computed: {block} ({reason})." for block, reason in comparison.reasons.items()]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in remarks)
