"""All checks of a cohort, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from empirical.audit.confounds import metadata_predicts_class
from empirical.audit.context import AuditContext, Check
from empirical.audit.data_quality import (
    blank_images,
    both_classes,
    changed_files,
    duplicates_within_split,
    labels_within_patient,
    missing_files,
    missing_values,
    possible_masks,
)
from empirical.audit.finding import Finding
from empirical.audit.leakage import families_in_one_split, images_in_one_split, patients_in_one_split
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
    possible_masks,
    missing_values,
    metadata_predicts_class,
)
"""The checks, in the order in which findings of one severity are listed."""


def audit(
    cohort: Cohort, seed: int = 0, embeddings: NDArray[np.floating] | None = None, rehash: bool = False, splits: Sequence[str] | None = None
) -> list[Finding]:
    """Check a cohort for leakage, confounds and doubtful labels.

    Parameters
    ----------
    cohort : Cohort
        The table is checked, and image files must exist. Images are opened only where their signatures are not stored yet.
    seed : int, default 0
        Seed of the folds for predicting the class from metadata, and of the choice of one item per patient.
    embeddings : ndarray of float, shape (items, dimensions), optional
        A vision model's vector of each image, in the order of the table, for a second search for near duplicates.
    rehash : bool, default False
        Hash every image again, to check that it is still the imported one.
    splits : sequence of str, optional
        Splits of queries that must have both classes and several patients; an evaluation needs only the split that it
        scores. By default training, test and, if present, validation. Leakage is checked over all splits.

    Returns
    -------
    list of Finding
        Errors first; empty when nothing was found.
    """
    context = AuditContext(cohort, seed, embeddings, rehash, None if splits is None else tuple(splits))
    findings = [finding for check in CHECKS for finding in check(context)]
    return sorted(findings, key=lambda finding: finding.severity)  # 'error' comes before 'warn'
