"""When a cell has enough replicates: looks at fixed numbers of blocks, each decided from the unbroken sequence of blocks before it.

The decision after k blocks depends only on the first k blocks. So it is the same for any number of workers, any order of finishing, and
after a crash. The number of blocks grows by half from look to look, so that looking is a small share of the work.

With stopping at a small enough standard error, estimates of bias and similar measures remain valid in the limit (Chow and Robbins 1965),
since the spread decides and not the estimate. There are two caveats. With few replicates, a spread that is small by chance stops a cell
early, so begin with some hundreds (`replicates` of the design). And the MCSE of a share follows from the share itself, so that a cell whose
coverage happens to look better stops earlier. A stopped coverage of 95 % is too high by about a tenth of its MCSE (a test measures this).
A coverage of 100 % after the first block does not stop a cell, since `theory.sweeps.performance.measures.proportion_error` is never 0.

``looks.json`` in the sweep's folder stores the result of each look, so that results can be read without deciding again. It follows from the
results: with a smaller ``stop.mcse`` or a larger ``stop.cap`` it is decided again.
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
    """An entry of ``looks.json``: the wanted replicates of a cell, and whether this number is final."""

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
    """Replicates at each look at a cell, ascending to the cap; without a rule, the wanted replicates."""
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
    """Whether more replicates may give the missing value."""
    return note.startswith(("needs ", "no replicate", "the estimates do not vary"))


class StoppingRule:
    """Decides at each look how many replicates each cell gets."""

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
        """Wanted replicates of each cell up to the next look; finished cells get no more."""
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
