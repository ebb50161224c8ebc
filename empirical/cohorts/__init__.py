"""Cohorts: items and their readers.

``cohort`` holds the one type that all readers make; ``phantom`` makes images whose truth is known; ``nih`` and ``folder`` read image sets
that people have on disk; ``show`` makes a contact sheet and a summary.
"""

from empirical.cohorts.cohort import QUERY_SPLITS, Cohort, CohortInfo

__all__ = ["QUERY_SPLITS", "Cohort", "CohortInfo"]
