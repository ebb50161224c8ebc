"""Trainings that never leave the plateau of the first steps are started again: which attempts a cell needs, and which of them counts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from paper_figures.study.config import Restarts
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, read_table

LAST = 10
"""A training is judged by the mean loss over its last tenth."""


@dataclass(frozen=True)
class Attempt:
    """One finetuning of a cell."""

    first: Path  # folder of the cell's first finetuning
    number: int  # 0 is the first

    def beside(self, folder: Path) -> Path:
        """Name this attempt's folder from that of the first attempt; a seed in the name is replaced by this attempt's."""
        if self.number and (named := re.fullmatch(r"seed(\d+)", folder.name)):
            return folder.with_name(f"seed{self.seed(int(named[1]))}")
        return folder.with_name(f"{folder.name}-try{self.number + 1}") if self.number else folder

    @property
    def training(self) -> Path:
        """Folder of the finetuning."""
        return self.beside(self.first)

    def seed(self, first: int) -> int:
        """Derive the seed of this attempt's training from that of the first."""
        return int(np.random.SeedSequence([first, self.number]).generate_state(1)[0]) if self.number else first

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        """The manifest of the finetuning; empty while it is not finished."""
        file = self.training / "manifest.json"
        content = read_json(file) if file.is_file() else {}
        return content if isinstance(content, dict) and content.get("finished") is not None else {}

    @cached_property
    def loss(self) -> float | None:
        """Mean training loss over the last tenth of the steps; infinite if it diverged, None if the training is not finished."""
        if not self._manifest:
            return None
        losses = read_table(self.training / "history.csv")["loss"].astype(float)
        mean = float(losses.tail(max(1, len(losses) // LAST)).mean())
        return mean if math.isfinite(mean) else math.inf

    @property
    def plateau(self) -> float | None:
        """Training loss of a model that knows how often each answer is right, but ignores the pictures; None for earlier versions."""
        level = self._manifest.get("plateau_loss")
        return None if level is None else float(level)

    def stayed(self, restarts: Restarts) -> bool:
        """Whether the training ended on the plateau of its first steps, or above it."""
        if self.loss is None:
            return False
        if self.plateau is None:
            raise InputError(f"{self.training}: finetuned by an earlier version, which did not record the plateau; choose another --out")
        return self.loss >= (1 - restarts.within) * self.plateau


def attempts_needed(first: Path, restarts: Restarts | None) -> list[Attempt]:
    """List the attempts that the rule asks for so far: the finished ones, and the next one if needed.

    The folder may contain more attempts, from a run with another rule. They do not count: the result depends on the rule alone.
    """
    attempts: list[Attempt] = []
    for number in range(1 if restarts is None else restarts.attempts):
        attempts.append(Attempt(first, number))
        if attempts[-1].loss is None or restarts is None or not attempts[-1].stayed(restarts):
            break
    return attempts


def selected_attempt(attempts: list[Attempt]) -> Attempt | None:
    """Select the last attempt: the one that left the plateau, else the last allowed one; None while one is not finished.

    Attempts are not chosen by how far the loss has fallen: the first that left the plateau counts.
    """
    return None if any(attempt.loss is None for attempt in attempts) else attempts[-1]
