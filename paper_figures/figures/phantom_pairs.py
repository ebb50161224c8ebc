"""Example images of queries and references: a healthy and a diseased query, a relative, a stranger, and the differences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.claims.registry import MAIN_RHO
from paper_figures.figures.figure_data import FigureData
from paper_figures.plotting.style import INK, ORANGE
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from empirical.cohorts import Cohort
    from paper_figures.results.runs import Run, RunResults

TITLE = "A query beside a healthy relative and a healthy stranger"
CLAIM = "C1, C2"
COLOUR_LIMIT = 30.0
"""Gray levels at which the colours of a difference end."""

OUTLINED = (True, False, True, False, True, True)
"""In which columns the lesion's outline is drawn: those that show the query."""


@dataclass(frozen=True)
class _Source:
    cohort: Cohort
    matched: Run
    random: Run


def collect(results: RunResults, seed: int) -> FigureData:
    """Choose the first healthy and the first diseased test item, with the references that the models were shown.

    The data has rows ``label, item_id, strategy, rho, reference_id``.
    """
    import pandas as pd

    source = _source(results)
    positive = set(source.cohort.info.positive)
    rows = []
    for run in (source.matched, source.random):
        table = results.records.of(run_id=run.run_id).table.sort_values("item_id")
        for diseased in (False, True):
            first = table[table["label"].isin(positive) == diseased].iloc[0]
            rho = run.evaluated_rho if run is source.matched else 0.0
            shown = {"label": first["label"], "item_id": first["item_id"], "strategy": run.strategy}
            rows.append(shown | {"rho": rho, "reference_id": first["reference_ids"][0]})
    data = pd.DataFrame(rows)
    files = {source.cohort.image_path(item) for column in ("item_id", "reference_id") for item in data[column]}
    caption = (
        f"Phantom test items ({', '.join(data['item_id'].unique())}) beside the references that the models were shown: a relative "
        f"of the same family (correlation ρ = {MAIN_RHO:g} in every component of the variation) and a random stranger (ρ = 0). Differences "
        f"run from −{COLOUR_LIMIT:.0f} to {COLOUR_LIMIT:.0f} gray levels. Outline: the lesion's mask (known to us, never to a model); last "
        "column: what the lesion adds. The images are made by a model; they are not of patients."
    )
    subtitle = f"Two test items of the phantom (made by a model, not of patients), {' and '.join(data['item_id'].unique())}"
    return FigureData(data, caption, (*sorted(files), *results.records_sources), subtitle)


def _source(results: RunResults) -> _Source:
    matched = results.find(arm="pair", own_arm=True, strategy="demographic", evaluated_rho=MAIN_RHO)
    random = results.find(arm="pair", strategy="random", train_arm="pair")
    if matched is None or random is None:
        raise InputError(f"{results.records_folder}: no pair runs with rho {MAIN_RHO} and random references; run 'see-in-pairs reproduce'")
    return _Source(results.cohort(matched), matched, random)


def draw(figure_data: FigureData, results: RunResults) -> Figure:
    """Draw a row of six pictures for each query."""
    from matplotlib.figure import Figure

    cohort = _source(results).cohort
    figure = Figure(figsize=(13.2, 5.5))
    grid = figure.subplots(2, 6)
    for row, (label, rows) in zip(grid, figure_data.data.groupby("label", sort=False), strict=True):
        item, (relative, stranger) = rows["item_id"].iloc[0], list(rows["reference_id"])
        mask = cohort.mask(item)
        query, first, second = (_gray(cohort, name) for name in (item, relative, stranger))
        lesion = _lesion(cohort.folder, mask) if mask is not None else np.zeros_like(query)
        pictures = (query, first, query - first, second, query - second, lesion)
        for axes, picture, outlined in zip(row, pictures, OUTLINED, strict=True):
            _show(axes, picture, mask if outlined else None)
        row[0].set_ylabel(f"{label} query", fontsize=15, fontweight="bold", color=INK)
    rho = figure_data.data["rho"].max()
    titles = ("query", f"relative\nρ = {rho:g}", "query −\nrelative", "stranger\nρ = 0", "query −\nstranger", "what the\nlesion adds")
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, loc="center", fontsize=14, color=INK)
    bar = figure.colorbar(grid[1, 4].images[0], ax=grid[:, 5], shrink=0.75, pad=0.06)
    bar.set_label("difference, gray levels", fontsize=13, color=INK)
    return figure


def _gray(cohort: Cohort, item: str) -> NDArray[np.float64]:
    return np.asarray(cohort.image(item).convert("L"), dtype=float)


def _lesion(folder: Path, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Gray levels that the lesion adds, (height, width), centred on its mask."""
    from empirical.cohorts.phantom import PhantomTruth

    truth = PhantomTruth.load(folder / "truth.npz")
    return truth.signal_at(np.argwhere(mask).mean(axis=0)).reshape(truth.shape)


def _show(axes: Axes, picture: NDArray[np.float64], mask: NDArray[np.bool_] | None) -> None:
    difference = picture.min() < 0 or picture.max() < COLOUR_LIMIT
    limits = {"cmap": "RdBu_r", "vmin": -COLOUR_LIMIT, "vmax": COLOUR_LIMIT} if difference else {"cmap": "gray", "vmin": 0, "vmax": 255}
    axes.imshow(picture, interpolation="nearest", **limits)  # type: ignore[arg-type]
    if mask is not None:
        axes.contour(mask, [0.5], colors=ORANGE, linewidths=1.8)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
