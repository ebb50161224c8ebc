"""The report of an audit, as files and in the manifest of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from empirical.audit.confounds import metadata_table
from empirical.audit.finding import Finding, summary
from empirical.cohorts import Cohort
from see_in_pairs.files import write_json, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd


def write_report(cohort: Cohort, findings: Sequence[Finding], run: RunFolder, allow: Sequence[str], seed: int) -> None:
    """Write a summary, the findings with their items, and every column against the class."""
    import pandas as pd

    columns = metadata_table(cohort, seed)
    concerned = [(finding.name, finding.severity, item) for finding in findings for item in finding.rows]
    write_text(run.path / "audit.txt", f"{summary(findings, allow)}\n\n{columns_as_text(columns)}\n")
    write_json(run.path / "findings.json", list(findings))
    write_text(run.path / "items.csv", pd.DataFrame(concerned, columns=["finding", "severity", "item_id"]).to_csv(index=False))
    write_text(run.path / "metadata.csv", columns.to_csv(index=False))
    record(run, findings, allow)
    for severity in ("error", "warn"):
        run.count(f"findings:{severity}", sum(finding.severity == severity for finding in findings))


def record(run: RunFolder, findings: Sequence[Finding], allow: Sequence[str]) -> None:
    """Write findings, and the names that were allowed, into the manifest of a run."""
    run.manifest["audit"] = [
        {"name": finding.name, "severity": finding.severity, "message": finding.message, "rows": len(finding.rows)} for finding in findings
    ]
    run.manifest["allowed"] = list(allow)
    run.save()


def columns_as_text(columns: pd.DataFrame) -> str:
    """Write the table of `metadata_table` as lines for a person."""
    lines = ["How well each column alone tells the classes apart (cross-validated, one image of each patient):"]
    for row in columns.to_dict("records"):
        interval = f"AUROC {row['auroc']:.2f} [{row['low']:.2f}, {row['high']:.2f}], {row['patients']} patients"
        tested = interval if row["auroc"] == row["auroc"] else "not tested"
        lines.append(f"  {row['column']:<16} {tested}{': ' if row['note'] else ''}{row['note']}")
    return "\n".join(lines)
