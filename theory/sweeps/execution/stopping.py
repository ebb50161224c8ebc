"""When a cell has enough replicates: looks at fixed numbers of blocks, each decided from the unbroken run of blocks before it.

The decision after k blocks rests on the first k blocks and nothing else, so it is the same however many workers there are, whatever
finished first, and after a crash. Looks come at counts that grow by half each time: looking stays a small share of the work.

Stopping when a standard error is small enough leaves estimates of bias and the like valid in the limit (Chow and Robbins 1965), since it
is the spread that decides and not the estimate. Two things to mind. With few replicates a lucky small spread stops a cell early: begin
with some hundreds (`replicates` of the design). And the MCSE of a share follows from the share itself, so that a cell whose coverage
happens to look better stops earlier: a stopped coverage of 95 % is too high by about a tenth of its MCSE (a test measures it), while a
coverage of 100 % after the first block stops nothing, since `theory.sweeps.performance.measures.proportion_error` is never 0.

``looks.json`` in the sweep's folder keeps what each look found, so that results can be read without deciding again. It follows from the
results: a smaller ``stop.mcse`` or a larger ``stop.cap`` decides anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from see_in_pairs.errors import InputError, did_you_mean
from see_in_pairs.files import write_json
from theory.sweeps.performance.measures import MEASURES, measure_of
from theory.sweeps.performance.table import performance
from theory.sweeps.scenarios import Cell
from theory.sweeps.storage.folder import LOOKS, read_looks
from theory.sweeps.storage.results import Results
from theory.sweeps.study import Study

if TYPE_CHECKING:
    import pandas as pd


GROWTH = 1.5


class LookRecord(TypedDict):
    """An entry of ``looks.json``: the replicates a cell is to have, and whether that is final."""

    replicates: int
    finished: bool
    reason: str


@dataclass(frozen=True)
class Decision:
    """Whether a cell is finished."""

    finished: bool
    mcse: float  # the largest MCSE of its methods; NaN where one of them has none yet
    reason: str


def looks(first: int, cap: int, block: int) -> tuple[int, ...]:
    """Numbers of blocks after which a cell is looked at, ascending; the last holds `cap` replicates.

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


def look_sizes(study: Study) -> list[int]:
    """Replicates at which a cell is looked at, ascending to the cap; without a rule, the replicates asked for."""
    if study.stop is None:
        return [study.replicates]
    return [min(blocks * study.block, study.stop.cap) for blocks in looks(study.replicates, study.stop.cap, study.block)]


def check_stop(study: Study) -> None:
    """Refuse a rule that can never be met, before anything runs."""
    if study.stop is not None and study.stop.measure not in MEASURES:
        raise InputError(
            f"stop: measure '{study.stop.measure}': unknown; there are {', '.join(MEASURES)}{did_you_mean(study.stop.measure, MEASURES)}"
        )


def decide(measured: pd.DataFrame, measure: str, mcse: float, at_cap: bool = False) -> Decision:
    """Decide whether a cell is finished: every method has an MCSE and none is above `mcse`, or the cap is reached.

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
    impossible = [note for note in rows["note"] if note and not _needs_more_replicates(note)]
    if len(rows) and len(impossible) == len(rows):
        raise InputError(f"stop: no method can have the measure '{measure}' ({impossible[0]}); choose another")
    possible = rows[[not note or _needs_more_replicates(note) for note in rows["note"]]]
    worst = float(possible["mcse"].max(skipna=False)) if len(possible) else math.nan
    if worst <= mcse:
        return Decision(True, worst, f"MCSE of {measure} {worst:.3g}, wanted {mcse:g}")
    if at_cap:
        return Decision(True, worst, f"cap reached with an MCSE of {measure} of {worst:.3g}, wanted {mcse:g}")
    return Decision(False, worst, f"MCSE of {measure} still {worst:.3g}, wanted {mcse:g}")


def _needs_more_replicates(note: str) -> bool:
    """Whether what is missing may come with more replicates."""
    return note.startswith(("needs ", "no replicate", "the estimates do not vary"))


class StoppingRule:
    """Decides, look by look, how many replicates each cell gets."""

    def __init__(self, study: Study, folder: Path) -> None:
        self.study, self.folder = study, folder
        self.steps = look_sizes(study)
        self.rule = study.stop.model_dump() if study.stop else None
        self.looked: dict[str, LookRecord] = self._read_looks()

    def _read_looks(self) -> dict[str, LookRecord]:
        content = read_looks(self.folder)
        same = content.get("rule") == self.rule and content.get("steps") == self.steps
        return content["cells"] if same else {}

    def targets(self) -> dict[Cell, int]:
        """Replicates that each cell is to have next; finished cells keep what they have."""
        for cell in self.study.all_cells:
            self.looked.setdefault(cell.hash, LookRecord(replicates=self.steps[0], finished=False, reason=""))
        return {cell: self.looked[cell.hash]["replicates"] for cell in self.study.all_cells}

    def look(self, results: Results) -> bool:
        """Decide for every cell whether it has enough replicates. Returns whether any cell needs more."""
        for cell in self.study.all_cells:
            known = self.looked[cell.hash]
            if not known["finished"]:
                self.looked[cell.hash] = self._next(cell, known["replicates"], results)
        if self.rule is not None:
            write_json(self.folder / LOOKS, {"rule": self.rule, "steps": self.steps, "cells": self.looked})
        return not all(known["finished"] for known in self.looked.values())

    def _next(self, cell: Cell, replicates: int, results: Results) -> LookRecord:
        stop = self.study.stop
        prefix = results.prefix(cell.hash, replicates)
        if stop is None:
            return LookRecord(replicates=replicates, finished=True, reason="")
        if prefix.unbroken_blocks[cell.hash].stopped:
            return LookRecord(replicates=replicates, finished=True, reason="too many failures")
        later = [step for step in self.steps if step > replicates]
        found = decide(performance(prefix, [stop.measure]), stop.measure, stop.mcse, at_cap=not later)
        wanted = replicates if found.finished else later[0]
        return LookRecord(replicates=wanted, finished=found.finished, reason=found.reason)
