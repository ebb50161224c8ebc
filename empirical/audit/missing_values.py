"""Columns that are filled for some items only."""

from __future__ import annotations

from collections.abc import Iterator

from empirical.audit.finding import Finding
from empirical.audit.subject import Subject
from empirical.cohorts.contract import TEXT_COLUMNS


def missing_values(subject: Subject) -> Iterator[Finding]:
    """Find columns with gaps; a column that nobody fills is just not there.

    Parameters
    ----------
    subject : Subject
        The cohort.

    Yields
    ------
    Finding
        Warnings ``missing_values``.
    """
    table = subject.table
    for column in (column for column in (*TEXT_COLUMNS, "age") if column not in ("mask", "family", "serves")):
        empty = table[column].isna() if column == "age" else table[column] == ""
        if empty.any() and not empty.all():
            message = f"{int(empty.sum())} of {len(table)} items have no {column}"
            yield Finding("missing_values", "warn", message, tuple(table.loc[empty, "item_id"]), "such items cannot be matched on it")
