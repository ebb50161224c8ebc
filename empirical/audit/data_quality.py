"""Splits in which nothing can be learned or tested.

Image files that are not there, cannot be read, or show nothing.

Labels that contradict each other within a patient.

Columns that are filled for some items only.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from empirical.audit.context import AuditContext
from empirical.audit.finding import Finding
from empirical.cohorts import QUERY_SPLITS
from empirical.cohorts.perceptual_hash import load_signatures
from empirical.cohorts.schema import TEXT_COLUMNS
from see_in_pairs.errors import first_few
from see_in_pairs.files import sha256


def both_classes(subject: AuditContext) -> Iterator[Finding]:
    """Find splits without items, with one class, or with one patient.

    Returns errors ``empty_split``, ``one_class``, ``one_patient``. A cohort may do without a validation split.
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


def missing_files(subject: AuditContext) -> Iterator[Finding]:
    """Find items without their file."""
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


def changed_files(subject: AuditContext) -> Iterator[Finding]:
    """Find images whose bytes are not those that were imported, where the audit was asked to hash them again."""
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


def blank_images(subject: AuditContext) -> Iterator[Finding]:
    """Find images of one gray."""
    signatures, _ = load_signatures(subject.cohort)
    blank = tuple(subject.table["item_id"][(signatures == 0).all(axis=1)])
    if blank:
        message = f"{len(blank)} of {len(subject.table)} images show one gray only: {first_few(blank)}"
        yield Finding("blank_images", "warn", message, blank, "leave them out, or find the pictures that belong there")


def labels_within_patient(subject: AuditContext) -> Iterator[Finding]:
    """Find patients with healthy and diseased images."""
    table = subject.table[subject.table["serves"] != "prior"]
    labels = table.groupby("patient_id")["label"].nunique()
    patients = list(labels.index[labels > 1])
    if patients:
        rows = tuple(table.loc[table["patient_id"].isin(patients), "item_id"])
        message = f"{len(patients)} patients have both healthy and diseased images: {first_few(patients)}"
        yield Finding("mixed_labels", "warn", message, rows, "they may have fallen ill or recovered, or the labels are noisy; look at some")


def missing_values(subject: AuditContext) -> Iterator[Finding]:
    """Find columns with gaps; a column that nobody fills is just not there."""
    table = subject.table
    for column in (column for column in (*TEXT_COLUMNS, "age") if column not in ("mask", "family", "serves")):
        empty = table[column].isna() if column == "age" else table[column] == ""
        if empty.any() and not empty.all():
            message = f"{int(empty.sum())} of {len(table)} items have no {column}"
            yield Finding("missing_values", "warn", message, tuple(table.loc[empty, "item_id"]), "such items cannot be matched on it")
