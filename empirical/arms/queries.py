"""The queries of a split, which every arm is built from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort


def queries_of(cohort: Cohort, split: str) -> pd.DataFrame:
    """Give the queries of a split, checked: both classes, more than one patient.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    split : str
        ``'train'``, ``'val'`` or ``'test'``.

    Returns
    -------
    pandas.DataFrame
        One row per query.

    Raises
    ------
    InputError
        When the split has no items, one class only, or one patient only.
    """
    queries = cohort.queries(split)
    if queries.empty:
        raise InputError(f"{cohort.folder}: the split '{split}' has no items; make the cohort with a share for it")
    positive = queries["label"].isin(cohort.info.positive)
    if positive.all() or not positive.any():
        only = queries["label"].iloc[0]
        raise InputError(f"{cohort.folder}: every item of the split '{split}' is '{only}'; both classes are needed")
    if queries["patient_id"].nunique() < 2:
        raise InputError(f"{cohort.folder}: the split '{split}' has one patient only; inference is over patients, so several are needed")
    return queries
