"""The command ``see-in-pairs sweep plot``; nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from see_in_pairs.console import NoSeed, Quiet, log
from see_in_pairs.errors import InputError


def plot(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a sweep, finished or not.")],
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="nested-loop, zip, lolly or heat-map.")] = "nested-loop",
    measure: Annotated[
        str, typer.Option("--measure", metavar="MEASURE", help="A measure of 'sweep performance', or estimate; a zip plot shows coverage.")
    ] = "bias",
    method: Annotated[list[str] | None, typer.Option("--method", metavar="METHOD", help="Only this method; may be repeated.")] = None,
    where: Annotated[list[str] | None, typer.Option("--where", metavar="FACTOR=LEVEL", help="Only these cells; may be repeated.")] = None,
    x: Annotated[str | None, typer.Option("--x", metavar="FACTOR", help="Across a heat map.")] = None,
    y: Annotated[str | None, typer.Option("--y", metavar="FACTOR", help="Up a heat map.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder; by default 'figures' in DIR.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="File name without suffix; by default kind and measure.")
    ] = None,
    seed: NoSeed = 0,
    quiet: Quiet = False,
) -> None:
    """Draw a plot of a sweep. As PNG, PDF, and CSV with every number shown."""
    from paper_figures.sweep_plots import draw_sweep
    from paper_figures.sweep_plots.plot_data import PlotRequest

    measure = "coverage" if kind == "zip" else measure
    drawn = draw_sweep(folder, kind, PlotRequest(measure, tuple(method or ()), _levels(where or []), x, y), out, name)
    log("drawn, with .pdf and .csv beside it:", quiet)
    print(drawn)


def _levels(conditions: list[str]) -> dict[str, str]:
    levels = {}
    for condition in conditions:
        factor, _, level = condition.partition("=")
        if not (factor and level):
            raise InputError(f"--where {condition}: write FACTOR=LEVEL, as in rho=0.5")
        if factor in levels:
            raise InputError(f"--where {condition}: '{factor}' is given twice; a cell has one level of it")
        levels[factor] = level
    return levels
