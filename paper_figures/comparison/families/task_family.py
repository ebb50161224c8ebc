"""Two models on all tasks of an evaluation harness: each task is compared, and the tasks are one declared family."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.comparison.mean_difference import MeanComparison
from paper_figures.comparison.pairing import Aligned
from paper_figures.comparison.result import NAMES, WIDTH, Comparison, format_interval, format_p
from paper_figures.statistics.multiplicity import holm
from paper_figures.statistics.result import Result
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

TwoArms = Comparison | MeanComparison


@dataclass(frozen=True, repr=False)
class FamilyMember(Result):
    """A recommended test of a declared family."""

    name: str  # of the comparison
    measure: str
    p: float
    adjusted: float


@dataclass(frozen=True, repr=False)
class TaskFamily(Result):
    """A comparison of two arms on each of several tasks."""

    arms: tuple[str, str]
    tasks: dict[str, TwoArms]
    cluster_columns: dict[str, tuple[str, ...]]  # of each task
    family: tuple[FamilyMember, ...]

    def to_dict(self) -> dict[str, Any]:
        """Layout of the JSON."""
        return {
            "arms": list(self.arms),
            "family": family_dict("recommended tests of all tasks", self.family),
            "tasks": {name: one.to_dict() | {"cluster_columns": list(self.cluster_columns[name])} for name, one in self.tasks.items()},
        }

    def to_frame(self) -> pd.DataFrame:
        """The rows of every task, with the adjusted p-value of recommended tests in ``holm``."""
        return family_frame("task", self.tasks, self.family)

    def __repr__(self) -> str:
        heading = f"A = {self.arms[0]}, B = {self.arms[1]}, on {len(self.tasks)} tasks."
        remarks = [f"{name}: {text}" for name, one in self.tasks.items() for text in remarks_of(one)]
        told = [f"Family 'recommended tests of all tasks', {len(self.family)} tests; the last p is by Holm's method."]
        parts = [heading, family_table(self.tasks, self.family), *(filled(lines) for lines in (told, remarks) if lines)]
        return "\n\n".join(parts)


def adjusted_family(found: Mapping[str, TwoArms]) -> tuple[FamilyMember, ...]:
    """Adjust the recommended tests of several comparisons by Holm's method, as one family."""
    recommended = [(name, measure, chosen.p) for name, one in found.items() for measure, chosen in one.recommended.items()]
    tests = [(name, measure, p) for name, measure, p in recommended if p is not None]  # no p if no test keeps its level
    adjusted = holm([p for _, _, p in tests]).adjusted.tolist() if tests else []
    return tuple(FamilyMember(*test, p) for test, p in zip(tests, adjusted, strict=True))


def family_dict(name: str, family: Sequence[FamilyMember]) -> dict[str, Any]:
    """A family in the layout of the JSON."""
    return {"name": name, "method": "holm", "tests": [one.to_dict() for one in family]}


def family_frame(key: str, found: Mapping[str, TwoArms], family: Sequence[FamilyMember]) -> pd.DataFrame:
    """The rows of every comparison, its name in the column `key`, the adjusted p-value of recommended tests in ``holm``."""
    import pandas as pd

    frames = []
    for name, one in found.items():
        adjusted, frame = {member.measure: member.adjusted for member in family if member.name == name}, one.to_frame()
        measures = frame["measure"] if isinstance(one, Comparison) else pd.Series("mean", index=frame.index)
        frames.append(frame.assign(**{key: name}, holm=measures.map(adjusted).where(frame["recommended"])))
    return pd.concat(frames, ignore_index=True)


def family_table(found: Mapping[str, TwoArms], family: Sequence[FamilyMember]) -> str:
    """The recommended tests of every comparison, one a line."""
    level = next(iter(found.values())).confidence_level
    rows = [("", "A - B", f"[{level:.0%} interval]", "p", "p (Holm)", "test")]
    adjusted = {(one.name, one.measure): one.adjusted for one in family}
    for name, one in found.items():
        for measure, chosen in one.recommended.items():
            said = f"mean {one.metric}" if isinstance(one, MeanComparison) else NAMES[measure]
            rows.append((
                f"{name}, {said}", f"{chosen.difference:+.3f}", format_interval(chosen.interval, "+"), format_p(chosen.p),
                format_p(adjusted.get((name, measure), math.nan)), chosen.test,
            ))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = "-" * min(WIDTH, sum(widths) + 2 * len(widths))
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([rule, text[0], rule, *text[1:], rule])


def remarks_of(one: TwoArms) -> list[str]:
    """Warnings of a comparison, and why a test is not recommended."""
    lacking = [f"no test of {block.removeprefix('recommended.')} ({why})" for block, why in one.reasons.items() if "recommended" in block]
    return [f"{text}." for text in (*one.warnings, *lacking)]


def filled(lines: Sequence[str]) -> str:
    """Lines of at most `WIDTH` characters; continued lines are indented."""
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def compare_tasks(
    folders: tuple[Path, Path],
    logs: tuple[dict[str, Path], dict[str, Path]],
    arms: tuple[str, str],
    compare: Callable[[Path, Path], tuple[TwoArms, Aligned]],
) -> TaskFamily:
    """Compare two arms on each task; both must have all of the family. `compare` also gives the alignment."""
    for mine, others, one, other in ((*logs, *folders), (*logs[::-1], *folders[::-1])):
        lacking = sorted(set(mine) - set(others))
        if lacking:
            raise InputError(f"{other}: {len(lacking)} tasks of {one} are missing ({first_few(lacking)}); declare the family with --task")
    found = {task: compare(logs[0][task], logs[1][task]) for task in sorted(logs[0])}
    tasks = {task: one for task, (one, _) in found.items()}
    return TaskFamily(arms, tasks, {task: aligned.cluster_columns for task, (_, aligned) in found.items()}, adjusted_family(tasks))
