"""The results of a sweep, finished or not, read in frames of bounded size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.display import html_frame, plural
from see_in_pairs.errors import InputError
from see_in_pairs.files import files_in
from theory.sweeps.execution.tasks import KEYS
from theory.sweeps.scenarios import Cell
from theory.sweeps.storage.completion import UnbrokenBlocks, unbroken_blocks
from theory.sweeps.storage.folder import CELLS, STUDY, added_methods, is_locked, read_looks
from theory.sweeps.storage.parquet import MOST_ROWS, BlockLocation, conform, read_blocks, read_cells, read_failures, to_frame
from theory.sweeps.storage.writer import FILES, BlockIndex, read_all, split_by_methods
from theory.sweeps.study import Study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """Results of a sweep so far; `Results.open` reads them from its folder.

    Parameters
    ----------
    folder : Path
        Folder of the sweep (the ``--out`` of its run).
    study : Study
        Design of the sweep in the folder.
    block_index : dict
        Finished blocks: cell to number of the block to the location of its results.
    columns : tuple of str
        Names of all results that methods returned, in order of appearance.
    targets : mapping of str to int
        Wanted replicates of the cells for which they differ from the study's.
    only : str, optional
        Hash of the one cell to read; by default all cells.
    """

    folder: Path
    study: Study
    block_index: BlockIndex
    columns: tuple[str, ...]
    targets: Mapping[str, int] = field(default_factory=dict)
    only: str | None = None

    def __repr__(self) -> str:
        blocks, wanted = self.unbroken_blocks.values(), sum(self.wanted.values())
        done, failed = sum(found.attempted for found in blocks), sum(found.failed for found in blocks)
        replicates = f"{done:,} of {plural(wanted, 'replicate')} done" + (f", {failed:,} of them failed" if failed else "")
        methods = ", ".join(use.name for use in self.study.methods)
        return f"Results of '{self.study.name}' in {self.folder}: {plural(len(self._cells), 'cell')}, {replicates}; methods {methods}"

    def _repr_html_(self) -> str:
        return html_frame(repr(self), self.cells)

    @classmethod
    def open(cls, folder: Path | str) -> Results:
        """Open the folder of a sweep.

        Parameters
        ----------
        folder : Path or str
            Folder of the sweep, which may be running.

        Returns
        -------
        Results
            The results on disk now, without blocks that finish later.

        Raises
        ------
        InputError
            When the folder holds no sweep.
        """
        folder = Path(folder)
        if not (folder / CELLS).is_file():
            raise InputError(f"{folder}: holds no sweep (no {CELLS}); name the folder that was given to --out")
        block_index, columns, _ = read_all(folder / "blocks")
        block_index, _ = split_by_methods(block_index, len(added_methods(folder)))  # blocks without one of the methods do not count yet
        targets = {cell: looked["replicates"] for cell, looked in read_looks(folder)["cells"].items()}
        return cls(folder, Study.load(folder / STUDY), block_index, tuple(columns), targets)

    def prefix(self, cell: str, replicates: int) -> Results:
        """Take the first replicates of one cell.

        Parameters
        ----------
        cell : str
            Hash of the cell, all 16 digits.
        replicates : int
            Number of replicates, counted from the first.

        Returns
        -------
        Results
            As if the study had this one cell with so many replicates.
        """
        return replace(self, targets={cell: replicates}, only=cell)

    @cached_property
    def _cells(self) -> list[Cell]:
        return [cell for cell in self.study.all_cells if self.only in (None, cell.hash)]

    @property
    def running(self) -> bool:
        """Whether a process is working in the folder now."""
        return is_locked(self.folder)

    @property
    def seconds_left(self) -> float:
        """Seconds that the missing replicates will take on one core, by those of the same cell, else of all; NaN before any is done."""
        entries = {cell: [location.entry for location in locations.values()] for cell, locations in self.block_index.items()}
        everything = [entry for found in entries.values() for entry in found]
        left = 0.0
        for cell, replicates in self.wanted.items():
            found = self.unbroken_blocks[cell]
            seen = entries.get(cell) or everything
            if not found.stopped and found.attempted < replicates:
                done = sum(entry.attempted for entry in seen)
                left += (replicates - found.attempted) * (sum(entry.seconds for entry in seen) / done if done else math.nan)
        return left

    @cached_property
    def unbroken_blocks(self) -> dict[str, UnbrokenBlocks]:
        """The blocks that count, by cell."""
        wanted = self.wanted
        return {cell.hash: unbroken_blocks(self.study, self.block_index.get(cell.hash, {}), wanted[cell.hash]) for cell in self._cells}

    @cached_property
    def wanted(self) -> dict[str, int]:
        """Wanted replicates of each cell, by its hash."""
        return {cell.hash: self.targets.get(cell.hash, self.study.replicates) for cell in self._cells}

    @cached_property
    def _truths(self) -> dict[str, float]:
        table = read_cells(self.folder / CELLS)
        known = dict(zip(table["cell"], table["truth"], strict=True))
        if any(not isinstance(known.get(cell.hash), float) for cell in self._cells):
            raise InputError(f"{self.folder / CELLS}: lacks some cells of {STUDY}; run the sweep again, which rewrites it")
        return known

    @property
    def warnings(self) -> dict[str, int]:
        """Warnings that the pieces raised, by cell; a cell in which none was raised is left out."""
        return {cell: found.warned for cell, found in self.unbroken_blocks.items() if found.warned}

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell: hash, factors, truth, and the replicates wanted, attempted, done, failed; whether failures stopped it."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for cell in self._cells:
            found = self.unbroken_blocks[cell.hash]
            counts = {"wanted": self.wanted[cell.hash], "attempted": found.attempted, "done": found.attempted - found.failed}
            row = {"cell": cell.hash, **cell.factors, "truth": self._truths[cell.hash]}
            rows.append({**row, **counts, "failed": found.failed, "stopped": found.stopped})
        return pd.DataFrame(rows)

    def batches(self, cell: str | None = None) -> Iterator[pd.DataFrame]:
        """Read results, cell by cell in the order of the design.

        Parameters
        ----------
        cell : str, optional
            Hash of the one cell to read; by default all.

        Yields
        ------
        pandas.DataFrame
            Columns ``cell, block, replicate, method`` and the results, in the order of blocks, then methods, then replicates. A frame
            holds whole blocks of one cell, at most about 100,000 rows (one block where that has more); a large cell comes in several.
            The cuts depend only on the design.

        Raises
        ------
        InputError
            When a file has gone since the folder was opened (a running sweep merges small files).
        """
        for known in self._cells:
            if cell in (None, known.hash):
                locations = self.block_index.get(known.hash, {})
                for window in self._windows([locations[block] for block in range(self.unbroken_blocks[known.hash].blocks)]):
                    yield self._read(window)

    def _windows(self, locations: list[BlockLocation]) -> Iterator[list[BlockLocation]]:
        """Cut a cell's blocks into runs of about equal size."""
        per_window = max(1, MOST_ROWS // (self.study.block * len(self.study.methods)))
        for first in range(0, len(locations), per_window):
            yield locations[first : first + per_window]

    def _read(self, locations: list[BlockLocation]) -> pd.DataFrame:
        import numpy as np
        import pyarrow as pa

        groups: dict[tuple[str, int], list[BlockLocation]] = {}
        for location in locations:
            groups.setdefault((location.file, location.group), []).append(location)
        try:
            found = [
                read_blocks(self.folder / "blocks" / file, group, [location.entry for location in some])
                for (file, group), some in groups.items()
            ]
        except FileNotFoundError:
            raise InputError(f"{self.folder}: the running sweep has merged files since it was opened; open it again") from None
        table = pa.concat_tables([conform(part, self.columns) for part in found])
        return to_frame(table.take(np.argsort(table["block"].to_numpy(), kind="stable")))

    def to_frame(self) -> pd.DataFrame:
        """Read everything at once.

        Returns
        -------
        pandas.DataFrame
            All frames of `batches`, one below the other.
        """
        import pandas as pd

        frames = list(self.batches())
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*KEYS, *self.columns])

    def failures(self) -> pd.DataFrame:
        """List the failures.

        Returns
        -------
        pandas.DataFrame
            Columns ``cell, block, replicate`` (-1: the whole block), ``method`` ('': the generator or a limit), ``replicates`` (how many it
            cost), ``error, message, trace, key`` (of the stream: ``SeedSequence(entropy, spawn_key=key)``), in the order of the design.
        """
        import numpy as np

        table = read_failures(files_in(self.folder / "failures", FILES))
        order = {cell.hash: number for number, cell in enumerate(self.study.all_cells)}
        current = [self._is_current(row) for row in table[["cell", "block", "attempted", "limited"]].itertuples(index=False)]
        table = table[np.array(current, dtype=bool)].drop_duplicates(["cell", "block", "replicate", "method"], keep="last")
        table = table.assign(_order=table["cell"].map(order)).sort_values(["_order", "block", "replicate"], kind="stable")
        return table.drop(columns=["_order", "attempted", "limited"]).reset_index(drop=True)

    def _is_current(self, row: Any) -> bool:
        """Whether a failure is of a block that counts, and not of an earlier run of it."""
        location = self.block_index.get(row.cell, {}).get(row.block)
        if location is None or row.cell not in self.unbroken_blocks or row.block >= self.unbroken_blocks[row.cell].blocks:
            return False
        return (location.entry.attempted, location.entry.limited) == (row.attempted, row.limited)


def read_results(folder: Path | str) -> Results:
    """Read the results of a simulation study, finished or not; the same as `Results.open`.

    Parameters
    ----------
    folder : Path or str
        Folder of the sweep (the ``--out`` of its run).

    Returns
    -------
    Results
        The results on disk now, without blocks that finish later.

    Raises
    ------
    InputError
        When the folder holds no sweep.

    Examples
    --------
    >>> import tempfile
    >>> from theory.sweeps import run
    >>> def throw(*, rng, p):
    ...     return rng.random(20) < p
    >>> def mean(data):
    ...     return {"estimate": data.mean()}
    >>> folder = tempfile.mkdtemp()
    >>> _ = run(Study(name="coins", generate=throw, methods=[mean], estimand=0.5, fixed={"p": 0.5}, replicates=4), folder)
    >>> len(read_results(folder).to_frame())
    4
    """
    return Results.open(folder)
