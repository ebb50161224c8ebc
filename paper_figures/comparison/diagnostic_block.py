"""What a paper on a diagnostic test reports for two arms: the block ``diagnostic`` of a comparison, its text and the rows of its table."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from paper_figures.comparison.factors_block import fixed_factors
from paper_figures.comparison.item_table import ComparisonSettings, ItemTable
from paper_figures.statistics.diagnostic.factors import Factors, PairedMeasure, factors
from paper_figures.statistics.diagnostic.flips import FlipTable, flips_of
from paper_figures.statistics.diagnostic.net_benefit import THRESHOLDS, NetBenefitResult, net_benefit_of
from paper_figures.statistics.diagnostic.operating_point import HELD, MEASURES, OperatingPoint, PairedScores, at_specificity, at_threshold
from paper_figures.statistics.diagnostic.partial_area import PartialAurocResult, compare_partial_areas
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.delong import curves_and_labels
from paper_figures.statistics.validation import NotEstimable

PARTIAL = (0.8, 1.0)
"""Specificities over which the partial AUROC is compared."""

MANY_ROWS, FEW_THRESHOLDS = 200_000, (0.1, 0.2, 0.3, 0.5, 0.7)
"""With more rows nothing is resampled, and net benefit is given at few threshold probabilities."""

WIDTH, CELLS = 120, 20_000_000  # resamples x rows
NAMES = {
    "sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "Positive predictive value", "npv": "Negative predictive value",
    "positive_likelihood_ratio": "Positive likelihood ratio", "negative_likelihood_ratio": "Negative likelihood ratio",
}  # fmt: skip
Found = TypeVar("Found")


@dataclass(frozen=True, repr=False)
class Diagnostic(Result):
    """Operating points, partial area, flips and net benefit of two arms; a part that cannot be computed is None."""

    at_threshold: OperatingPoint | None
    at_specificity: OperatingPoint | None
    partial_auroc: PartialAurocResult | None
    flips: FlipTable | None
    net_benefit: NetBenefitResult | None

    def measures(self) -> Iterator[tuple[str, str, PairedMeasure]]:
        """Every paired measure: where, what, and its result."""
        for point in (self.at_threshold, self.at_specificity):
            if point is not None:
                where = f"{'threshold' if point.at == 'threshold' else 'specificity'} {point.value:g}"
                yield from ((where, NAMES[name], getattr(point, name)) for name in MEASURES)
        if self.partial_auroc is not None:
            area = self.partial_auroc
            yield f"{area.over} {area.low:g} to {area.high:g}", "Partial AUROC, standardised", area.standardised

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the comparison's table; a ratio is given as the difference of logarithms, its arms unchanged."""
        found = []
        for where, name, one in self.measures():
            low, high = one.interval or (math.nan, math.nan)
            measure, difference = f"{name.lower()} at {where}", one.estimate
            if one.contrast == "ratio":  # as a difference, so that every row is A minus B
                measure = f"log {measure}"
                difference, low, high = (math.log(value) if value > 0 else math.nan for value in (difference, low, high))
            found.append({
                "measure": measure, "test": one.test, "a": one.a, "b": one.b, "difference": difference, "low": low, "high": high,
                "p": one.p, "recommended": False,
            })  # fmt: skip
        return found


