"""Plots of a sweep, one kind per file: nested-loop plot, zip plot, lolly plot, heat map over two factors.

A kind's module has ``collect(results, request)``, which returns a `PlotData` with every number that is shown, and ``draw(plot_data)``;
`plot_data` has the shared parts. A new kind is such a module and its line in `KINDS`.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from paper_figures.sweep_plots.plot_data import PlotRequest

KINDS = {"nested-loop": "nested_loop", "zip": "zip_plot", "lolly": "lolly", "heat-map": "heat_map"}
"""Kind of plot to module."""

FILE_NAME = r"\w[\w. -]{0,99}"
"""File names that are valid on every system, without the suffix: no folder separator, and no dot at the beginning."""


def draw_sweep(folder: Path | str, kind: str, request: PlotRequest, out: Path | str | None = None, name: str | None = None) -> Path:
    """Draw a plot of a sweep and return the PNG; PDF and CSV are beside it."""
    from paper_figures.plotting import style
    from paper_figures.plotting.provenance import save_figure
    from paper_figures.sweep_plots import plot_data as shared
    from see_in_pairs.files import files_in
    from see_in_pairs.runs import begun_before
    from theory.sweeps import Results

    if kind not in KINDS:
        raise InputError(f"--kind {kind}: must be one of {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    if name is not None and not re.fullmatch(FILE_NAME, name):
        raise InputError(f"--name {name}: is not a file name; give up to 100 letters, digits and any of '-_. ', and the folder with --out")
    folder = Path(folder)
    results = Results.open(folder)
    module = importlib.import_module(f"paper_figures.sweep_plots.{KINDS[kind]}")
    found = module.collect(results, request)
    manifest = begun_before(folder)
    sources = [folder / "study.yaml", *files_in(folder / "blocks", "[0-9]*.parquet")]
    with style.house_style():
        figure = module.draw(found)
        style.heading(figure, found.title, found.subtitle)
        return save_figure(
            figure, found.data, name or re.sub(r"[^\w.-]", "_", f"{KINDS[kind]}_{request.measure}")[:100], out or folder / "figures",
            title=found.title, caption=found.caption, claim="", seed=results.study.entropy, config_hash=manifest.get("config_hash", ""),
            sources=sources, modules=[module, shared, style],
        )  # fmt: skip
