"""Files that are missing, changed or blank; splits that cannot be used for training or testing; doubtful labels and columns."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from empirical.audit.context import AuditContext
from empirical.audit.finding import Finding
from empirical.cohorts import QUERY_SPLITS
from empirical.cohorts.image_scan import mask_suspects
from empirical.cohorts.perceptual_hash import load_signatures
from empirical.cohorts.schema import TEXT_COLUMNS
from see_in_pairs.errors import first_few
from see_in_pairs.files import sha256


def missing_files(context: AuditContext) -> Iterator[Finding]:
    """Report an error ``missing_files`` for items without their file."""
    table, root = context.table, context.cohort.root
    absent = tuple(item for item, image in zip(table["item_id"], table["image"], strict=True) if not (root / image).is_file())
    if absent:
        message = f"{len(absent)} of {len(table)} images are not under {root}: {first_few(absent)}"
        advice = "put them back, write their present folder into cohort.json (image_root), or import again with --only-present"
        yield Finding("missing_files", "error", message, absent, advice)


def changed_files(context: AuditContext) -> Iterator[Finding]:
    """Report an error ``changed_files`` for images that changed since the import, if the audit hashes them again."""
    if not context.rehash:
        return
    known = context.table[context.table["sha256"] != ""]
    paths = [context.cohort.root / image for image in known["image"]]
    with ThreadPoolExecutor() as pool:
        now = list(pool.map(lambda path: sha256(path) if path.is_file() else "", paths))
    changed = tuple(item for item, before, after in zip(known["item_id"], known["sha256"], now, strict=True) if after not in ("", before))
    if changed:
        message = f"{len(changed)} of {len(known)} images have changed since they were imported: {first_few(changed)}"
        yield Finding("changed_files", "error", message, changed, "put the old ones back, or import again")


def blank_images(context: AuditContext) -> Iterator[Finding]:
    """Report a warning ``blank_images`` for images of a single gray level."""
    signatures, _ = load_signatures(context.cohort)
    blank = tuple(context.table["item_id"][(signatures == 0).all(axis=1)])
    if blank:
        message = f"{len(blank)} of {len(context.table)} images have only one gray level: {first_few(blank)}"
        yield Finding("blank_images", "warn", message, blank, "leave them out, or replace them by the right images")


def possible_masks(context: AuditContext) -> Iterator[Finding]:
    """Report a warning ``possible_masks`` for images with 1 bit per pixel, and images named after others."""
    masks = tuple(context.table["item_id"][mask_suspects(context.table)])
    if masks:
        message = f"{len(masks)} of {len(context.table)} images may be masks, by 1 bit per pixel or by name: {first_few(masks)}"
        yield Finding("possible_masks", "warn", message, masks, "if they are, import again without them (--exclude '*_mask*')")


def both_classes(context: AuditContext) -> Iterator[Finding]:
    """Report errors ``empty_split``, ``one_class`` and ``one_patient`` of the splits that are needed."""
    queries = context.queries
    usual = tuple(split for split in QUERY_SPLITS if split != "val" or (queries["split"] == "val").any())
    for split in usual if context.splits is None else context.splits:
        rows = queries[queries["split"] == split]
        if rows.empty:
            yield Finding("empty_split", "error", f"split '{split}' has no item", (), "give it a share when making the cohort")
            continue
        questions = context.cohort.questions
        if questions is not None:  # answers, not labels, are what is scored
            said = questions.loc[questions["item_id"].isin(rows["item_id"]), "answer"]
            if said.nunique() < 2:
                message = f"every answer in split '{split}' is '{said.iloc[0]}'" if len(said) else f"split '{split}' is asked nothing"
                yield Finding("one_class", "error", message, (), "several answers are needed; import more, or split again")
        elif rows["label"].eq(context.cohort.info.healthy).nunique() < 2:
            message = f"every item of split '{split}' is '{rows['label'].iloc[0]}'"
            yield Finding("one_class", "error", message, (), "both classes are needed; import more, or split again")
        if rows["patient_id"].nunique() < 2:
            message = f"split '{split}' has one patient only"
            yield Finding("one_patient", "error", message, tuple(rows["item_id"]), "inference is over patients, so several are needed")


def duplicates_within_split(context: AuditContext) -> Iterator[Finding]:
    """Report a warning ``duplicates`` for images that occur twice, and an error ``contradictory_duplicates`` where their labels differ."""
    known = context.table[context.table["sha256"] != ""]
    twice = known[known.duplicated("sha256", keep=False)]
    labels = twice.groupby("sha256")["label"].nunique()
    contradictory = twice["sha256"].isin(labels.index[labels > 1])
    if contradictory.any():
        rows = tuple(twice.loc[contradictory, "item_id"])
        message = f"{len(rows)} items are the same image under different labels: {first_few(rows)}"
        yield Finding("contradictory_duplicates", "error", message, rows, "find out which label is right, or leave them out")
    if len(twice):
        message = f"{len(twice)} items share their image with another: {first_few(list(twice['item_id']))}"
        yield Finding("duplicates", "warn", message, tuple(twice["item_id"]), "each counts twice; leave one of them out")


def labels_within_patient(context: AuditContext) -> Iterator[Finding]:
    """Report a warning ``mixed_labels`` for patients with healthy and diseased images."""
    table = context.table[context.table["serves"] != "prior"]  # a prior is by definition a healthy image from before the disease
    labels = table.groupby("patient_id")["label"].nunique()
    patients = list(labels.index[labels > 1])
    if patients:
        rows = tuple(table.loc[table["patient_id"].isin(patients), "item_id"])
        message = f"{len(patients)} patients have both healthy and diseased images: {first_few(patients)}"
        yield Finding("mixed_labels", "warn", message, rows, "they may have become ill or recovered, or labels are noisy; look at some")


def missing_values(context: AuditContext) -> Iterator[Finding]:
    """Report a warning ``missing_values`` for columns with gaps; a column that is empty everywhere is ignored."""
    table = context.table
    for column in (column for column in (*TEXT_COLUMNS, "age") if column not in ("mask", "family", "serves")):
        empty = table[column].isna() if column == "age" else table[column] == ""
        if empty.any() and not empty.all():
            message = f"{int(empty.sum())} of {len(table)} items have no {column}"
            yield Finding("missing_values", "warn", message, tuple(table.loc[empty, "item_id"]), "such items cannot be matched on it")
