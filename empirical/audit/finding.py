"""Findings of an audit, and how to act on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from see_in_pairs.errors import CheckFailed, InputError, did_you_mean, first_few

STOPS = (
    "patient_in_two_splits", "family_in_two_splits", "duplicate_across_splits", "near_duplicate_across_splits",
    "near_duplicate_across_splits_by_embedding", "contradictory_duplicates", "missing_files", "unreadable_images", "changed_files",
    "empty_split", "one_class", "one_patient", "reference_of_same_patient", "reference_not_healthy", "reference_from_evaluation",
    "reference_is_query", "prior_not_earlier",
)  # fmt: skip
"""Names of the findings that stop a run, and that may be allowed."""

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be wrong.

    Parameters
    ----------
    name : str
        Short name, the same in every report; an error's is listed in `STOPS`.
    severity : str
        ``'error'``: leakage, or data that cannot be used; it stops a run. ``'warn'``: a confound or doubt to be reported.
    message : str
        What was found, in one line; a number comes with its uncertainty.
    rows : tuple of str
        Ids of the items concerned; empty where a finding concerns a split or a column as a whole.
    advice : str
        What to do about it.
    """

    name: str
    severity: Severity
    message: str
    rows: tuple[str, ...]
    advice: str

    def __post_init__(self) -> None:
        if (self.severity == "error") != (self.name in STOPS):
            raise ValueError(f"'{self.name}' {'is not' if self.severity == 'error' else 'is'} among the findings that stop a run")


def check_allowed(names: Sequence[str]) -> None:
    """Refuse names that no check reports, for example misspelt ones.

    Parameters
    ----------
    names : sequence of str
        What the user allows.

    Raises
    ------
    InputError
        Naming the first unknown name, and the known ones.
    """
    unknown = [name for name in names if name not in STOPS]
    if unknown:
        raise InputError(
            f"allow '{unknown[0]}': no finding of that name stops a run (findings that do: {', '.join(STOPS)})"
            f"{did_you_mean(unknown[0], STOPS)}"
        )


def stop_on_errors(findings: Iterable[Finding], allow: Sequence[str] = ()) -> None:
    """Stop when there is an error that is not allowed.

    Parameters
    ----------
    findings : iterable of Finding
        From `audit` or `audit_references`.
    allow : sequence of str
        Names of findings to let pass.

    Raises
    ------
    CheckFailed
        Naming the errors.
    """
    errors = [finding for finding in findings if finding.severity == "error" and finding.name not in allow]
    if errors:
        more = f" (and {first_few([finding.name for finding in errors[1:]], 5)})" if len(errors) > 1 else ""
        raise CheckFailed(f"audit: {errors[0].name}: {errors[0].message}; {errors[0].advice}{more}")


def summary(findings: Sequence[Finding], allow: Sequence[str] = ()) -> str:
    """Write findings as lines for a person.

    Parameters
    ----------
    findings : sequence of Finding
        What `audit` returned, in that order.
    allow : sequence of str
        Names of findings that are allowed, and marked as allowed.

    Returns
    -------
    str
        One line each, errors first, and a last line with the counts.
    """
    lines = [_line(finding, finding.name in allow) for finding in findings]
    errors = sum(finding.severity == "error" for finding in findings)
    allowed = sum(finding.severity == "error" and finding.name in allow for finding in findings)
    note = f", {allowed} of the errors allowed" if allowed else ""
    return "\n".join([*lines, f"audit: {errors} error(s), {len(findings) - errors} warning(s){note}"])


def _line(finding: Finding, allowed: bool) -> str:
    mark = " (allowed)" if allowed else ""
    return f"{finding.severity.upper():5}  {finding.name}{mark}: {finding.message}. {finding.advice[0].upper()}{finding.advice[1:]}."
