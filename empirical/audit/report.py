"""The report of an audit, as files and in the manifest of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from empirical.audit.confounds import metadata_table
from empirical.audit.finding import Finding, summary
from empirical.audit.reference_leak import references_as_text
from empirical.cohorts import Cohort
from see_in_pairs.files import write_json, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd


def write_report(
    cohort: Cohort, findings: Sequence[Finding], run: RunFolder, allow: Sequence[str], seed: int, references: pd.DataFrame | None = None
) -> None:
    """Write a summary, the findings with their items, every column against the class, and the references of every strategy against it."""
    import pandas as pd

    columns = metadata_table(cohort, seed)
    concerned = [(finding.name, finding.severity, item) for finding in findings for item in finding.rows]
    parts = [summary(findings, allow), columns_as_text(columns)]
    if references is not None:
        parts.append(references_as_text(references))
        write_text(run.path / "references.csv", references.to_csv(index=False))
    write_text(run.path / "audit.txt", "\n\n".join(parts) + "\n")
    write_json(run.path / "findings.json", list(findings))
    write_text(run.path / "items.csv", pd.DataFrame(concerned, columns=["finding", "severity", "item_id"]).to_csv(index=False))
    write_text(run.path / "metadata.csv", columns.to_csv(index=False))
    record(run, findings, allow)
    for severity in ("error", "warn"):
        run.count(f"findings:{severity}", sum(finding.severity == severity for finding in findings))


def record(run: RunFolder, findings: Sequence[Finding], allow: Sequence[str]) -> None:
    """Write findings, and the names that were allowed, into the manifest of a run."""
    run.manifest["audit"] = [_entry(finding) for finding in findings]
    run.manifest["allowed"] = list(allow)
    run.save()


def append(run: RunFolder, finding: Finding) -> None:
    """Add a finding to those in the manifest of a run."""
    run.manifest["audit"] = [*run.manifest.get("audit", []), _entry(finding)]
    run.save()


def _entry(finding: Finding) -> dict[str, object]:
    return {"name": finding.name, "severity": finding.severity, "message": finding.message, "rows": len(finding.rows)}


def columns_as_text(columns: pd.DataFrame) -> str:
    """Write the table of `metadata_table` as lines for a person."""
    lines = ["How well each column alone tells the classes apart (cross-validated, one image of each patient):"]
    for row in columns.to_dict("records"):
        interval = f"AUROC {row['auroc']:.2f} [{row['low']:.2f}, {row['high']:.2f}], {row['patients']} patients"
        tested = interval if row["auroc"] == row["auroc"] else "not tested"
        lines.append(f"  {row['column']:<16} {tested}{': ' if row['note'] else ''}{row['note']}")
    return "\n".join(lines)
