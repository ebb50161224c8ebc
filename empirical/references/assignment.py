"""What a selector hands back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Choice = tuple[str, list[str], str]
"""Query, its references in order, and a note on how they were found."""


@dataclass(frozen=True)
class Assignment:
    """References for each query of a split.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``item_id, rank, reference_id, note``: one row for each reference of each query, ranks from 0.
    unmatched : pandas.DataFrame
        Columns ``item_id, reason``: queries that could not be matched as asked and what was given up for them; all of them are in
        `table` too.
    strategy : str
        The name of the strategy.
    """

    table: pd.DataFrame
    unmatched: pd.DataFrame
    strategy: str

    @classmethod
    def of(cls, choices: Iterable[Choice], unmatched: Iterable[tuple[str, str]], strategy: str) -> Assignment:
        """Put choices into tables.

        Parameters
        ----------
        choices : iterable of (str, list of str, str)
            For each query its id, its references' ids in order, and a note.
        unmatched : iterable of (str, str)
            For each query that could not be matched as asked its id and why.
        strategy : str
            The name of the strategy.

        Returns
        -------
        Assignment
            The same as tables.
        """
        import pandas as pd

        rows = [(query, rank, reference, note) for query, references, note in choices for rank, reference in enumerate(references)]
        table = pd.DataFrame(rows, columns=["item_id", "rank", "reference_id", "note"])
        return cls(table, pd.DataFrame(list(unmatched), columns=["item_id", "reason"]), strategy)
