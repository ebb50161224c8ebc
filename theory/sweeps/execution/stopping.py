"""When a cell has enough replicates: a rule that sees whole numbers of blocks only, at counts fixed beforehand.

The decision after k blocks rests on the first k blocks and nothing else, so it is the same however many workers there are, whatever
finished first, and after a crash. Looks come at counts that grow by half each time: the work of looking stays a small share of all.

Stopping when a standard error is small enough leaves estimates of bias and the like valid in the limit (Chow and Robbins 1965), since it
is the spread that decides and not the estimate. Two things to mind. With few replicates a lucky small spread stops a cell early: begin
with some hundreds (`replicates` of the design). And the MCSE of a share follows from the share itself, so that a cell whose coverage
happens to look better stops earlier: a stopped coverage of 95 % is too high by about a tenth of its MCSE (a test measures it), while a
coverage of 100 % after the first block stops nothing, since `theory.sweeps.performance.measures.proportion_error` never says 0.

Run until precise enough: looks at fixed numbers of blocks, each decided from the unbroken run of blocks before it.

``looks.json`` in the sweep's folder keeps what each look found, so that results can be read without deciding again; it follows from the
results, and a smaller ``stop.mcse`` or a larger ``stop.cap`` decides anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, write_json
from theory.sweeps.performance.measures import measure_of
from theory.sweeps.scenarios import Cell
from theory.sweeps.storage.folder import LOOKS
from theory.sweeps.storage.results import Results
from theory.sweeps.study import Study

if TYPE_CHECKING:
    import pandas as pd


GROWTH = 1.5


@dataclass(frozen=True)
class Decision:
    """Whether a cell is finished."""

    finished: bool
    mcse: float  # the largest MCSE of its methods; NaN where one of them has none yet
    reason: str


def looks(first: int, cap: int, block: int) -> tuple[int, ...]:
    """List the numbers of blocks after which a cell is looked at.

    Returns ascending numbers of blocks; the last holds `cap` replicates.

    Examples
    --------
    >>> looks(200, 2000, 100)
    (2, 3, 5, 8, 12, 18, 20)
    """
    if min(first, cap, block) < 1 or cap < first:
        raise InputError(
            f"stop: {first} replicates at first, {cap} at most, {block} per block: give 1 or more, and a cap not below the first"
        )
    found, last = [math.ceil(first / block)], math.ceil(cap / block)
    while found[-1] < last:
        found.append(min(math.ceil(GROWTH * found[-1]), last))
    return tuple(found)


def decide(measured: pd.DataFrame, measure: str, mcse: float, at_cap: bool = False) -> Decision:
    """Decide whether a cell is finished.

    Returns finished where every method has an MCSE and none is above `mcse`, or at the cap.

    Examples
    --------
    >>> import pandas as pd
    >>> from theory.sweeps.performance.table import Table, performance
    >>> table = Table(pd.DataFrame({"method": "mean", "estimate": [1.0, 2.0, 3.0, 2.0]}), truth=2.0)
    >>> decide(performance(table), "bias", 0.5).finished, decide(performance(table), "bias", 0.1).finished
    (True, False)
    """
    measure_of(measure)
    rows = measured[measured["measure"] == measure]
    impossible = [note for note in rows["note"] if note and not _will_pass(note)]
    if len(rows) and len(impossible) == len(rows):
        raise InputError(f"stop: no method can have the measure '{measure}' ({impossible[0]}); choose another")
    waiting = rows[[not note or _will_pass(note) for note in rows["note"]]]
    worst = float(waiting["mcse"].max(skipna=False)) if len(waiting) else math.nan
    if worst <= mcse:
        return Decision(True, worst, f"MCSE of {measure} {worst:.3g}, wanted {mcse:g}")
    if at_cap:
        return Decision(True, worst, f"cap reached with an MCSE of {measure} of {worst:.3g}, wanted {mcse:g}")
    return Decision(False, worst, f"MCSE of {measure} still {worst:.3g}, wanted {mcse:g}")


def _will_pass(note: str) -> bool:
    """Whether more replicates can mend what is missing."""
    return note.startswith(("needs ", "no replicate", "the estimates do not vary"))


Targets = Mapping[Cell, int]
"""Replicates that each cell is to have."""


class Looked(TypedDict):
    """What is known of a cell: the replicates it is to have, and whether that is final."""

    replicates: int
    finished: bool
    reason: str


def check_stop(study: Study) -> None:
    """Refuse a rule that can never be met, before anything runs."""
    from theory.sweeps.performance.measures import MEASURES

    if study.stop is not None and study.stop.measure not in MEASURES:
        raise InputError(f"stop: measure '{study.stop.measure}': unknown; there are {', '.join(MEASURES)}")


def targets_of(study: Study) -> list[int]:
    """List the replicates at which a cell is looked at.

    Returns ascending; the last is the cap. Without a rule, the replicates asked for.
    """

    if study.stop is None:
        return [study.replicates]
    return [min(blocks * study.block, study.stop.cap) for blocks in looks(study.replicates, study.stop.cap, study.block)]


class Sequence:
    """Decides, look by look, how many replicates each cell gets."""

    def __init__(self, study: Study, folder: Path) -> None:
        self.study, self.folder = study, folder
        self.steps = targets_of(study)
        self.rule = study.stop.model_dump() if study.stop else None
        self.looked: dict[str, Looked] = self._remembered()

    def _remembered(self) -> dict[str, Looked]:
        path = self.folder / LOOKS
        content: dict[str, Any] = read_json(path) if path.is_file() else {}
        same = content.get("rule") == self.rule and content.get("steps") == self.steps
        return content["cells"] if same else {}

    def targets(self) -> dict[Cell, int]:
        """Tell how many replicates each cell is to have next.

        Returns all cells; those that are finished keep what they have.
        """
        first = Looked(replicates=self.steps[0], finished=False, reason="")
        return {cell: self.looked.setdefault(cell.hash, dict(first))["replicates"] for cell in self.study.all_cells}  # type: ignore[arg-type]

    def look(self, results: Results) -> bool:
        """Decide for every cell whether what it has is enough."""
        for cell in self.study.all_cells:
            known = self.looked[cell.hash]
            if not known["finished"]:
                self.looked[cell.hash] = self._next(cell, known["replicates"], results)
        if self.rule is not None:
            write_json(self.folder / LOOKS, {"rule": self.rule, "steps": self.steps, "cells": self.looked})
        return not all(known["finished"] for known in self.looked.values())

    def _next(self, cell: Cell, replicates: int, results: Results) -> Looked:
        stop = self.study.stop
        prefix = results.prefix(cell.hash, replicates)
        if stop is None:
            return Looked(replicates=replicates, finished=True, reason="")
        if prefix.unbroken_blocks[cell.hash].stopped:
            return Looked(replicates=replicates, finished=True, reason="too many failures")
        from theory.sweeps.performance.table import performance

        later = [step for step in self.steps if step > replicates]
        found = decide(performance(prefix, [stop.measure]), stop.measure, stop.mcse, at_cap=not later)
        wanted = replicates if found.finished else later[0]
        return Looked(replicates=wanted, finished=found.finished, reason=found.reason)
