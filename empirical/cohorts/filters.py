"""The option ``--where``: keep the items whose columns are as asked, and count the others."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

CONDITION = re.compile(r"\s*(?P<column>\w+)\s*(?P<sign><=|>=|!=|=|<|>)(?P<value>.*)")
ORDERINGS: dict[str, Callable[[Any, float], Any]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def keep_where(table: pd.DataFrame, conditions: Sequence[str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Keep the rows that fulfil every condition; the counts say how many each left out, in their order.

    Examples
    --------
    >>> import pandas as pd
    >>> keep_where(pd.DataFrame({"age": [12.0, 40.0]}), ["age>=18"])[1]
    {'left_out_by_where_age>=18': 1}
    """
    counts = {}
    for condition in conditions:
        kept = _fulfils(table, condition)
        counts[f"left_out_by_where_{condition.replace(' ', '')}"] = int((~kept).sum())
        table = table[kept]
    if conditions and table.empty:
        raise InputError(f"--where {conditions[-1]}: leaves no item")
    return table.reset_index(drop=True), counts


def _fulfils(table: pd.DataFrame, condition: str) -> pd.Series:
    parts = CONDITION.fullmatch(condition)
    if parts is None:
        raise InputError(f"--where {condition}: write column=value, column!=value, or column<number (also <=, >, >=)")
    column, sign, value = parts["column"], parts["sign"], parts["value"].strip()
    if column not in table.columns:
        raise InputError(f"--where {condition}: no column '{column}' (there are {first_few(list(table.columns), 15)})")
    if sign not in ORDERINGS:
        named = table[column].astype(str).isin([part.strip() for part in value.split(",")])
        return named if sign == "=" else ~named
    try:
        return ORDERINGS[sign](table[column].astype(float), float(value))
    except ValueError:
        raise InputError(f"--where {condition}: '{sign}' needs a number and a column of numbers") from None
