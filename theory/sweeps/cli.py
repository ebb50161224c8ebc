"""The commands ``see-in-pairs sweep``: run a study, show its progress, replay failures.

Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from see_in_pairs.console import Changes, Commands, Config, Json, Out, Quiet, emit_json, format_duration, log, log_result, new_app
from see_in_pairs.errors import CheckFailed, InputError, first_few
from theory.sweeps.packaged import find_design, packaged_studies
from theory.sweeps.performance.cli import mount as mount_measures

if TYPE_CHECKING:
    from theory.sweeps.storage.results import Results

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A sweep's folder (the --out of its run).", show_default=False)]


MOST_ROWS_SHOWN = 2_000_000  # all are read for the table after a run; beyond, that would keep the user waiting for eight lines


class RunByDefault(Commands):
    """A group whose first word may be a design, by file or name: ``sweep CONFIG.yaml`` means ``sweep run CONFIG.yaml``."""

    def names(self) -> list[str]:
        """Commands and packaged studies."""
        return [*super().names(), *packaged_studies()]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert ``run`` before a first word that is a design and not a command."""
        first = args[0] if args else "--help"
        looks_like_run = (
            first.endswith((".yaml", ".yml"))
            or Path(first).is_file()
            or first in packaged_studies()
            or (first.startswith("-") and first not in ("-h", "--help"))
        )
        return super().parse_args(ctx, ["run", *args] if looks_like_run and first not in self.commands else args)


app = new_app("Simulation studies: run, measure, plan and draw them. 'sweep NAME --out DIR' runs or resumes one.")
app.info.cls = RunByDefault
mount_measures(app)


