"""What every check is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from numpy.typing import NDArray

from empirical.audit.finding import Finding
from empirical.cohorts import Cohort

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class AuditContext:
    """A cohort under audit.

    Shapes: `embeddings` (items, dimensions).
    """

    cohort: Cohort
    seed: int = 0  # of whatever a check draws
    embeddings: NDArray[np.floating] | None = None  # A vision model's view of each image, in the order of the table
    rehash: bool = False  # whether every image's bytes shall be hashed again

    @cached_property
    def table(self) -> pd.DataFrame:
        """The items, with a column ``home``: the split in which each is used."""
        return self.cohort.table.assign(home=home_split(self.cohort.table))

    @cached_property
    def queries(self) -> pd.DataFrame:
        """The items that are not references."""
        return self.table[self.table["split"] != "reference"]


Check = Callable[[AuditContext], Iterator[Finding]]


def home_split(table: pd.DataFrame) -> pd.Series:
    """Tell in which split an item is used.

    Parameters
    ----------
    table : pandas.DataFrame
        Items.

    Returns
    -------
    pandas.Series of str
        A query's split; for a reference the split it serves, ``''`` when it serves any, or its own patient only (``'prior'``).
    """
    serves = table["serves"].where(table["serves"] != "prior", "")
    return serves.where(table["split"] == "reference", table["split"])
