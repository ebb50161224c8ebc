"""All checks of a cohort, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empirical.audit.confounds import metadata_predicts_class
from empirical.audit.context import AuditContext, Check
from empirical.audit.data_quality import blank_images, both_classes, changed_files, labels_within_patient, missing_files, missing_values
from empirical.audit.finding import Finding
from empirical.audit.leakage import duplicates_within_split, families_in_one_split, images_in_one_split, patients_in_one_split
from empirical.audit.near_duplicates import near_duplicates, near_duplicates_by_embedding
from empirical.cohorts import Cohort

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHECKS: tuple[Check, ...] = (
    patients_in_one_split,
    families_in_one_split,
    images_in_one_split,
    near_duplicates,
    near_duplicates_by_embedding,
    both_classes,
    duplicates_within_split,
    labels_within_patient,
    missing_files,
    changed_files,
    blank_images,
    missing_values,
    metadata_predicts_class,
)


def audit(cohort: Cohort, seed: int = 0, embeddings: NDArray[np.floating] | None = None, rehash: bool = False) -> list[Finding]:
    """Check a cohort.

    Parameters
    ----------
    cohort : Cohort
        What to check.
    seed : int, default 0
        Of the folds in which metadata predict the class, and of the one item taken of each patient.
    embeddings : ndarray of float, shape (items, dimensions), optional
        A vision model's view of each image, in the order of the table, by which to look for near duplicates as well.
    rehash : bool, default False
        Hash every image again, to see that it is the one that was imported.

    Returns
    -------
    list of Finding
        Errors first; empty when nothing was found.
    """
    subject = AuditContext(cohort, seed, embeddings, rehash)
    findings = [finding for check in CHECKS for finding in check(subject)]
    return sorted(findings, key=lambda finding: finding.severity)  # 'error' comes before 'warn'
