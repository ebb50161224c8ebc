"""Labels that contradict each other within a patient."""

from __future__ import annotations

from collections.abc import Iterator

from empirical.audit.finding import Finding
from empirical.audit.subject import Subject
from see_in_pairs.errors import first_few


def labels_within_patient(subject: Subject) -> Iterator[Finding]:
    """Find patients with healthy and diseased images.

    Parameters
    ----------
    subject : Subject
        The cohort. Images kept as priors are left aside: that they differ is why they were kept.

    Yields
    ------
    Finding
        Warning ``mixed_labels``.
    """
    table = subject.table[subject.table["serves"] != "prior"]
    labels = table.groupby("patient_id")["label"].nunique()
    patients = list(labels.index[labels > 1])
    if patients:
        rows = tuple(table.loc[table["patient_id"].isin(patients), "item_id"])
        message = f"{len(patients)} patients have both healthy and diseased images: {first_few(patients)}"
        yield Finding("mixed_labels", "warn", message, rows, "they may have fallen ill or recovered, or the labels are noisy; look at some")
