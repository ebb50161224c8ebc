"""Checks of a cohort before anyone believes a result: leakage stops a run, confounds and doubtful labels warn.

`run` lists the checks: `leakage` (a patient, family or image in two splits), `near_duplicates` (copies that were changed a little, found by
`similarity_clusters`), `data_quality` (files, classes, labels, gaps) and `confounds` (columns that give the class away). Each is given a
`context` and yields what `finding` defines. `embeddings` reads or computes vectors for the check of near duplicates, `report` writes what
was found, `preflight` audits before a model is trained or scored. `reference_leak` asks whether the references of a strategy alone tell the
class. Who may be shown beside whom is checked by `empirical.references.rules`.
"""

from empirical.audit.finding import Finding, check_allowed, stop_on_errors, summary
from empirical.audit.run import CHECKS, audit

__all__ = ["CHECKS", "Finding", "audit", "check_allowed", "stop_on_errors", "summary"]


def __dir__() -> list[str]:
    return sorted(__all__)
