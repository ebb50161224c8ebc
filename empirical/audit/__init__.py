"""Checks of a cohort before a run: leakage stops the run; confounds and doubtful labels give warnings.

`run` lists the checks: `leakage` (a patient, family or image in two splits), `near_duplicates` (copies that were changed a little, found by
`similarity_clusters`), `data_quality` (files, classes, labels, gaps) and `confounds` (columns that give the class away). Each check gets a
`context` and yields findings (`finding`). `embeddings` reads or computes vectors for the check of near duplicates. `report` writes the
findings. `preflight` audits before a model is trained or scored. `reference_leak` tests whether the references of a strategy alone predict
the class. `empirical.references.rules` checks which references may be shown beside which queries.
"""

from empirical.audit.finding import Finding, check_allowed, stop_on_errors, summary
from empirical.audit.run import CHECKS, audit

__all__ = ["CHECKS", "Finding", "audit", "check_allowed", "stop_on_errors", "summary"]


def __dir__() -> list[str]:
    return sorted(__all__)
