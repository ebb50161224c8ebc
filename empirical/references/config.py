"""How references are chosen."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from see_in_pairs.configs import StrictConfig

HIDDEN_COLUMNS = ("label", "mask")
"""Columns of a query that no selector is shown."""
IDENTITY_COLUMNS = ("item_id", "image", "patient_id", "split", "serves", "sha256")


class ReferenceConfig(StrictConfig):
    """How references are chosen.

    Parameters
    ----------
    strategy : str
        ``'random'``: any healthy reference of another patient and family; ``'demographic'``: one like the query.
    m : int
        References for each query, all different.
    columns : tuple of str
        Demographic: columns that must agree exactly. A column that is empty in the whole cohort is left out.
    caliper : dict of str to float
        Demographic: numeric columns, and by how much they may differ, for example ``{'age': 5}``.
    unmatched : str
        ``'error'``: stop when a query cannot be matched; ``'relax'``: give up one requirement after the other, in the order of `relax`.
    relax : tuple of str, optional
        The order of giving up; by default the calipers, then `columns` from the last to the first.
    """

    strategy: Literal["random", "demographic"] = "random"
    m: int = Field(default=1, ge=1)
    columns: tuple[str, ...] = ("sex", "view")
    caliper: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=lambda: {"age": 5.0})
    unmatched: Literal["error", "relax"] = "error"
    relax: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _match_on_what_is_allowed(self) -> Self:
        asked = [*self.columns, *self.caliper]
        forbidden = [column for column in asked if column in (*HIDDEN_COLUMNS, *IDENTITY_COLUMNS)]
        if forbidden:
            raise ValueError(f"'{forbidden[0]}' cannot be matched on")
        if self.relax is not None and sorted(self.relax) != sorted(set(self.relax) & set(asked)):
            raise ValueError("relax: name each matching column at most once, and no other")
        return self

    @property
    def order_of_relaxing(self) -> tuple[str, ...]:
        """Columns in the order in which they are given up."""
        return tuple(self.relax) if self.relax is not None else (*self.caliper, *reversed(self.columns))
