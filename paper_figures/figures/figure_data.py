"""The interface of a figure's module, and the data that it returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from paper_figures.results.runs import RunResults


@dataclass(frozen=True)
class FigureData:
    """The data of a figure, with its caption.

    Parameters
    ----------
    data : pandas.DataFrame
        Every number that the figure shows: this becomes the CSV beside it.
    caption : str
        What is shown, on how much data, with what uncertainty.
    sources : tuple of Path
        The input files; when one of them changes, the figure is stale.
    subtitle : str
        The amount of data, in one line, for a reader of a slide without the caption.
    """

    data: pd.DataFrame
    caption: str
    sources: tuple[Path, ...] = ()
    subtitle: str = ""


class FigureModule(Protocol):
    """A module of this package that draws one figure.

    ``TITLE`` is written over the figure; ``CLAIM`` names its claims (as in ``'C2, C3'``), for provenance and caption.
    ``collect`` does all reading and computing, its ``seed`` decides every random number; ``draw`` shows the collected data and computes
    nothing. matplotlib and pandas are imported inside functions, so that commands start fast.
    """

    TITLE: str
    CLAIM: str

    def collect(self, results: RunResults, seed: int) -> FigureData:
        """Collect the data and write the caption."""

    def draw(self, figure_data: FigureData, results: RunResults) -> Figure:
        """Draw the data, in the style that is in force."""
