"""Cohorts: items and their readers.

``cohort`` holds the one type that all readers make, ``contract`` what it promises; ``phantom`` makes images whose truth is known; ``nih``,
``chexpert``, ``ham10000``, ``folder``, ``medmnist``, ``labels_table`` and ``dicom`` read the image sets that people have on disk, and
``intake`` does what all of them end with; ``show`` makes a contact sheet and a summary.
"""

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.schema import QUERY_SPLITS, CohortInfo

__all__ = ["QUERY_SPLITS", "Cohort", "CohortInfo"]
