"""Copies of an image that were recompressed, resized or brightened: leakage that a hash of the bytes does not see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from empirical.audit.context import AuditContext
from empirical.audit.finding import Finding
from empirical.audit.similarity_clusters import similarity_clusters
from empirical.cohorts.perceptual_hash import load_signatures
from see_in_pairs.errors import first_few

if TYPE_CHECKING:
    import pandas as pd

LEAST_COSINE = 0.95
"""Ours. On real chest X-rays and dermatoscopic images, copies at JPEG quality 30, at half the size, 20 % brighter or with 20 %
more contrast are above it, and images of different patients below it (docs/results/cohorts; measured again by tests/benchmarks)."""

COMPONENTS = 64
"""Ours. Principal components of embeddings that are compared: enough to tell different patients apart, few enough to leave out noise."""


def near_duplicates(context: AuditContext) -> Iterator[Finding]:
    """Find copies by the perceptual signatures of images.

    Error ``near_duplicate_across_splits``; warning ``near_duplicates`` for copies in one split under several patients; error
    ``unreadable_images`` for those that could not be compared.
    """
    signatures, problems = load_signatures(context.cohort)
    unreadable = np.asarray(np.isnan(signatures).any(axis=1))
    root, suspects = context.cohort.root, context.table[unreadable]
    pairs = zip(suspects["item_id"], suspects["image"], problems, strict=True)
    broken = [(item, why) for item, image, why in pairs if (root / image).is_file()]  # `missing_files` reports files that do not exist
    if broken:
        rows = tuple(item for item, _ in broken)
        message = f"{len(rows)} images cannot be read, so no copies of them were looked for: {broken[0][1]}"
        yield Finding("unreadable_images", "error", message, rows, "replace them, or import again with --skip-broken")
    if (~unreadable).sum() > 1:
        groups = similarity_clusters(signatures[~unreadable], LEAST_COSINE)
        yield from _report(context.table[~unreadable].assign(group=groups), "")


def near_duplicates_by_embedding(context: AuditContext) -> Iterator[Finding]:
    """Find copies by embeddings, if the audit has any: the findings of `near_duplicates` with ``_by_embedding`` in the name."""
    if context.embeddings is not None and len(context.table) > 1:
        components = max(2, min(COMPONENTS, len(context.table) // 4))
        groups = similarity_clusters(context.embeddings, LEAST_COSINE, components=components)
        yield from _report(context.table.assign(group=groups), "_by_embedding")


def _report(table: pd.DataFrame, suffix: str) -> Iterator[Finding]:
    table["file"] = table["sha256"].where(table["sha256"] != "", table["item_id"])
    groups = table.groupby("group")
    several_files = groups["file"].transform("nunique") > 1  # identical files are found by `images_in_one_split`
    used_in = table["used_in"].where(table["used_in"] != "")
    leaks = several_files & (used_in.groupby(table["group"]).transform("nunique") > 1)
    if leaks.any():
        advice = "look at them; leave out all but one of each, then split again"
        message = f"{_groups(table[leaks])} are used in several splits: {first_few(list(table['item_id'][leaks]))}"
        yield Finding(f"near_duplicate_across_splits{suffix}", "error", message, tuple(table["item_id"][leaks]), advice)
    one_family = (groups["family"].transform("nunique") == 1) & (table["family"] != "")
    within = several_files & ~leaks & (groups["patient_id"].transform("nunique") > 1) & ~one_family
    if within.any():
        advice = "look at them; either one patient has two ids, or one image is there twice"
        message = f"{_groups(table[within])} are of several patients: {first_few(list(table['item_id'][within]))}"
        yield Finding(f"near_duplicates{suffix}", "warn", message, tuple(table["item_id"][within]), advice)


def _groups(table: pd.DataFrame) -> str:
    number = table["group"].nunique()
    return f"{number} group{'s' if number != 1 else ''} of nearly identical images"
