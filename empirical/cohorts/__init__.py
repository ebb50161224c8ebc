"""Cohorts: one table of items for all image sets, and the ways to get one.

`cohort` is the type that all readers make, and `schema` its format. `readers` read image sets; `importing` does the steps that are common
to all: `filters` (``--where``), `image_scan` (each image opened once), `perceptual_hash` (signatures) and `splits` by patient. `images` and
`dicom_pixels` open single files, `csv_io` reads tables. `questions` is what a cohort asks about its items. `phantom` makes images whose
truth is known, `overview` shows a cohort.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from see_in_pairs.lazy import lazy_exports

if TYPE_CHECKING:
    from empirical.cohorts.cohort import Cohort
    from empirical.cohorts.schema import QUERY_SPLITS, CohortInfo

__all__ = ["QUERY_SPLITS", "Cohort", "CohortInfo"]

__getattr__, __dir__ = lazy_exports(__name__, {"cohort": ("Cohort",), "schema": ("QUERY_SPLITS", "CohortInfo")})
