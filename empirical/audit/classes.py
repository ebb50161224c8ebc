"""Splits in which nothing can be learned or tested."""

from __future__ import annotations

from collections.abc import Iterator

from empirical.audit.finding import Finding
from empirical.audit.subject import Subject
from empirical.cohorts import QUERY_SPLITS


def both_classes(subject: Subject) -> Iterator[Finding]:
    """Find splits without items, with one class, or with one patient.

    Parameters
    ----------
    subject : Subject
        The cohort.

    Yields
    ------
    Finding
        Errors ``empty_split``, ``one_class``, ``one_patient``. A cohort may do without a validation split.
    """
    queries = subject.queries
    for split in (split for split in QUERY_SPLITS if split != "val" or (queries["split"] == "val").any()):
        rows = queries[queries["split"] == split]
        if rows.empty:
            yield Finding("empty_split", "error", f"split '{split}' has no item", (), "give it a share when making the cohort")
            continue
        if rows["label"].eq(subject.cohort.info.healthy).nunique() < 2:
            message = f"every item of split '{split}' is '{rows['label'].iloc[0]}'"
            yield Finding("one_class", "error", message, (), "both classes are needed; import more, or split again")
        if rows["patient_id"].nunique() < 2:
            message = f"split '{split}' has one patient only"
            yield Finding("one_patient", "error", message, tuple(rows["item_id"]), "inference is over patients, so several are needed")
