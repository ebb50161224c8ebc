"""Before a model is trained or scored: audit the cohort, say what was found, and keep it in the manifest."""

from __future__ import annotations

from collections.abc import Sequence

from empirical.audit import audit, stop_on_errors
from empirical.cohorts import Cohort
from see_in_pairs.console import say
from see_in_pairs.runs import RunFolder


def preflight(cohort: Cohort, run: RunFolder, allow: Sequence[str], seed: int, quiet: bool) -> None:
    """Audit a cohort; leakage stops the run, confounds are said and recorded.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    run : RunFolder
        Its manifest gets ``audit`` (every finding) and ``allowed``.
    allow : sequence of str
        Names of findings that may pass.
    seed : int
        Of the audit's cross-validation.
    quiet : bool
        Say nothing.

    Raises
    ------
    CheckFailed
        When the audit finds leakage.
    """
    findings = audit(cohort, seed=seed)
    run.manifest["audit"] = [{"name": f.name, "severity": f.severity, "message": f.message, "rows": len(f.rows)} for f in findings]
    run.manifest["allowed"] = list(allow)
    run.save()
    for finding in findings:
        if finding.severity == "warn":
            say(f"audit: {finding.name}: {finding.message}", quiet)
    stop_on_errors(findings, allow)
