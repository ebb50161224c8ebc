"""Run until precise enough: looks at fixed numbers of blocks, each decided from the unbroken run of blocks before it.

``looks.json`` in the sweep's folder keeps what each look found, so that results can be read without deciding again; it follows from the
results, and a smaller ``stop.mcse`` or a larger ``stop.cap`` decides anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, write_json
from theory.sweeps.cells import Cell
from theory.sweeps.design import Study
from theory.sweeps.folder import LOOKS
from theory.sweeps.results import Results

Targets = Mapping[Cell, int]
"""Replicates that each cell is to have."""


class Looked(TypedDict):
    """What is known of a cell: the replicates it is to have, and whether that is final."""

    replicates: int
    finished: bool
    reason: str


def check_stop(study: Study) -> None:
    """Refuse a rule that can never be met, before anything runs.

    Parameters
    ----------
    study : Study
        The study.

    Raises
    ------
    InputError
        When its measure is unknown.
    """
    from theory.sweeps.measures import MEASURES

    if study.stop is not None and study.stop.measure not in MEASURES:
        raise InputError(f"stop: measure '{study.stop.measure}': unknown; there are {', '.join(MEASURES)}")


def targets_of(study: Study) -> list[int]:
    """List the replicates at which a cell is looked at.

    Parameters
    ----------
    study : Study
        The study.

    Returns
    -------
    list of int
        Ascending; the last is the cap. Without a rule, the replicates asked for.
    """
    from theory.sweeps.stopping import looks

    if study.stop is None:
        return [study.replicates]
    return [min(blocks * study.block, study.stop.cap) for blocks in looks(study.replicates, study.stop.cap, study.block)]


class Sequence:
    """Decides, look by look, how many replicates each cell gets.

    Parameters
    ----------
    study : Study
        The study.
    folder : Path
        The sweep's.
    """

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

        Returns
        -------
        dict of Cell to int
            All cells; those that are finished keep what they have.
        """
        first = Looked(replicates=self.steps[0], finished=False, reason="")
        return {cell: self.looked.setdefault(cell.hash, dict(first))["replicates"] for cell in self.study.all_cells}  # type: ignore[arg-type]

    def look(self, results: Results) -> bool:
        """Decide for every cell whether what it has is enough.

        Parameters
        ----------
        results : Results
            With every cell at its target.

        Returns
        -------
        bool
            Whether any cell needs more.
        """
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
        if prefix.kept[cell.hash].stopped:
            return Looked(replicates=replicates, finished=True, reason="too many failures")
        from theory.sweeps.performance import performance
        from theory.sweeps.stopping import decide

        later = [step for step in self.steps if step > replicates]
        found = decide(performance(prefix, [stop.measure]), stop.measure, stop.mcse, at_cap=not later)
        wanted = replicates if found.finished else later[0]
        return Looked(replicates=wanted, finished=found.finished, reason=found.reason)
