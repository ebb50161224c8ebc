"""Report of a power analysis: a short table for a person, JSON for a program."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theory.power.analysis import Expected, PlanningEvidence, StudyDesign
    from theory.power.options import Leak

FIRST_ORDER = 200  # from 100 cases per class on DeLong's first-order variance is good to 8 % (T12.8)
LABELS = {"auc": "AUROC", "sensitivity": "sensitivity at {:.0%} specificity", "accuracy": "accuracy"}


@dataclass(frozen=True)
class PlanReport:
    """A power analysis, with its inputs."""

    evidence: PlanningEvidence
    design: StudyDesign
    expected: dict[str, Expected]  # by measure
    inputs: dict[str, Any]  # options that the user gave, for the JSON
    counts: dict[str, int]  # items of a pilot that were left out, by reason
    leak: Leak | None = None  # where it was measured on records

    def content(self) -> dict[str, Any]:
        """Content for JSON: ``inputs, separation, study, counts, notes, measures``, and ``leak`` where it was measured on records. Numbers
        that do not exist are null, and ``reason`` says why."""
        best = self.evidence.separations
        separation = {"single": best.single, "pair": best.pair, "score_correlation": best.correlation}
        design = {item.name: getattr(self.design, item.name) for item in fields(self.design)} | {"design_effect": self.design.design_effect}
        return {
            "inputs": self.inputs, "separation": separation, "study": design, "counts": self.counts, "notes": self.notes(),
            "measures": {name: _as_json(found) for name, found in self.expected.items()},
        } | ({} if self.leak is None else {"leak": self.leak.content})  # fmt: skip

    def text(self) -> str:
        """A short table, and lines about its assumptions."""
        best, first = self.evidence.separations, next(iter(self.expected.values()))
        lines = [f"{'':<34}{'single':>8}{'pair':>8}{'gain':>9}  {'95 % interval':<19}patients"]
        for name, found in self.expected.items():
            numbers = f"{found.single:>8.4f}{found.pair:>8.4f}{found.gain:>+9.4f}"
            interval = _interval_text(found.gain_interval, "+.4f")
            lines.append(f"{LABELS[name].format(self.design.specificity):<34}{numbers}  {interval:<19}{_patients_text(found)}")
        lines += [
            f"separation {float(best.single):.3f} (single), {float(best.pair):.3f} (pair); {_correlation_text(float(best.correlation))}",
            f"interval: {first.interval_method}",
            f"patients: for {self.design.power:.0%} power at two-sided {self.design.alpha:g}, prevalence {self.design.prevalence:g}, "
            f"{self.design.images_per_patient:g} image(s) per patient, design effect {self.design.design_effect:.3g}",
        ]
        lines += [] if self.leak is None else [self.leak.text]
        lines += [f"left out: {number} {what}" for what, number in self.counts.items() if number]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes())])

    def notes(self) -> list[str]:
        """Cases in which the numbers are less certain than they look, one line each."""
        small = [name for name, found in self.expected.items() if found.cases < FIRST_ORDER]
        if not small:
            return []
        return [f"below {FIRST_ORDER} cases the tests' first-order approximation is rough (T12.8): take more for {', '.join(small)}"]


def _as_json(found: Expected) -> dict[str, Any]:
    (low, high), (fewest, most) = found.gain_interval, found.patients_interval
    gain = {"single": found.single, "pair": found.pair, "gain": found.gain, "gain_low": low, "gain_high": high}
    counts = {"patients": found.patients, "patients_low": fewest, "patients_high": most}
    numbers = {name: int(count) if isfinite(count) else count for name, count in counts.items()}
    return gain | {"interval": found.interval_method, "cases": found.cases} | numbers | {"reason": _why_not(found)}


def _why_not(found: Expected) -> str:
    """Why a number is null."""
    if found.patients != found.patients:
        return "needs the correlation of single and paired scores (--score-correlation)"
    if found.patients == float("inf"):
        return "no gain is expected, so no number of patients shows it"
    if found.patients_interval[1] == float("inf"):
        return "the evidence is compatible with no gain, so the number of patients has no upper end"
    return ""


def _correlation_text(correlation: float) -> str:
    return "correlation of the scores not known" if correlation != correlation else f"scores correlated {correlation:.3f}"


def _interval_text(ends: tuple[float, float], spec: str) -> str:
    return "not measured" if ends[0] != ends[0] else f"{ends[0]:{spec}} to {ends[1]:{spec}}"


def _patients_text(found: Expected) -> str:
    if found.patients != found.patients:
        return "unknown (give --score-correlation)"
    if found.patients == float("inf"):
        return "no number suffices: no gain is expected"
    fewest, most = found.patients_interval
    plausible = "" if fewest != fewest else f" ({_count_text(fewest)} to {_count_text(most)})"
    return f"{_count_text(found.patients)}{plausible}" + (" to show the harm" if found.gain < 0 else "")


def _count_text(number: float) -> str:
    return "any number" if number == float("inf") else f"{number:,.0f}"
