"""Named parts of a study, each run by itself: which blocks it has, how far it is, and the time it took (``parts.csv``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.study.config import StudyConfig
from paper_figures.study.design import DesignPoint, design_points, training_cell
from see_in_pairs.errors import InputError, did_you_mean
from see_in_pairs.files import read_table, write_text

if TYPE_CHECKING:
    import pandas as pd

TABLE = "parts.csv"
COLUMNS = ["part", "cells", "trainings", "finished", "minutes", "workers"]


def part_of_blocks(config: StudyConfig) -> list[str]:
    """Name the part of each block; a block without a name is a part of its own."""
    return [block.part or f"block-{number}" for number, block in enumerate(config.blocks, start=1)]


def blocks_of(config: StudyConfig, part: str | None) -> list[int]:
    """List the numbers of a part's blocks, all of them for None."""
    names = part_of_blocks(config)
    if part is not None and part not in names:
        known = list(dict.fromkeys(names))
        raise InputError(f"the study has no part '{part}' (known: {', '.join(known)}){did_you_mean(part, known)}")
    return [number for number, name in enumerate(names) if part in (None, name)]


@dataclass
class PartTimes:
    """The wall time of each part so far, over all sessions, and how many cells ran at a time in the last one."""

    config: StudyConfig
    out: Path

    def __post_init__(self) -> None:
        file = self.out / TABLE
        known = read_table(file).to_dict("records") if file.is_file() else []
        self.minutes = {str(row["part"]): float(row["minutes"]) for row in known}
        self.workers = {str(row["part"]): int(row["workers"]) for row in known}

    def table(self) -> pd.DataFrame:
        """A row for each part: its cells, how many of them are trainings, how many are finished, and its time."""
        import pandas as pd

        rows: dict[str, dict[str, Any]] = {}
        for number, name in enumerate(part_of_blocks(self.config)):
            row = rows.setdefault(name, {"part": name, "cells": 0, "trainings": 0, "finished": 0})
            points = design_points(self.config, number)
            row["cells"] += len(points)
            row["trainings"] += sum(point.n_train != 0 for point in points)
            row["finished"] += sum(_is_scored(self.config, point, self.out) for point in points)
            row |= {"minutes": round(self.minutes.get(name, 0.0), 2), "workers": self.workers.get(name, 0)}
        return pd.DataFrame(list(rows.values()), columns=COLUMNS)

    def save(self, part: str, minutes: float, workers: int) -> None:
        """Write the table with the time of a part."""
        self.minutes[part], self.workers[part] = minutes, workers
        write_text(self.out / TABLE, self.table().to_csv(index=False))


def _is_scored(config: StudyConfig, point: DesignPoint, out: Path) -> bool:
    folder = out / "cells" / point.folder
    return training_cell(config, point, Path("cohort"), folder).records() is not None
