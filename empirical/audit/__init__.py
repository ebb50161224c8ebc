"""Checks of a cohort before anyone believes a result: leakage stops a run, confounds and doubtful labels warn.

One check per file: ``one_split`` (a patient, a family or an image in two splits), ``near_duplicates`` (copies that were changed a little),
``duplicates`` (the same image twice), ``classes``, ``labels`` (that contradict within a patient), ``files``, ``missing_values``,
``confounds`` (columns that give the class away), and ``references`` (who may be shown beside whom).
"""

from empirical.audit.context import home_split
from empirical.audit.finding import Finding, check_allowed, stop_on_errors, summary
from empirical.audit.run import CHECKS, audit

__all__ = ["CHECKS", "Finding", "audit", "check_allowed", "home_split", "stop_on_errors", "summary"]
