"""A patient, a family or an image that is used in more than one split, so that the model has seen test data in training."""

from __future__ import annotations

from collections.abc import Iterator

from empirical.audit.context import AuditContext
from empirical.audit.finding import Finding
from see_in_pairs.errors import first_few


def patients_in_one_split(context: AuditContext) -> Iterator[Finding]:
    """Report an error ``patient_in_two_splits``."""
    advice = "split again by patient; results on such splits are worthless"
    yield from _across_splits(context, "patient_id", "patient_in_two_splits", "patients are", advice)


def families_in_one_split(context: AuditContext) -> Iterator[Finding]:
    """Report an error ``family_in_two_splits``."""
    yield from _across_splits(context, "family", "family_in_two_splits", "families are", "keep each family in one split")


def images_in_one_split(context: AuditContext) -> Iterator[Finding]:
    """Report an error ``duplicate_across_splits`` for images whose bytes are in several splits."""
    advice = "leave out all but one of each, then split again"
    yield from _across_splits(context, "sha256", "duplicate_across_splits", "identical images are", advice)


def _across_splits(context: AuditContext, column: str, name: str, what: str, advice: str) -> Iterator[Finding]:
    known = context.table[context.table[column] != ""]
    splits = known[known["used_in"] != ""].groupby(column)["used_in"].nunique()
    bad = known[column].isin(splits.index[splits > 1])
    if bad.any():
        values = list(known.loc[bad, column].unique())
        message = f"{len(values)} {what} used in several splits: {first_few([str(value)[:24] for value in values])}"
        yield Finding(name, "error", message, tuple(known.loc[bad, "item_id"]), advice)
