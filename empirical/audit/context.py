"""The input of every check."""

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
    """A cohort under audit."""

    cohort: Cohort
    seed: int = 0  # of all random choices of the checks
    embeddings: NDArray[np.floating] | None = None  # (items, dimensions): a vision model's vector of each image, in the table's order
    rehash: bool = False  # whether to hash the bytes of every image again
    splits: tuple[str, ...] | None = None  # splits that must have both classes; None: training, test and, if present, validation

    @cached_property
    def table(self) -> pd.DataFrame:
        """The items, with a column ``used_in``: the split in which each is used.

        For a query this is its own split. For a reference it is the split that it serves, ``''`` when it serves any, or
        only its patient or family.
        """
        table = self.cohort.table
        serves = table["serves"].where(~table["serves"].isin(["prior", "family"]), "")
        return table.assign(used_in=serves.where(table["split"] == "reference", table["split"]))

    @cached_property
    def queries(self) -> pd.DataFrame:
        """The items that are not references."""
        return self.table[self.table["split"] != "reference"]


Check = Callable[[AuditContext], Iterator[Finding]]
