"""How far a sweep is, how fast it goes, and how long it will take: a bar on a terminal, else a line every ten seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from see_in_pairs.console import log

EVERY_SECONDS = 10.0


class Meter:
    """Counts finished replicates."""

    def __init__(self, total: int, quiet: bool) -> None:
        self.total, self.quiet, self.done = total, quiet, 0
        self.began = self.last = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (TextColumn("sweep"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=self.total)
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def add(self, replicates: int) -> None:
        """Count finished replicates."""
        self.done += replicates
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, description=self.pace())
        elif now - self.last >= EVERY_SECONDS:
            self.last = now
            log(f"sweep: {self.done:,} of {self.total:,} replicates, {self.pace()}", self.quiet)

    def pace(self) -> str:
        """Say how fast it goes."""
        rate = self.done / max(time.monotonic() - self.began, 1e-9)
        left = max(self.total - self.done, 0) / rate if rate else float("inf")
        return f"{rate:,.0f} replicates/s, {duration(left)} left"


def duration(seconds: float) -> str:
    """Write a duration for a person.

    Returns such as ``'3 min 05 s'``.

    Examples
    --------
    >>> duration(185)
    '3 min 05 s'
    """
    if seconds == float("inf"):
        return "unknown time"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
