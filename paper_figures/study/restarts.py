"""Trainings that never leave the plateau of the first steps are begun again: which attempts a cell needs, and which of them counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from paper_figures.study.config import Restarts
from see_in_pairs.files import read_json, read_table

LAST = 10
"""A training is judged by the mean loss over its last tenth."""


@dataclass(frozen=True)
class Attempt:
    """One finetuning of a cell, and the evaluation of its model."""

    folder: Path
    number: int  # 0 is the first

    @property
    def training(self) -> Path:
        """Folder of the finetuning."""
        return self.folder / f"training{self._mark}"

    @property
    def evaluation(self) -> Path:
        """Folder of the evaluation."""
        return self.folder / f"evaluation{self._mark}"

    @property
    def records(self) -> Path:
        """What the evaluation leaves."""
        return self.evaluation / "records.parquet"

    @property
    def _mark(self) -> str:
        return f"-try{self.number + 1}" if self.number else ""

    def seed(self, first: int) -> int:
        """Give the seed of this try's training."""
        return int(np.random.SeedSequence([first, self.number]).generate_state(1)[0]) if self.number else first

    @cached_property
    def loss(self) -> float | None:
        """Mean training loss over the last tenth of the steps; infinite where it diverged, None when the training is not finished."""
        note = self.training / "manifest.json"
        if not note.is_file() or read_json(note).get("finished") is None:
            return None
        losses = read_table(self.training / "history.csv")["loss"].astype(float)
        mean = float(losses.tail(max(1, len(losses) // LAST)).mean())
        return mean if math.isfinite(mean) else math.inf


def attempts_needed(folder: Path, restarts: Restarts | None) -> list[Attempt]:
    """List the attempts that the rule asks for, as far as is known: those that are finished, and the next one where one is wanted.

    Returns all but the last are finished. More attempts than the rule asks for may lie in the folder, from a run with another rule: they do
    not count, so that what comes out depends on the rule alone.
    """
    found: list[Attempt] = []
    for number in range(1 if restarts is None else restarts.attempts):
        found.append(Attempt(folder, number))
        loss = found[-1].loss
        if loss is None or restarts is None or loss <= restarts.above:
            break
    return found


def kept(found: list[Attempt]) -> Attempt | None:
    """Choose the attempt that counts: that of the lowest training loss, no test item being looked at.

    Returns None while one is not finished.
    """
    losses = [one.loss for one in found]
    if any(loss is None for loss in losses):
        return None
    return found[int(np.argmin(losses))]  # type: ignore[arg-type]
