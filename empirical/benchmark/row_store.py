"""Rows as they were measured, each in a file of its own: what a kill leaves is whole, and is not measured again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empirical.benchmark.config import VARIANTS
from empirical.benchmark.evaluation import LOOPS, PATHS
from empirical.benchmark.precision import ALL
from empirical.benchmark.shapes import SHAPES
from empirical.benchmark.timing import MEASURED, OUT_OF_MEMORY
from see_in_pairs.files import read_json, write_json

ROWS = {"evaluation": (*LOOPS, *PATHS), "equality": ALL, "finetuning": tuple(VARIANTS)}
"""Paths of each part."""

StoredRow = dict[str, Any]
"""A row as it was measured: shape, part, path, status, and what the part's own module says."""


@dataclass(frozen=True)
class RowStore:
    """The rows of one output folder."""

    folder: Path  # where they are kept

    def missing(self, shape: str, parts: Sequence[str]) -> list[tuple[str, str]]:
        """List rows that are not there yet, or could not be measured for want of a package.

        Returns part and path of each, in the order in which they are measured.
        """
        rows = [(part, path) for part in parts for path in ROWS[part]]
        return [(part, path) for part, path in rows if (self.get(shape, part, path) or {}).get("status") not in (MEASURED, OUT_OF_MEMORY)]

    def get(self, shape: str, part: str, path: str) -> StoredRow | None:
        """Read a row.

        Returns None where it is not there.
        """
        file = self._file(shape, part, path)
        return read_json(file) if file.is_file() else None

    def add(self, shape: str, part: str, path: str, content: StoredRow) -> None:
        """Keep a row."""
        write_json(self._file(shape, part, path), {"shape": shape, "part": part, "path": path} | content)

    def all(self) -> Iterator[StoredRow]:
        """Read all rows, whenever they were measured.

        Returns by shape, part and path.
        """
        for shape in SHAPES:
            for part, paths in ROWS.items():
                yield from (piece for path in paths if (piece := self.get(shape, part, path)) is not None)

    def _file(self, shape: str, part: str, path: str) -> Path:
        return self.folder / f"{shape}-{part}-{path.replace(',', '').replace(' ', '-').lower()}.json"
