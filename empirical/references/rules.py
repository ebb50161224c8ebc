"""Rules for references that no strategy may break, checked on every assignment before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empirical.audit.finding import Finding
from empirical.cohorts import Cohort
from see_in_pairs.errors import first_few

if TYPE_CHECKING:
    import pandas as pd

    from empirical.references import Assignment


def audit_references(cohort: Cohort, split: str, assignment: Assignment, order: str = "follow_up") -> list[Finding]:
    """Report an error for each broken rule.

    A reference must not be of the query's patient, diseased, an item that is evaluated, or the query's own image. Only the
    strategies ``prior`` and ``given`` may give an image of the query's patient, from the same split. A prior must be earlier by column
    `order`; a given reference need not be healthy, must be of the same patient, and must not be later where both have a value.
    """
    items = cohort.table.set_index("item_id")
    query = items.loc[assignment.table["item_id"]].reset_index()
    reference = items.loc[assignment.table["reference_id"]].reset_index()
    own = query["patient_id"] == reference["patient_id"]
    prior = own & (assignment.strategy == "prior")
    given = own & (assignment.strategy == "given")
    rules = {
        "reference_of_same_patient": (own & ~prior & ~given, "of the query's own patient"),
        "reference_not_healthy": ((reference["label"] != cohort.info.healthy) & ~given, f"not {cohort.info.healthy}"),
        "reference_from_evaluation": (
            ~_allowed(query, reference, split, prior | given),
            "validation or test items, or reserved for another split",
        ),
        "prior_not_earlier": (
            (prior & ~_earlier(reference, query, order)) | (given & _earlier(query, reference, order)),
            f"not earlier than their query by the column '{order}'",
        ),
        "reference_is_query": ((query["sha256"] == reference["sha256"]) & (query["sha256"] != ""), "the query's own image"),
    }
    return [
        Finding(name, "error", _message(query, bad, what), tuple(query.loc[bad, "item_id"]), "choose the references again")
        for name, (bad, what) in rules.items()
        if bad.any()
    ]


def _allowed(query: pd.DataFrame, reference: pd.DataFrame, split: str, own: pd.Series) -> pd.Series:
    """Find the references with an allowed origin: the pool, the query's own family, or for a prior or given one its own patient's."""
    reserved = reference["split"] == "reference"
    pool = (reserved & reference["serves"].isin([split, ""])) | (reference["split"] == "train")
    family = reserved & (reference["serves"] == "family") & (reference["family"] == query["family"]) & (query["family"] != "")
    return pool | family | (own & ((reference["split"] == split) | (reserved & (reference["serves"] == "prior"))))


def _earlier(reference: pd.DataFrame, query: pd.DataFrame, order: str) -> pd.Series:
    if order not in reference:
        return reference["item_id"] != reference["item_id"]  # no image can be shown to be earlier
    return reference[order] < query[order]


def _message(query: pd.DataFrame, bad: pd.Series, what: str) -> str:
    return f"{int(bad.sum())} references are {what}: those of {first_few(list(query.loc[bad, 'item_id']))}"
