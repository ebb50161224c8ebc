"""A patient, a family or an image that is used in more than one split: what was learned there is known here.

The same image twice in one split.
"""

from __future__ import annotations

from collections.abc import Iterator

from empirical.audit.context import AuditContext
from empirical.audit.finding import Finding
from see_in_pairs.errors import first_few

SPLIT_AGAIN = "split again by patient; results on such splits are worthless"


def patients_in_one_split(subject: AuditContext) -> Iterator[Finding]:
    """Find patients of several splits."""
    yield from _across_splits(subject, "patient_id", "patient_in_two_splits", "patients are", SPLIT_AGAIN)


def families_in_one_split(subject: AuditContext) -> Iterator[Finding]:
    """Find families of several splits."""
    yield from _across_splits(subject, "family", "family_in_two_splits", "families are", "keep each family in one split")


def images_in_one_split(subject: AuditContext) -> Iterator[Finding]:
    """Find images whose bytes lie in several splits."""
    advice = "leave out all but one of each, then split again"
    yield from _across_splits(subject, "sha256", "duplicate_across_splits", "identical images are", advice)


def _across_splits(subject: AuditContext, column: str, name: str, what: str, advice: str) -> Iterator[Finding]:
    known = subject.table[subject.table[column] != ""]
    homes = known[known["home"] != ""].groupby(column)["home"].nunique()
    bad = known[column].isin(homes.index[homes > 1])
    if bad.any():
        values = list(known.loc[bad, column].unique())
        message = f"{len(values)} {what} used in several splits: {first_few([str(value)[:24] for value in values])}"
        yield Finding(name, "error", message, tuple(known.loc[bad, "item_id"]), advice)


def duplicates_within_split(subject: AuditContext) -> Iterator[Finding]:
    """Find images that are there more than once.

    Returns error ``contradictory_duplicates`` where their labels differ; warning ``duplicates``.
    """
    known = subject.table[subject.table["sha256"] != ""]
    twice = known[known.duplicated("sha256", keep=False)]
    labels = twice.groupby("sha256")["label"].nunique()
    contradictory = twice["sha256"].isin(labels.index[labels > 1])
    if contradictory.any():
        rows = tuple(twice.loc[contradictory, "item_id"])
        message = f"{len(rows)} items are the same image under different labels: {first_few(rows)}"
        yield Finding("contradictory_duplicates", "error", message, rows, "find out which label is right, or leave them out")
    if len(twice):
        message = f"{len(twice)} items share their image with another: {first_few(list(twice['item_id']))}"
        yield Finding("duplicates", "warn", message, tuple(twice["item_id"]), "they count twice; leave one out")
