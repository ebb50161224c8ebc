"""Targets beside what was measured: met, missed, or not measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from empirical.benchmark.precision import CHECKS

if TYPE_CHECKING:
    import pandas as pd

MET, MISSED, NOT_MEASURED = "met", "missed", "not measured"
AT, ON = "7b", "H200"
"""The shape and the device that the targets are stated for."""


@dataclass(frozen=True)
class Target:
    """A target value."""

    name: str
    part: str  # the row that is judged
    path: str
    column: str  # its column; with ``_low`` and ``_high`` beside it
    least: float  # below it the target is missed
    percent: bool = False  # whether it is a share

    def text(self, value: float) -> str:
        """Format a number of this target."""
        return f"{value:.1%}" if self.percent else f"{value:.2f}"


TARGETS = (
    Target("finetuning, model FLOP utilisation", "finetuning", "stored features", "utilisation", 0.40, percent=True),
    Target("finetuning, times TRL's steps per second", "finetuning", "stored features", "times_trl", 1.5),
    Target("evaluation, times the plain loop", "evaluation", "everything", "times_loop", 4.0),
)
"""The targets are for the default path of ``evaluate``, and the default step of ``finetune`` where it fits on the device: with
stored features, without gradient checkpointing."""


@dataclass(frozen=True)
class TargetVerdict:
    """Whether a target was reached."""

    target: str
    asked: str  # what it asks for
    measured: str  # median, and the range over rounds or steps; or why they are missing
    verdict: str  # ``met``, ``missed`` (by the median) or ``not measured``


def verdicts(table: pd.DataFrame, device: str) -> list[TargetVerdict]:
    """Judge a table: one verdict per target, and one on whether all paths are as exact as the plain one."""
    return [*(_verdict(target, table, device) for target in TARGETS), _equality(table, device)]


def _verdict(target: Target, table: pd.DataFrame, device: str) -> TargetVerdict:
    name, asked = f"{AT} {target.name} (`{target.path}`)", f"at least {target.text(target.least)}"
    rows = table[(table["shape"] == AT) & (table["part"] == target.part) & (table["path"] == target.path)]
    if ON not in device:
        return TargetVerdict(name, asked, f"stated for an {ON}", NOT_MEASURED)
    if rows.empty:
        return TargetVerdict(name, asked, "not run", NOT_MEASURED)
    value, low, high = (rows.iloc[0][f"{target.column}{end}"] for end in ("", "_low", "_high"))
    if value is None or value != value:
        status = rows.iloc[0]["status"]
        return TargetVerdict(name, asked, status if status != "measured" else "nothing to compare it with", NOT_MEASURED)
    return TargetVerdict(
        name, asked, f"{target.text(value)} ({target.text(low)} to {target.text(high)})", MET if value >= target.least else MISSED
    )


def _equality(table: pd.DataFrame, device: str) -> TargetVerdict:
    name, asked = f"{AT} error of every path against float32", "at most twice that of the plain way"
    rows = table[(table["shape"] == AT) & (table["part"] == "equality") & table["path"].isin(CHECKS)]
    if ON not in device:
        return TargetVerdict(name, asked, f"stated for an {ON}", NOT_MEASURED)
    if rows.empty or rows["within"].isna().any():
        return TargetVerdict(name, asked, "not all paths were run", NOT_MEASURED)
    worst = rows.iloc[int((rows["error"] / rows["bound"]).astype(float).argmax())]
    measured = f"at worst {worst['error']:.2e} of {worst['bound']:.2e} (`{worst['path']}`)"
    return TargetVerdict(name, asked, measured, MET if rows["within"].all() else MISSED)
