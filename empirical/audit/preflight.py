"""Before a model is trained or scored: audit the cohort, and write findings and references beside the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from empirical.audit import audit, check_allowed, stop_on_errors
from empirical.audit.reference_leak import reference_findings, reference_table
from empirical.audit.report import append, record
from empirical.cohorts import Cohort
from empirical.references import Assignment
from empirical.references.aligned import align_all
from empirical.references.diagnostics.balance import balance_table, unmatched_text
from see_in_pairs.console import log
from see_in_pairs.files import write_parquet, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd


def preflight(cohort: Cohort, run: RunFolder, allow: Sequence[str], seed: int, quiet: bool, splits: Sequence[str] | None = None) -> None:
    """Audit a cohort, as far as its `splits` are used; leakage stops the run, confounds are logged and recorded."""
    check_allowed(allow)
    findings = audit(cohort, seed=seed, splits=splits)
    record(run, findings, allow)
    for finding in findings:
        if finding.severity == "warn" or finding.name in allow:
            allowed = " (allowed)" if finding.name in allow else ""
            log(f"audit: {finding.name}{allowed}: {finding.message}", quiet)
    stop_on_errors(findings, allow)


def save_references(cohort: Cohort, split: str, assignment: Assignment | None, run: RunFolder, name: str, quiet: bool) -> None:
    """Write the references of an arm beside the run, with their balance and how well they alone predict the class; log the findings."""
    if assignment is None:
        return
    folder = run.path / "references"
    write_parquet(folder / f"{name}.parquet", assignment.table)
    if assignment.strategy != "wrong_modality":  # references of another cohort have no covariates in common
        write_text(folder / f"{name}-balance.csv", balance_table(cohort, split, assignment).to_csv(index=False))
        leak = reference_table(cohort, {split: assignment}, name)
        write_text(folder / f"{name}-leak.csv", leak.to_csv(index=False))
        for finding in reference_findings(leak):
            append(run, finding)
            log(f"audit: {finding.name}: {finding.message}", quiet)
    run.count(f"unmatched:{name}", len(assignment.unmatched))
    if len(assignment.unmatched):
        log(f"references of {name}: {unmatched_text(cohort, split, assignment)}", quiet)


def save_alignment(cohort: Cohort, images: Iterable[str], run: RunFolder, name: str, quiet: bool) -> None:
    """Align the references among the images of an arm, before a model is shown them; list the outcome and count it."""
    table = align_all(cohort, images, f"align references, {name}", quiet)
    if table.empty:
        return
    write_text(run.path / "references" / f"{name}-alignment.csv", table.to_csv(index=False))
    short = int((table["reached"] != table["asked"]).sum())
    run.count(f"aligned:{name}", len(table) - short)
    run.count(f"not_aligned_as_asked:{name}", short)
    log(f"references of {name}: {len(table)} aligned to their queries; {alignment_text(table)}", quiet)


def alignment_text(table: pd.DataFrame) -> str:
    """Say how many references stopped at a simpler transform, and what the alignment did to the correlation of the smoothed images."""
    short = table.loc[table["reached"] != table["asked"], "reached"].value_counts()
    lacking = ", ".join(f"{number} only '{kind}'" for kind, number in short.items()) or "all as asked"
    before, after = table["correlation_before"].mean(), table["correlation_after"].mean()
    return f"{lacking}; mean correlation without details {before:.2f} before, {after:.2f} after"
