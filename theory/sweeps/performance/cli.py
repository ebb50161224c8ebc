"""The commands ``see-in-pairs sweep list | performance | plan``. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from see_in_pairs.console import Json, NoSeed, Quiet, emit_json, log
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measure", metavar="MEASURE", help="Only this measure; may be repeated. mean:COLUMN averages another result.", show_default=False
    ),
]
Alpha = Annotated[float, typer.Option("--alpha", metavar="X", min=0, max=1, help="Level at which a p-value rejects.")]
Null = Annotated[
    float | None, typer.Option("--null", metavar="X", help="Value under the null hypothesis; by default the study's.", show_default=False)
]

COPIED_FROM_MANIFEST = ("version", "git_commit", "command_line", "config_hash", "libraries", "hardware", "started", "finished", "counts")

WITHOUT_ASSUMPTIONS = ("coverage", "bias_eliminated_coverage", "power", "type_1_error", "relative_se_error", "relative_precision")
"""Measures that can be planned for with the defaults alone."""


def mount(app: typer.Typer) -> None:
    """Add the commands to a group."""
    app.command("list")(list_studies)
    app.command()(performance)
    app.command()(plan)


def list_studies(json: Json = None, seed: NoSeed = 0, quiet: Quiet = False) -> None:
    """List the packaged simulation studies. 'sweep NAME --out DIR' runs one."""
    from theory.sweeps.packaged import packaged_studies
    from theory.sweeps.study import Study

    found = {name: Study.load(path) for name, path in packaged_studies().items()}
    if json is not None:
        rows = [{"study": name, "aims": study.aims.strip(), "cells": len(study.all_cells), "methods": [use.name for use in study.methods],
                 "replicates": study.replicates} for name, study in found.items()]  # fmt: skip
        emit_json(rows, json)
        return
    for name, study in found.items():
        title = study.aims.partition(".")[0].strip()
        print(f"{name:<17} {title} ({len(study.all_cells)} cells x {study.replicates:,} replicates, methods: {len(study.methods)})")


def performance(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a sweep, finished or not.")],
    measure: Measures = None,
    versus: Annotated[
        str | None,
        typer.Option("--versus", metavar="METHOD", help="Method to compare the precision with; by default the first.", show_default=False),
    ] = None,
    common: Annotated[bool, typer.Option("--common", help="Count only the replicates that all methods completed.")] = False,
    alpha: Alpha = 0.05,
    null: Null = None,
    json: Json = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for performance.csv and manifest.json.", show_default=False)
    ] = None,
    seed: NoSeed = 0,
    quiet: Quiet = False,
) -> None:
    """Measure how well each method did: bias, coverage, power.

    Each measure comes with its Monte Carlo standard error.
    """
    from theory.sweeps.performance.table import performance as measured_of
    from theory.sweeps.storage.results import Results

    results = Results.open(folder)
    table = measured_of(results, measure, alpha=alpha, null=null, versus=versus, common=common)
    if out is not None:
        chosen = {"measures": measure, "alpha": alpha, "null": null, "versus": versus, **({"common": True} if common else {})}
        _save(table, results.study.name, folder, out, chosen)
    if json is not None:
        emit_json(_rows(table), json)
    else:
        print(format_table(table))
    cells = results.cells
    log(f"{cells['done'].sum():,} replicates done, {cells['failed'].sum():,} failed, in {len(cells)} cells", quiet)


def _save(table: pd.DataFrame, study: str, folder: Path, out: Path, options: dict[str, Any]) -> None:
    from see_in_pairs.files import atomic_path
    from see_in_pairs.runs import RunFolder, begun_before

    swept = begun_before(folder)
    with RunFolder(out, "sweep performance", {"study": study, **options}, swept.get("seed")) as run:
        run.manifest["sweep"] = {name: swept.get(name) for name in COPIED_FROM_MANIFEST}  # not part of the config: a sweep may be extended
        with atomic_path(run.path / "performance.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")
        run.count("rows", len(table))
        run.count("without a number", int(table["value"].isna().sum()))


def _rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Rows for JSON, where missing is null."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def plan(
    measure: Annotated[str, typer.Option("--measure", metavar="MEASURE", help="The measure to estimate precisely.")],
    mcse: Annotated[float, typer.Option("--mcse", metavar="X", help="Its wanted Monte Carlo standard error.")],
    assume: Annotated[
        list[str] | None,
        typer.Option("--assume", metavar="NAME=VALUE", help="For example sd=0.2 for bias, share=0.95 for coverage.", show_default=False),
    ] = None,
    pilot: Annotated[
        Path | None, typer.Option("--pilot", metavar="DIR", help="Instead: folder of a sweep with few replicates.", show_default=False)
    ] = None,
    alpha: Alpha = 0.05,
    null: Null = None,
    json: Json = None,
    seed: NoSeed = 0,
    quiet: Quiet = False,
) -> None:
    """Plan replicates for a wanted Monte Carlo standard error.

    From assumptions, or from a pilot.
    """
    from theory.sweeps.performance.measures import measure_of

    measure_of(measure)  # a misspelt name is reported before missing assumptions
    if (pilot is None) == (not assume) and measure not in WITHOUT_ASSUMPTIONS:
        raise InputError("give either --assume NAME=VALUE ... or --pilot DIR")
    if pilot is not None and assume:
        raise InputError("give --assume or --pilot, not both: a pilot replaces assumptions")
    if pilot is not None:
        _from_pilot(pilot, measure, mcse, {"alpha": alpha, "null": null}, json, quiet)
        return
    from theory.sweeps.performance.sample_size import replicates_needed

    found = replicates_needed(measure, mcse, **_numbers(assume or []))
    if json is not None:
        emit_json(found, json)
    else:
        assumed = ", ".join(f"{name} = {value:g}" for name, value in found.assumed.items())
        print(f"{found.replicates:,} replicates per cell for an MCSE of {measure} of {mcse:g} ({assumed})")


def _numbers(pairs: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if name.strip() in found:
            raise InputError(f"--assume {pair}: '{name.strip()}' is given twice; assume one value")
        try:
            found[name.strip()] = float(text)
        except ValueError:
            raise InputError(f"--assume {pair}: write NAME=NUMBER, as in sd=0.2") from None
    return found


def _from_pilot(folder: Path, measure: str, mcse: float, options: dict[str, Any], json: str | None, quiet: bool) -> None:
    from theory.sweeps.performance.sample_size import replicates_from_pilot
    from theory.sweeps.performance.table import performance as measured_of
    from theory.sweeps.storage.results import Results

    table = replicates_from_pilot(measured_of(Results.open(folder), [measure], **options), measure, mcse)
    if json is not None:
        emit_json(_rows(table), json)
    else:
        print(format_table(table))
    known = table.dropna(subset=["replicates"])
    if not len(known):
        raise InputError(f"--pilot {folder}: no method has an MCSE of {measure} ({table['note'].iloc[0]})")
    worst = known.sort_values("replicates").iloc[-1]
    interval = f"[{worst['replicates_low']:,.0f}, {worst['replicates_high']:,.0f}]"
    log(f"{worst['replicates']:,.0f} {interval} replicates per cell for an MCSE of {measure} of {mcse:g} in every cell and method", quiet)


def format_table(table: pd.DataFrame) -> str:
    """A table of performance for a person: the varying factors, value and MCSE with as many digits as the MCSE justifies, counts, note.

    In each cell, either power or type-I error exists; only this one is shown.
    """
    table = table[~table["note"].str.startswith("the null is ")]
    known = ("cell", "truth", "method", "measure", "value", "mcse", "completed", "failed", "note")
    needed = [name for name in table if str(name).startswith("replicates")]
    factors = [name for name in table if name not in (*known, *needed) and table[name].astype(str).nunique() > 1]
    shown = table[factors].astype(str)
    shown["truth"] = [f"{value:.5g}" for value in table["truth"]]
    shown = shown.join(table[["method", "measure"]])
    shown["value"] = [_digits(value, error) for value, error in zip(table["value"], table["mcse"], strict=True)]
    shown["mcse"] = [_digits(error, error) for error in table["mcse"]]
    shown = shown.join(table[["completed", "failed"]])
    for name in needed:
        shown[name] = [f"{value:,.0f}" for value in table[name]]
    return shown.assign(note=table["note"]).to_string(index=False)


def _digits(value: float, error: float) -> str:
    """Write a number to the second digit of its error."""
    import math

    if not math.isfinite(value):
        return "-"
    if not error > 0:
        return f"{value:.6g}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(error)))}f}"
