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
    """One finetuning of a cell."""

    first: Path  # folder of the cell's first finetuning
    number: int  # 0 is the first

    def beside(self, folder: Path) -> Path:
        """Name this attempt's own folder, given that of the first attempt."""
        return folder.with_name(f"{folder.name}-try{self.number + 1}") if self.number else folder

    @property
    def training(self) -> Path:
        """Folder of the finetuning."""
        return self.beside(self.first)

    def seed(self, first: int) -> int:
        """Derive the seed of this attempt's training from that of the first."""
        return int(np.random.SeedSequence([first, self.number]).generate_state(1)[0]) if self.number else first

    @cached_property
    def loss(self) -> float | None:
        """Mean training loss over the last tenth of the steps; infinite where it diverged, None when the training is not finished."""
        manifest = self.training / "manifest.json"
        content = read_json(manifest) if manifest.is_file() else {}
        if not isinstance(content, dict) or content.get("finished") is None:
            return None
        losses = read_table(self.training / "history.csv")["loss"].astype(float)
        mean = float(losses.tail(max(1, len(losses) // LAST)).mean())
        return mean if math.isfinite(mean) else math.inf


def attempts_needed(first: Path, restarts: Restarts | None) -> list[Attempt]:
    """List the attempts that the rule asks for, as far as is known: those that are finished, and the next one where one is wanted.

    More attempts than these may lie there, from a run with another rule. They do not count: what comes out depends on the rule alone.
    """
    attempts: list[Attempt] = []
    for number in range(1 if restarts is None else restarts.attempts):
        attempts.append(Attempt(first, number))
        loss = attempts[-1].loss
        if loss is None or restarts is None or loss <= restarts.above:
            break
    return attempts


def selected_attempt(attempts: list[Attempt]) -> Attempt | None:
    """Select the attempt with the lowest training loss (no test item is looked at); None while one is not finished."""
    losses = [attempt.loss for attempt in attempts]
    if any(loss is None for loss in losses):
        return None
    return attempts[int(np.argmin(losses))]  # type: ignore[arg-type]
