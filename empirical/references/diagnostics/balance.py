"""Balance: how similar queries and references are, before and after matching."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from empirical.cohorts import Cohort
from empirical.references.assignment import Assignment
from empirical.references.candidates import asked_queries, blind, blind_queries, healthy_pool

if TYPE_CHECKING:
    import pandas as pd


COVARIATES = ("age", "sex", "view", "site")


def balance_table(cohort: Cohort, split: str, assignment: Assignment, columns: Sequence[str] = COVARIATES) -> pd.DataFrame:
    r"""Compare queries with the whole pool and with the references chosen, by standardised mean differences.

    Notes
    -----
    :math:`d=(\bar x_q-\bar x_r)/\sqrt{(s_q^2+s_r^2)/2}` with standard error
    :math:`\sqrt{1/n_q+1/n_r+d^2/(2(n_q+n_r))}`, where :math:`n_r` counts different references (Austin PC, *Statistics in Medicine*
    2009;28:3083-3107; Hedges LV, Olkin I, 1985). Pairing makes the standard error after matching conservative. Commonly,
    :math:`|d|<0.1` is called balanced.
    """
    import pandas as pd

    queries = blind_queries(cohort, split)
    if assignment.strategy == "given":  # the set has chosen, also where no image is known to be healthy: its references are the pool
        pool = blind(cohort.table[cohort.table["item_id"].isin(assignment.table["reference_id"])])
    else:
        pool = healthy_pool(cohort, split)
    matched = queries[queries["item_id"].isin(assignment.table["item_id"])]
    everyone = cohort.table.drop(columns="split")  # priors do not belong to the pool
    chosen = assignment.table.merge(everyone, left_on="reference_id", right_on="item_id", suffixes=("", "_reference"))
    rows = []
    for column in columns:
        for level, values in _indicators(column, queries, pool, matched, chosen):
            before = standardised_difference(values[0], values[1])
            after = standardised_difference(values[2], values[3], distinct=chosen["reference_id"].nunique())
            rows.append((column, level, int(np.isnan(values[0]).sum()), *before, *after))
    numbers = dict.fromkeys(("smd_before", "se_before", "smd_after", "se_after"), float)
    return pd.DataFrame(rows, columns=["covariate", "level", "n_missing", *numbers]).astype(numbers)  # also without rows


def unmatched_text(cohort: Cohort, split: str, assignment: Assignment) -> str:
    """Report in one line how many queries could not be matched as configured, their classes, and the reasons.

    The selector does not see the class, but the chance of a match may depend on it. Then the matched classes are no longer comparable, and
    the reader must know.
    """
    queries = asked_queries(cohort, split)
    if assignment.unmatched.empty:
        return f"all {len(queries)} {split} queries matched as asked"
    affected = queries["item_id"].isin(set(assignment.unmatched["item_id"]))
    reasons = "; ".join(f"{count} times: {reason}" for reason, count in assignment.unmatched["reason"].value_counts().items())
    classes = ", ".join(f"{int(affected[rows].sum())} of {len(rows)} {label}" for label, rows in queries.groupby("label").groups.items())
    out = f", {len(assignment.left_out)} of them left out" if assignment.left_out else ""
    return f"{int(affected.sum())} of {len(queries)} {split} queries not matched as asked{out} ({classes}; {reasons})"


def standardised_difference(queries: np.ndarray, references: np.ndarray, distinct: int | None = None) -> tuple[float, float]:
    """Compute a standardised mean difference and its standard error.

    Both are NaN when a side has fewer than two values; the difference is infinite when both sides are constant and differ.

    Examples
    --------
    >>> standardised_difference(np.array([1.0, 3.0]), np.array([0.0, 2.0]))[0]
    0.707...
    """
    queries, references = queries[~np.isnan(queries)], references[~np.isnan(references)]
    if min(len(queries), len(references)) < 2:
        return float("nan"), float("nan")
    spread = np.sqrt((queries.var(ddof=1) + references.var(ddof=1)) / 2)
    gap = queries.mean() - references.mean()
    if spread == 0:
        return (0.0, 0.0) if gap == 0 else (float(np.copysign(np.inf, gap)), float("nan"))
    difference, n_q, n_r = gap / spread, len(queries), distinct or len(references)
    return float(difference), float(np.sqrt(1 / n_q + 1 / n_r + difference**2 / (2 * (n_q + n_r))))


def _indicators(column: str, *tables: pd.DataFrame) -> Iterator[tuple[str, list[np.ndarray]]]:
    if tables[0][column].dtype.kind in "fiu":
        yield "", [table[column].to_numpy(float) for table in tables]
        return
    levels = sorted({level for table in tables for level in table[column].unique()} - {""})
    for level in levels if len(levels) != 2 else levels[:1]:  # of two levels, one is enough
        yield level, [np.where(table[column] == "", np.nan, table[column] == level) for table in tables]
