"""Runs a study: missing blocks are sent out in tasks of a fifth of a second, and results are written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from see_in_pairs.console import ProgressBar
from see_in_pairs.errors import InputError
from see_in_pairs.processes import bounded_workers
from theory.sweeps.execution.backends import Pool, check_backend, open_pool
from theory.sweeps.execution.stopping import StoppingRule, check_stop
from theory.sweeps.execution.tasks import Chunk, ChunkTask, limits_text
from theory.sweeps.resolved import resolve
from theory.sweeps.scenarios import Cell
from theory.sweeps.storage.completion import missing_blocks
from theory.sweeps.storage.folder import added_methods, locked, open_folder
from theory.sweeps.storage.parquet import MOST_ROWS
from theory.sweeps.storage.results import Results
from theory.sweeps.storage.writer import BlockIndex, BlockWriter
from theory.sweeps.study import Study

TASK_SECONDS = 0.2
"""Wanted time of a task. A killed worker loses one task, and a killed run also the last half second of unwritten results."""


def run(
    study: Study, out: Path | str, *, workers: int = 1, backend: str = "loky", quiet: bool = True, replicates: int | None = None
) -> Results:
    """Run a simulation study, or its missing part.

    Parameters
    ----------
    study : Study
        The design, from `Study.load` or made in Python.
    out : Path or str
        Folder for the results. A folder with the same study, finished or not, is continued.
    workers : int, default 1
        Number of processes, at most 4 per usable core (or 8); -1 starts one per core. The numbers do not depend on it.
    backend : {'loky', 'dask', 'ray'}
        Where blocks run: processes of this machine (loky), or a cluster.
    quiet : bool, default True
        Whether to hide progress.
    replicates : int, optional
        Replicates per cell, instead of the study's own number.

    Returns
    -------
    Results
        The whole content of the folder afterwards.

    Raises
    ------
    InputError
        When the design contradicts itself or its pieces, or the folder contains another study.
    """
    out = Path(out)
    if replicates is not None:
        study = study.with_replicates(replicates)
    started = bounded_workers(check_backend(backend, workers), quiet)
    check_stop(study)
    resolved = resolve(study)
    with locked(out), open_folder(resolved, out) as folder:
        added = added_methods(out)
        writing = BlockWriter(out, limits_text(study.limits), len(added), len(study.methods))
        with open_pool(resolved, started, backend) as pool, writing as writer:
            rule, more = StoppingRule(study, out), True
            while more:
                _run_round(pool, writer, rule.targets(), added, quiet)
                writer.flush()
                more = rule.look(Results.open(out))
        results = replace(Results.open(out), study=study)
        cells = results.unbroken_blocks.values()
        folder.count("cells", len(cells))
        folder.count("replicates attempted", sum(cell.attempted for cell in cells))
        folder.count("replicates failed", sum(cell.failed for cell in cells))
        if results.warnings:
            folder.count("warnings", sum(results.warnings.values()))
        folder.count("cells stopped by failures", sum(cell.stopped for cell in cells))
    return results


def _run_round(pool: Pool, writer: BlockWriter, targets: Mapping[Cell, int], added: Sequence[Sequence[str]], quiet: bool) -> None:
    """Run the missing blocks of the cells up to their next look."""
    study = pool.resolved.study
    todo = {cell: missing_blocks(study, writer.block_index.get(cell.hash, {}), target) for cell, target in targets.items()}
    if not any(todo.values()):
        return
    tasks = Tasks(todo, pool.workers, max(1, MOST_ROWS // (study.block * len(study.methods))), writer.lacking, added)
    total = sum(size for blocks in todo.values() for _, size in blocks)
    with ProgressBar(total, "sweep", "replicates", quiet) as bar, contextlib.closing(pool.run(tasks)) as finished:
        for chunk in finished:
            if isinstance(chunk, str):
                raise InputError(chunk)
            tasks.note_duration(chunk)
            writer.add(chunk)
            bar.advance(sum(entry.attempted for entry in chunk.entries))


class Tasks:
    """Cuts missing blocks into tasks, sized by how long blocks of the cell have taken so far."""

    def __init__(
        self,
        todo: Mapping[Cell, list[tuple[int, int]]],
        workers: int,
        most: int,
        lacking: BlockIndex | None = None,
        added: Sequence[Sequence[str]] = (),
    ) -> None:
        self.todo, self.workers, self.most, self.lacking, self.added = todo, workers, most, lacking or {}, added
        self.seconds: dict[str, float] = {}  # per block, by cell

    def __iter__(self) -> Iterator[ChunkTask]:
        for cell, every in self.todo.items():
            for methods, blocks in self._by_methods(cell, every):
                first = 0
                while first < len(blocks):
                    number = self._how_many(cell, len(blocks) - first)
                    yield ChunkTask(cell, tuple(blocks[first : first + number]), methods)
                    first += number

    def _by_methods(self, cell: Cell, blocks: Sequence[tuple[int, int]]) -> Iterator[tuple[frozenset[str] | None, list[tuple[int, int]]]]:
        """Blocks in which all methods run, and existing blocks without some methods, by the missing methods."""
        older = {block: at.entry for block, at in self.lacking.get(cell.hash, {}).items()}
        whole = {block for block, size in blocks if block in older and older[block].attempted >= size}
        yield None, [(block, size) for block, size in blocks if block not in whole]
        for times in range(len(self.added)):
            lacked = frozenset(name for names in self.added[times:] for name in names)
            yield lacked, [(block, older[block].attempted) for block, _ in blocks if block in whole and older[block].added == times]

    def _how_many(self, cell: Cell, left: int) -> int:
        seconds = self.seconds.get(cell.hash)
        if seconds is None:  # the first block of a cell goes out alone, to be timed
            return 1
        # at least two tasks per worker, so that none waits long for the last one
        return max(1, min(int(TASK_SECONDS / max(seconds, 1e-6)), -(-left // (2 * self.workers)), self.most))

    def note_duration(self, chunk: Chunk) -> None:
        """Track the time of a block: adapt immediately when blocks get slower, gradually when they get faster."""
        for entry in chunk.entries:
            before = self.seconds.get(entry.cell, entry.seconds)
            self.seconds[entry.cell] = max(entry.seconds, 0.7 * before + 0.3 * entry.seconds)
