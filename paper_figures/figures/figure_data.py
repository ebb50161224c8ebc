"""What a figure is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FigureData:
    """The data behind a figure, and what to say about it.

    Parameters
    ----------
    data : pandas.DataFrame
        Every number that the figure shows.
    caption : str
        What is seen, on how much data, with what uncertainty.
    sources : tuple of Path
        The files it was made from.
    """

    data: pd.DataFrame
    caption: str
    sources: tuple[Path, ...] = ()
