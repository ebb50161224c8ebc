"""Run one replicate again alone, with its original stream."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError, first_few
from see_in_pairs.runs import begun_before
from theory.sweeps.execution.block import run_replicate
from theory.sweeps.execution.limits import one_thread
from theory.sweeps.execution.outcome import BlockOutcome
from theory.sweeps.execution.rng import block_key
from theory.sweeps.execution.tasks import work_of
from theory.sweeps.resolved import ResolvedStudy, resolve
from theory.sweeps.scenarios import Cell
from theory.sweeps.storage.folder import identity
from theory.sweeps.storage.results import Results

if TYPE_CHECKING:
    import pandas as pd


def replay(results: Results, cell: str, replicate: int, catch: bool = True) -> BlockOutcome:
    """Run one replicate of a sweep again, alone, with its original random stream.

    Parameters
    ----------
    results : Results
        The sweep, as opened from its folder.
    cell : str
        Hash of the cell, or enough of its first digits to identify it.
    replicate : int
        Number of the replicate within the cell, from 0.
    catch : bool, default True
        Whether an exception of a piece is caught and kept as a failure. With False it is raised, for a debugger.

    Returns
    -------
    BlockOutcome
        Results of each method in ``rows``, and exceptions in ``failures``. A vectorised generator computes its whole block again, and
        only this replicate is kept.

    Raises
    ------
    InputError
        When there is no such cell or replicate, or the pieces cannot be loaded.
    """
    found, resolved = find_cell(results, cell), resolve(results.study)
    if not 0 <= replicate < results.study.most_replicates:
        raise InputError(f"replicate {replicate}: this sweep has replicates 0 to {results.study.most_replicates - 1} in a cell")
    work = work_of(resolved, found)
    if not catch:
        work = replace(work, catch=())
    with one_thread():
        return run_replicate(work, *divmod(replicate, results.study.block))


def find_cell(results: Results, start: str) -> Cell:
    """Find the one cell whose hash begins with some digits."""
    found = [cell for cell in results.study.all_cells if cell.hash.startswith(start)]
    if len(found) != 1:
        which = first_few([str(cell) for cell in found or results.study.all_cells])
        raise InputError(f"--cell {start}: {'several cells begin' if found else 'no cell begins'} with this ({which})")
    return found[0]


def stream_of(results: Results, cell: str, replicate: int) -> str:
    """Numpy's expression for a replicate's stream; for its block's where the generator is vectorised."""
    block, index = divmod(replicate, results.study.block)
    vectorised = resolve(results.study).generate.vectorised
    key = block_key(cell, block, None if vectorised else index)
    return f"SeedSequence({results.study.entropy}, spawn_key={key})"


def failed(results: Results, number: int) -> tuple[str, int]:
    """Find cell and replicate of a failure by its number in the list; the block's first replicate where the whole block failed."""
    failures = results.failures()
    if not 0 <= number < len(failures):
        raise InputError(f"--failure {number}: this sweep has {len(failures)} failures, numbered from 0; 'sweep replay DIR' lists them")
    row: Any = failures.iloc[number]
    first = int(row["block"]) * results.study.block
    return str(row["cell"]), first if row["replicate"] < 0 else int(row["replicate"])


def code_changed(results: Results, resolved: ResolvedStudy) -> list[str]:
    """Names of the pieces whose code has changed since the run."""
    config = begun_before(results.folder).get("config")
    then = config.get("code") if isinstance(config, dict) else None
    if not isinstance(then, dict):
        raise InputError(f"{results.folder / 'manifest.json'}: does not say which code ran, so it is damaged; run the sweep again")
    return [name for name, code in identity(resolved)["code"].items() if then.get(name) != code]


def rows_of(outcome: BlockOutcome, results: Results) -> pd.DataFrame:
    """Results of a replayed replicate, one row per method that succeeded."""
    import pandas as pd

    labels = [use.name for use in results.study.methods]
    rows = [
        {"method": labels[number], **{name: values[0] for name, values in columns.items()}}
        for number, found, columns in outcome.rows
        if len(found)
    ]
    return pd.DataFrame(rows)