@app.command()
def run(
    config: Config,
    out: Out,
    workers: Annotated[int, typer.Option("--workers", metavar="N", help="Number of parallel workers; -1 is one per usable core.")] = 1,
    backend: Annotated[str, typer.Option("--backend", metavar="NAME", help="loky (this machine), dask or ray (a cluster).")] = "loky",
    replicates: Annotated[
        int | None, typer.Option("--replicates", metavar="N", help="Replicates per cell; by default the design's.", show_default=False)
    ] = None,
    changes: Changes = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, help="Seed; by default the config's 'entropy'.", show_default=False)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run a simulation study, or its missing part.

    'sweep CONFIG' is the same as 'sweep run CONFIG'. Run again to resume or extend; the numbers do not depend on --workers.
    """
    from theory.sweeps.execution.runner import run as run_study
    from theory.sweeps.study import Study

    study = Study.load(find_design(config), [*(changes or []), *([] if seed is None else [f"entropy={seed}"])])
    cells, most = len(study.all_cells), replicates or study.most_replicates
    log(f"{study.name}: {cells} cells, {'at most ' if study.stop else ''}{most:,} replicates each, into {out}", quiet)
    results = run_study(study, out, workers=workers, backend=backend, quiet=quiet, replicates=replicates)
    print(format_status(results))
    found = results.unbroken_blocks.values()
    stopped, empty = sum(cell.stopped for cell in found), sum(0 < cell.attempted == cell.failed for cell in found)
    wrong = [f"{stopped} of {cells} cells stopped by too many failures (max_failures {study.max_failures})"] if stopped else []
    wrong += [f"{empty} of {cells} cells have no completed replicate"] if empty else []
    if not wrong:
        _show_performance(results, out, quiet)
    if wrong:
        kept = results.failures()
        first = "" if kept.empty else f"; first {kept['method'][0] or study.generate}: {kept['error'][0]}: {kept['message'][0]}"
        raise CheckFailed(f"{' and '.join(wrong)}{first}; see 'sweep replay {out}'")


def _show_performance(results: Results, folder: Path, quiet: bool) -> None:
    """Show the performance of the methods in the first cells; a study without such measures must not fail after its run."""
    from theory.sweeps.performance.cli import format_table
    from theory.sweeps.performance.table import performance

    lines: list[str] = []
    rows = len(results.study.methods) * sum(found.attempted for found in results.unbroken_blocks.values())
    if not quiet and rows <= MOST_ROWS_SHOWN:
        with contextlib.suppress(InputError):
            lines = format_table(performance(results)).splitlines()
    log_result(lines, ["sweep", "performance", folder], quiet)


@app.command()
def status(
    folder: Folder,
    watch: Annotated[
        float | None,
        typer.Option("--watch", metavar="[SECONDS]", min=0.05, help="Repeat until the sweep is finished; every 2 s by default."),
    ] = None,
    json: Json = None,
) -> None:
    """Show the progress of a sweep, cell by cell. It may be running."""
    from theory.sweeps.storage.results import Results

    if watch is not None:
        if json is not None:
            raise InputError("--watch and --json: give only one of them")
        return _watch(folder, watch)
    results = Results.open(folder)
    if json is None:
        print(format_status(results))
        return
    emit_json(
        {"study": results.study.name, "running": results.running, "warnings": results.warnings, "cells": results.cells.to_dict("records")},
        json,
    )


def _watch(folder: Path, seconds: float) -> None:
    """Show the state until every cell is finished: on a terminal redraw the table, elsewhere print a line for each change."""
    from theory.sweeps.storage.results import Results

    shown = ""
    while True:
        results = Results.open(folder)
        cells = results.cells
        if sys.stdout.isatty():
            print(f"\x1b[H\x1b[2J{format_status(results)}", flush=True)  # from the top left corner of an empty screen
        else:
            total = cells[["done", "failed", "wanted"]].sum()
            running = "running" if results.running else "not running"
            line = f"{results.study.name}: {total['done']:,} of {total['wanted']:,} replicates done, {total['failed']:,} failed, {running}"
            if line != shown:
                print(line, flush=True)
            shown = line
        if not results.running and (cells["stopped"] | (cells["attempted"] >= cells["wanted"])).all():
            return
        time.sleep(seconds)


def format_status(results: Results) -> str:
    """The state of a sweep for a person: a line per cell, and one for all."""
    table = results.cells
    factors = [name for name in table if name not in ("cell", "truth", "wanted", "attempted", "done", "failed", "stopped")]
    lines = [f"{'cell':<16} {'done':>10} {'failed':>7} {'wanted':>10}  {'':<9} factors"]
    for row in table.to_dict("records"):
        state = "stopped" if row["stopped"] else "" if row["attempted"] >= row["wanted"] else "under way"
        named = ", ".join(f"{name}={row[name]}" for name in factors)
        lines.append(f"{row['cell']:<16} {row['done']:>10,} {row['failed']:>7,} {row['wanted']:>10,}  {state:<9} {named}")
    total = table[["done", "failed", "wanted"]].sum()
    running = "running" if results.running else "not running"
    if results.seconds_left > 0:
        running += f", {format_duration(results.seconds_left)} of processor time left"
    lines.append(f"{'all':<16} {total['done']:>10,} {total['failed']:>7,} {total['wanted']:>10,}  {running}")
    if results.warnings:
        counts = first_few([f"{count:,} in cell {cell}" for cell, count in results.warnings.items()], 5)
        lines.append(f"{sum(results.warnings.values()):,} warnings were raised: {counts}")
    return "\n".join(lines)


@app.command()
def replay(
    folder: Folder,
    failure: Annotated[
        int | None, typer.Option("--failure", metavar="N", help="Number of the failure in the list.", show_default=False)
    ] = None,
    cell: Annotated[
        str | None, typer.Option("--cell", metavar="HASH", help="The cell's hash, or its first digits.", show_default=False)
    ] = None,
    replicate: Annotated[
        int | None, typer.Option("--replicate", metavar="N", help="Number of the replicate in the cell.", show_default=False)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """List the failures of a sweep, or run one replicate again. Exit code 1 when it fails again."""
    from theory.sweeps.storage.results import Results

    results = Results.open(folder)
    if failure is None and cell is None and replicate is None:
        print(format_failures(results))
        return
    _replay_one(results, *_chosen(results, failure, cell, replicate), quiet)


def _chosen(results: Results, failure: int | None, cell: str | None, replicate: int | None) -> tuple[str, int]:
    from theory.sweeps.execution.replay import failed

    if failure is not None and cell is None and replicate is None:
        return failed(results, failure)
    if failure is not None or cell is None or replicate is None:
        raise InputError("name the replicate by --failure N, or by --cell HASH --replicate N")
    return cell, replicate


def _replay_one(results: Results, cell: str, replicate: int, quiet: bool) -> None:
    from theory.sweeps.execution.replay import code_changed, find_cell, replay, rows_of, stream_of
    from theory.sweeps.resolved import resolve

    changed = code_changed(results, resolve(results.study))
    if changed:
        log(f"note: the code of {', '.join(changed)} has changed since the sweep was run")
    outcome = replay(results, cell, replicate)
    found = find_cell(results, cell)
    log(f"replicate {replicate} of {found}; its stream: {stream_of(results, found.hash, replicate)}", quiet)
    for failure in outcome.failures:
        log(failure.trace.rstrip())
    rows = rows_of(outcome, results)
    if len(rows):
        print(rows.to_string(index=False))
    if outcome.failures:
        first = outcome.failures[0]
        raise CheckFailed(f"{first.method or 'the generator'} fails again: {first.error}: {first.message}")


def format_failures(results: Results) -> str:
    """The failures of a sweep, one line each, with the numbers for ``--failure``."""
    table = results.failures()
    if table.empty:
        return "no failures"
    lines = [f"{'number':>6}  {'cell':<16} {'replicate':>9}  {'piece':<20} error"]
    for number, row in enumerate(table.to_dict("records")):
        where = f"block {row['block']}" if row["replicate"] < 0 else row["replicate"]
        piece = row["method"] or results.study.generate
        lines.append(f"{number:>6}  {row['cell']:<16} {where:>9}  {piece:<20} {row['error']}: {row['message']}".splitlines()[0])
    return "\n".join(lines)
