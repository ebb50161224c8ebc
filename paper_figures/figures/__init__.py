"""One figure per file. Each collects its data from an output folder, writes its caption, and draws.

`figure_data` defines a figure's module (`FigureModule`); a new figure is such a module and its name in `FIGURES`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from paper_figures.figures.figure_data import FigureData, FigureModule

if TYPE_CHECKING:
    from types import ModuleType

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
"""Names of the figures, each a module of this package, in the order of the report."""

__all__ = ["FIGURES", "FigureData", "draw_figure"]


def __dir__() -> list[str]:
    return sorted(__all__)


def draw_figure(name: str, results: RunResults, seed: int = 0) -> Path:
    """Draw a figure into the ``figures`` folder of an output folder.

    Parameters
    ----------
    name : str
        Name of the figure to draw, one of `FIGURES`.
    results : RunResults
        The output folder of ``reproduce``; figures of the theory need no file in it.
    seed : int, default 0
        Seed of the bootstrap and of simulated points, at least 0.

    Returns
    -------
    Path
        The PNG; PDF and CSV are beside it.

    Raises
    ------
    InputError
        When files that the figure needs are missing in the folder.
    """
    from paper_figures.plotting import style
    from paper_figures.plotting.provenance import save_figure

    module = cast(FigureModule, importlib.import_module(f"paper_figures.figures.{name}"))
    found = module.collect(results, seed)
    with style.house_style():
        figure = module.draw(found, results)
        style.heading(figure, module.TITLE, found.subtitle)
        return save_figure(
            figure, found.data, name, results.folder / "figures", title=module.TITLE, caption=found.caption, claim=module.CLAIM, seed=seed,
            config_hash=results.config_hash, sources=found.sources, modules=[cast("ModuleType", module), style],
        )  # fmt: skip
