"""Measured rows, each in its own file: rows finished before a kill are complete, and are not measured again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empirical.benchmark.config import VARIANTS
from empirical.benchmark.evaluation import LOOPS, PATHS
from empirical.benchmark.precision import EQUALITY_PATHS
from empirical.benchmark.shapes import SHAPES
from empirical.benchmark.timing import MEASURED, OUT_OF_MEMORY
from see_in_pairs.cache import PartCache

ROWS = {"evaluation": (*LOOPS, *PATHS), "equality": EQUALITY_PATHS, "finetuning": tuple(VARIANTS)}
"""Paths of each part, in the order in which they are measured."""

StoredRow = dict[str, Any]
"""A measured row: shape, part, path, status, and the entries of the part's own module."""


@dataclass(frozen=True)
class RowStore:
    """The rows of one output folder, whose settings, device and library versions are those of its run."""

    folder: Path

    def missing(self, shape: str, parts: Sequence[str]) -> list[tuple[str, str]]:
        """List part and path of rows that are missing, damaged, or were not measured because a package was missing."""
        rows = [(part, path) for part in parts for path in ROWS[part]]
        # A row that ran out of memory is finished: on the same device it would run out again.
        return [
            (part, path)
            for part, path in rows
            if (self.get(shape, part, path, quiet=False) or {}).get("status") not in (MEASURED, OUT_OF_MEMORY)
        ]

    def get(self, shape: str, part: str, path: str, quiet: bool = True) -> StoredRow | None:
        """Read a row; None if it is missing or damaged."""
        return PartCache(self.folder, quiet, again="measured again").record(_name(shape, part, path), _key(shape, part, path))

    def add(self, shape: str, part: str, path: str, content: StoredRow) -> None:
        """Keep a row."""
        PartCache(self.folder).keep_record(_name(shape, part, path), _key(shape, part, path), content)

    def all(self) -> Iterator[StoredRow]:
        """Read all rows, of all calls, by shape, part and path."""
        for shape in SHAPES:
            for part, paths in ROWS.items():
                yield from (row for path in paths if (row := self.get(shape, part, path)) is not None)


def _name(shape: str, part: str, path: str) -> str:
    return f"{shape}-{part}-{path.replace(',', '').replace(' ', '-').lower()}"


def _key(shape: str, part: str, path: str) -> dict[str, str]:
    return {"shape": shape, "part": part, "path": path}
