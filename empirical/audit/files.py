"""Image files that are not there, cannot be read, or show nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from empirical.audit.finding import Finding
from empirical.audit.subject import Subject
from empirical.cohorts.signatures import load_signatures
from see_in_pairs.errors import first_few
from see_in_pairs.files import sha256


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
        yield Finding(
            "missing_files",
            "error",
            message,
            absent,
            "put them back, write where they are now into cohort.json (image_root), or import again with --only-present",
        )


def changed_files(subject: Subject) -> Iterator[Finding]:
    """Find images whose bytes are not those that were imported, where the audit was asked to hash them again.

    Parameters
    ----------
    subject : Subject
        The cohort.

    Yields
    ------
    Finding
        Error ``changed_files``.
    """
    if not subject.rehash:
        return
    known = subject.table[subject.table["sha256"] != ""]
    paths = [subject.cohort.root / image for image in known["image"]]
    with ThreadPoolExecutor() as pool:
        now = list(pool.map(lambda path: sha256(path) if path.is_file() else "", paths))
    changed = tuple(item for item, before, after in zip(known["item_id"], known["sha256"], now, strict=True) if after not in ("", before))
    if changed:
        message = f"{len(changed)} of {len(known)} images are not the ones that were imported: {first_few(changed)}"
        yield Finding("changed_files", "error", message, changed, "put the old ones back, or import again")


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