def diagnostic_block(table: ItemTable, settings: ComparisonSettings, reasons: dict[str, str]) -> Diagnostic:
    """Compute what the items allow; the reason for each missing part goes into `reasons`."""

    def attempt(name: str, compute: Callable[[], Found]) -> Found | None:
        try:
            return compute()
        except NotEstimable as error:
            reasons[f"diagnostic.{name}"] = str(error)
            return None

    def chosen() -> Factors:
        fixed = fixed_factors(settings.fixed)
        if "patients" in fixed:
            raise NotEstimable("cases are fixed, but these intervals are for new ones")
        found = factors(table.items, table.codes, table.seeds, None if "references" in fixed else table.second)
        return replace(found, fixed_seeds="seeds" in fixed)

    design = attempt("flips", chosen)
    flips = None if design is None else attempt("flips", lambda: flips_of(table.right_a, table.right_b, design, settings.level))
    if table.scores is None or table.labels is None or design is None:
        why = "right or wrong only: it needs scores and labels" if design else reasons["diagnostic.flips"]
        reasons |= {f"diagnostic.{name}": why for name in ("at_threshold", "at_specificity", "partial_auroc", "net_benefit")}
        return Diagnostic(None, None, None, flips, None)
    scores, labels, many = table.scores, table.labels, table.items > MANY_ROWS
    data, level = PairedScores(scores, labels, design, settings.level), settings.level
    resamples = settings.resamples or max(200, min(2000, CELLS // table.items))

    def fixed() -> OperatingPoint:
        if many:
            raise NotEstimable(f"more than {MANY_ROWS:,} rows: measures_at_specificity gives it in Python")
        return at_specificity(data, settings.specificity, resamples, settings.method, settings.seed)

    def both_classes(compute: Callable[[], Found]) -> Callable[[], Found]:
        def checked() -> Found:
            curves_and_labels(scores, labels)
            return compute()

        return checked

    thresholds = FEW_THRESHOLDS if many else THRESHOLDS
    return Diagnostic(
        attempt("at_threshold", both_classes(lambda: at_threshold(data, settings.threshold))),
        attempt("at_specificity", both_classes(fixed)),
        attempt("partial_auroc", both_classes(lambda: compare_partial_areas(scores, labels, design, PARTIAL, "specificity", level))),
        flips,
        attempt("net_benefit", lambda: net_benefit_of(scores, labels, design, thresholds, level)),
    )


def diagnostic_text(found: Diagnostic, arms: tuple[str, str], level: float) -> str:
    """The block as text: a table of paired measures, then flips and net benefit, then measures without interval and why."""
    interval = f"[{level:.0%} interval]"
    lines: list[tuple[str, ...]] = [("", f"A {interval}", f"B {interval}", f"A - B, or A / B {interval}", "p")]
    before = ""
    for where, name, one in found.measures():
        if where != before:
            lines.append((f"at {where}" if one.contrast == "difference" and name in NAMES.values() else f"over {where}", "", "", "", ""))
            before = where
        sign = "+" if one.contrast == "difference" else ""
        contrast = _with_ends(one.estimate, one.interval, sign) + (" (ratio)" if one.contrast == "ratio" else "")
        contrast = "held" if one.test == HELD else contrast
        p = "" if math.isnan(one.p) else "<.001" if one.p < 0.001 else f"{one.p:.3f}".removeprefix("0")
        lines.append((f"  {name}", _with_ends(one.a, one.a_interval), _with_ends(one.b, one.b_interval), contrast, p))
    lines += _net_benefit(found.net_benefit)
    parts = [_aligned(lines)] if len(lines) > 1 else []
    remarks = [*_points(found), *_flips(found.flips, arms, level), *_without_interval(found)]
    parts += [textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in remarks]
    return "\n".join(parts)


def _aligned(lines: list[tuple[str, ...]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = "-" * min(WIDTH, sum(widths) + 2 * len(widths))
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([rule, text[0], rule, *text[1:], rule])


def _points(found: Diagnostic) -> list[str]:
    lines = []
    if found.at_threshold:
        lines.append(f"Predictive values hold at the prevalence of these items, {found.at_threshold.prevalence:.3f}.")
    if found.at_specificity:
        a, b = found.at_specificity.thresholds
        lines.append(
            f"At specificity {found.at_specificity.value:g}: thresholds {a:.3g} (A) and {b:.3g} (B) are estimated on these items, "
            "again in each resample of clusters, so intervals allow for it."
        )
    return lines


def _flips(found: FlipTable | None, arms: tuple[str, str], level: float) -> list[str]:
    if found is None:
        return []
    shown = []
    for name, one in (("harmful", found.harmful), ("beneficial", found.beneficial), ("churn", found.churn)):
        around = f" [{100 * one.interval[0]:.1f}, {100 * one.interval[1]:.1f}]" if one.interval else ""
        shown.append(f"{one.items:.4g} {name} ({100 * one.share:.1f} %{around})")
    average = f", averaged over {found.trainings} trainings" if found.trainings > 1 else ""
    return [f"Flips where {arms[1]} replaces {arms[0]}, of {found.items:g} items{average} ({level:.0%} intervals): {', '.join(shown)}."]


def _net_benefit(found: NetBenefitResult | None) -> list[tuple[str, ...]]:
    """Lines of the table at a few threshold probabilities."""
    if found is None:
        return []
    lines: list[tuple[str, ...]] = [("net benefit by threshold probability (treat none: 0)", "", "", "", "")]
    for row in [row for row, threshold in enumerate(found.thresholds) if any(math.isclose(threshold, one) for one in FEW_THRESHOLDS)]:
        shown = []
        for name, sign in (("a", ""), ("b", ""), ("difference", "+")):
            shown.append(_with_ends(getattr(found, name)[row], (found.low[name][row], found.high[name][row]), sign))
        lines.append((f"  {found.thresholds[row]:g} (treat all: {_short(found.treat_all[row])})", *shown, ""))
    return lines


def _without_interval(found: Diagnostic) -> list[str]:
    """Measures without an interval, by the reason."""
    why: dict[str, list[str]] = {}
    of_point: dict[str, list[PairedMeasure]] = {}
    for where, _, measure in found.measures():
        of_point.setdefault(where, []).append(measure)
    for where, name, measure in found.measures():
        lacking = [one.reason for one in of_point[where] if one.test != HELD]
        if len(set(lacking)) == 1 and len(lacking) > 1:
            name = "all measures"
        if measure.reason and f"{name.lower()} at {where}" not in why.setdefault(measure.reason, []):
            why[measure.reason].append(f"{name.lower()} at {where}")
    for name, one in (("flips", found.flips), ("net benefit", found.net_benefit)):
        if one is not None and one.reason:
            why.setdefault(one.reason, []).append(name)
    return [f"No interval: {', '.join(names)} ({reason})." for reason, names in why.items()]


def _short(value: float, sign: str = "") -> str:
    """Three decimals; three significant digits if a likelihood ratio is large."""
    if math.isnan(value):
        return "-"
    return f"{value:{sign}.3f}" if abs(value) < 10 else f"{value:{sign}.3g}"


def _with_ends(value: float, interval: Interval | None, sign: str = "") -> str:
    if interval is None or any(math.isnan(end) for end in interval):
        return _short(value, sign)
    return f"{_short(value, sign)} [{_short(interval[0], sign)}, {_short(interval[1], sign)}]"
