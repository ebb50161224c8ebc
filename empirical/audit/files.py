"""Image files that are not there, cannot be read, or show nothing."""

from __future__ import annotations

from collections.abc import Iterator

from empirical.audit.finding import Finding
from empirical.audit.subject import Subject
from empirical.cohorts.signatures import load_signatures
from see_in_pairs.errors import first_few


def missing_files(subject: Subject) -> Iterator[Finding]:
    """Find items without their file.

    Parameters
    ----------
    subject : Subject
        The cohort.

    Yields
    ------
    Finding
        Error ``missing_files``.
    """
    table, root = subject.table, subject.cohort.root
    absent = tuple(item for item, image in zip(table["item_id"], table["image"], strict=True) if not (root / image).is_file())
    if absent:
        message = f"{len(absent)} of {len(table)} images are not under {root}: {first_few(absent)}"
        yield Finding("missing_files", "error", message, absent, "put them back, or import again with --only-present")


def blank_images(subject: Subject) -> Iterator[Finding]:
    """Find images of one gray.

    Parameters
    ----------
    subject : Subject
        The cohort.

    Yields
    ------
    Finding
        Warning ``blank_images``.
    """
    signatures, _ = load_signatures(subject.cohort)
    blank = tuple(subject.table["item_id"][(signatures == 0).all(axis=1)])
    if blank:
        message = f"{len(blank)} of {len(subject.table)} images show one gray only: {first_few(blank)}"
        yield Finding("blank_images", "warn", message, blank, "leave them out, or find the pictures that belong there")
