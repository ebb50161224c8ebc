"""The result of a selector, and the rule for queries that cannot be matched as configured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from see_in_pairs.display import html_frame, plural
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

    from empirical.references.config import ReferenceConfig


@dataclass(frozen=True)
class Choice:
    """The references of one query."""

    item_id: str  # of the query
    references: Sequence[str]  # item ids, in order; empty when the query could not be matched
    notes: Sequence[str]  # for each reference, how it was found and why it was chosen
    unmatched: str = ""  # why the query could not be matched as configured, and which requirement was relaxed; ``''`` when it could


@dataclass(frozen=True, repr=False)
class Assignment:
    """References for each query of a split.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``item_id, rank, reference_id, note``: one row for each reference of each query, ranks from 0.
    unmatched : pandas.DataFrame
        Columns ``item_id, reason``: queries that could not be matched as configured, why, and the relaxed requirements. Queries that
        are not in `table` are left out, on request.
    strategy : str
        The name of the strategy.
    """

    table: pd.DataFrame
    unmatched: pd.DataFrame
    strategy: str

    def __repr__(self) -> str:
        queries, references = self.table["item_id"].nunique(), self.table["reference_id"].nunique()
        lacking = f"; {len(self.unmatched):,} not matched as asked" if len(self.unmatched) else ""
        return f"Assignment by '{self.strategy}': {plural(references, 'reference')} beside {plural(queries, 'query', 'queries')}{lacking}"

    def _repr_html_(self) -> str:
        return html_frame(repr(self), self.table)

    @classmethod
    def of(cls, choices: Iterable[Choice], strategy: str) -> Assignment:
        """Make the tables of choices.

        Parameters
        ----------
        choices : iterable of Choice
            One for each query, in any order.
        strategy : str
            The name of the strategy, as in `empirical.references.config.STRATEGIES`.

        Returns
        -------
        Assignment
            One row for each reference; a choice without references is in `unmatched` only.
        """
        import pandas as pd

        rows, unmatched = [], []
        for choice in choices:
            for rank, (reference, note) in enumerate(zip(choice.references, choice.notes, strict=True)):
                rows.append((choice.item_id, rank, reference, note))
            if choice.unmatched:
                unmatched.append((choice.item_id, choice.unmatched))
        table = pd.DataFrame(rows, columns=["item_id", "rank", "reference_id", "note"])
        return cls(table, pd.DataFrame(unmatched, columns=["item_id", "reason"]), strategy)

    @property
    def left_out(self) -> frozenset[str]:
        """Queries without any reference."""
        return frozenset(self.unmatched["item_id"]) - frozenset(self.table["item_id"])

    def references(self) -> dict[str, tuple[str, ...]]:
        """Look up the references of each query.

        Returns
        -------
        dict of str to tuple of str
            Item id of the query to the item ids of its references, in order; queries that are left out are absent.
        """
        table = self.table.sort_values(["item_id", "rank"], kind="stable")
        return {str(item): tuple(group) for item, group in table.groupby("item_id")["reference_id"]}

    def part(self, number: int, size: int) -> Assignment:
        """Select the references of some ranks, to show a query beside another part of its references.

        Parameters
        ----------
        number : int
            Number of the part, from 0.
        size : int
            Number of references of each query in a part.

        Returns
        -------
        Assignment
            The references of ranks ``number * size`` to ``number * size + size - 1``, ranked from 0 again.
        """
        rows = self.table[self.table["rank"] // size == number]
        return Assignment(rows.assign(rank=rows["rank"] % size).reset_index(drop=True), self.unmatched, self.strategy)


def resolve_unmatched(choices: Iterable[Choice], config: ReferenceConfig, advice: str) -> list[Choice]:
    """Stop when queries could not be matched, unless ``unmatched: leave_out`` was asked for and some query remains."""
    found = list(choices)
    missing = [choice for choice in found if not choice.references]
    if missing and (config.unmatched != "leave_out" or len(missing) == len(found)):
        names = first_few([f"{choice.item_id} ({choice.unmatched})" for choice in missing])
        raise InputError(f"{config.strategy} references: {len(missing)} of {len(found)} queries cannot be matched: {names}; {advice}")
    return found
