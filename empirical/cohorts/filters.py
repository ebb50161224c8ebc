"""The option ``--where``: keep the items that meet the conditions, and count the others."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd

CONDITION = re.compile(r"(?P<column>[^<>=!]+)(?P<sign><=|>=|!=|=|<|>)(?P<value>.*)")
ORDERINGS: dict[str, Callable[[Any, float], Any]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def keep_where(table: pd.DataFrame, conditions: Sequence[str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Keep the rows that meet every condition; the counts say how many rows each condition left out, applied in order.

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
        raise InputError(f"--where {conditions[-1]}: no item is left")
    return table.reset_index(drop=True), counts


def _fulfils(table: pd.DataFrame, condition: str) -> pd.Series:
    parts = CONDITION.fullmatch(condition)
    if parts is None:
        raise InputError(f"--where {condition}: write column=value, column!=value, or column<number (also <=, >, >=)")
    column, sign, value = parts["column"].strip(), parts["sign"], parts["value"].strip()
    if column not in table.columns:
        raise InputError(
            f"--where {condition}: no column '{column}' (there are {first_few(list(table.columns), 15)})"
            f"{did_you_mean(column, table.columns)}"
        )
    if sign not in ORDERINGS:
        named = _one_of(table[column], [part.strip() for part in value.split(",")], condition)
        return named if sign == "=" else ~named
    try:
        return ORDERINGS[sign](table[column].astype(float), float(value))
    except ValueError:
        raise InputError(f"--where {condition}: '{sign}' needs a number and a column of numbers") from None


def _one_of(values: pd.Series, words: Sequence[str], condition: str) -> pd.Series:
    """Tell which values are among the words; numbers are compared as numbers, so that 40 equals 40.0; an empty word is a missing value."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if not is_numeric_dtype(values) or is_bool_dtype(values):
        return values.astype(str).isin(words)
    try:
        numbers = [float(word) for word in words if word]
    except ValueError:
        raise InputError(f"--where {condition}: the column has numbers, but one of the values is not a number") from None
    return values.isin(numbers) | (values.isna() & ("" in words))
