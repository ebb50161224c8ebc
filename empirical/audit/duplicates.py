"""The same image twice in one split."""

from __future__ import annotations

from collections.abc import Iterator

from empirical.audit.finding import Finding
from empirical.audit.subject import Subject
from see_in_pairs.errors import first_few


def duplicates_within_split(subject: Subject) -> Iterator[Finding]:
    """Find images that are there more than once.

    Parameters
    ----------
    subject : Subject
        The cohort.

    Yields
    ------
    Finding
        Error ``contradictory_duplicates`` where their labels differ; warning ``duplicates``.
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
