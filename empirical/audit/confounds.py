"""Columns that tell the classes apart on their own: shown before anyone believes a result on the images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from empirical.audit.context import AuditContext
from empirical.audit.finding import Finding
from empirical.audit.metadata_auc import metadata_auc
from empirical.cohorts import Cohort

if TYPE_CHECKING:
    import pandas as pd

NOT_METADATA = ("item_id", "image", "mask", "label", "patient_id", "family", "split", "serves", "sha256", "instance", "home")
Z_99 = 2.5758293035489004  # a column is reported when the 99 % interval of its AUROC lies above one half


def metadata_predicts_class(subject: AuditContext) -> Iterator[Finding]:
    """Find columns from which the class can be told.

    Returns warnings ``metadata_predicts_class``, with the cross-validated AUROC and its interval; patients of all splits together.
    """
    queries, diseased = _one_each(subject.cohort, subject.seed)
    for column in _columns(queries):
        found = metadata_auc(queries, diseased, column, subject.seed)
        if found is not None and found.interval(Z_99)[0] > 0.5:
            low, high = found.interval()
            limits = f"95 % interval {low:.2f} to {high:.2f}, {found.patients} patients"
            message = f"'{column}' alone predicts the class: AUROC {found.auc:.2f} ({limits})"
            advice = f"match references on {column}, and report results within its levels"
            yield Finding("metadata_predicts_class", "warn", message, (), advice)


def metadata_table(cohort: Cohort, seed: int = 0) -> pd.DataFrame:
    """Tell of every column how well it tells the classes apart, whether or not that is a finding.

    Returns ``column, auroc, low, high, patients, note``: the cross-validated AUROC with its 95 % interval, the surest first; where a column
    could not be tested NaN and why.
    """
    import pandas as pd

    queries, diseased = _one_each(cohort, seed)
    rows = []
    for column in _columns(queries):
        found = metadata_auc(queries, diseased, column, seed)
        if found is None:
            rows.append((column, np.nan, np.nan, np.nan, len(queries), _why_not(queries[column])))
        else:
            note = "predicts the class (99 % interval above 0.5)" if found.interval(Z_99)[0] > 0.5 else ""
            rows.append((column, found.auc, *found.interval(), found.patients, note))
    table = pd.DataFrame(rows, columns=["column", "auroc", "low", "high", "patients", "note"])
    return table.sort_values("low", ascending=False, kind="stable", ignore_index=True)


def _one_each(cohort: Cohort, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Take one query of each patient, so that rows are independent, and add what follows from an image's size."""
    queries = cohort.table[cohort.table["split"] != "reference"]
    chosen = queries.sample(frac=1, random_state=seed).drop_duplicates("patient_id").sort_index()
    if {"width", "height"} <= set(chosen.columns):
        chosen = chosen.assign(pixels=chosen["width"] * chosen["height"], aspect=(chosen["width"] / chosen["height"]).round(3))
    return chosen, chosen["label"].ne(cohort.info.healthy).to_numpy()


def _columns(table: pd.DataFrame) -> list[str]:
    return [column for column in table.columns if column not in NOT_METADATA]


def _why_not(values: pd.Series) -> str:
    levels = values.nunique(dropna=False)
    if levels < 2:
        return "the same for all"
    return "different for nearly everyone" if levels > len(values) / 4 else "too few patients of a class"
