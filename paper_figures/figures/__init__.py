"""One figure per file. Each gathers its data from an output folder, says in its caption what it shows, and draws.

A figure's module has ``TITLE``, ``CLAIM``, ``gather(results, seed)``, which gives a `FigureData`, and ``draw(material, results)``.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from paper_figures.figures.figure_data import FigureData

if TYPE_CHECKING:
    from paper_figures.results.runs import RunResults

FIGURES = (
    "when_comparison_helps",
    "phase_diagram",
    "phantom_pairs",
    "auroc_by_arm",
    "predicted_gain",
    "pixel_correlation",
    "several_references",
)
"""Names of the figures, in the order of the report."""

__all__ = ["FIGURES", "FigureData", "draw_figure"]


def draw_figure(name: str, results: RunResults, seed: int = 0) -> Path:
    """Draw a figure into the output folder.

    Parameters
    ----------
    name : str
        One of `FIGURES`.
    results : RunResults
        The output folder.
    seed : int, default 0
        Of the bootstrap and of simulated points.

    Returns
    -------
    Path
        The PNG; PDF and CSV lie beside it.

    Raises
    ------
    InputError
        When what the figure needs is not in the folder.
    """
    from paper_figures.plotting import style
    from paper_figures.plotting.provenance import save_figure

    module = importlib.import_module(f"paper_figures.figures.{name}")
    material = module.collect(results, seed)
    with style.house_style():
        return save_figure(
            module.draw(material, results), material.data, name, results.folder / "figures", title=module.TITLE, caption=material.caption,
            claim=module.CLAIM, seed=seed, config_hash=results.config_hash, sources=material.sources, modules=[module, style],
        )  # fmt: skip
