"""Splitting by patient: stratified, seeded, and the same for a patient whoever else is added."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

from empirical.cohorts.cohort import QUERY_SPLITS
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Fractions = tuple[float, float, float]
DEFAULT_FRACTIONS: Fractions = (0.6, 0.1, 0.3)


def parse_fractions(text: str) -> Fractions:
    """Read the shares of training, validation and test patients.

    Parameters
    ----------
    text : str
        Three numbers with commas between, adding up to 1.

    Returns
    -------
    tuple of float
        Train, val, test.

    Raises
    ------
    InputError
        When it is not that.

    Examples
    --------
    >>> parse_fractions("0.6,0.1,0.3")
    (0.6, 0.1, 0.3)
    """
    try:
        train, val, test = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"fractions '{text}': write three numbers for train, val and test, such as 0.6,0.1,0.3") from None
    if min(train, val, test) < 0 or not math.isclose(train + val + test, 1, abs_tol=1e-6):
        raise InputError(f"fractions '{text}': none may be negative, and they must add up to 1")
    return train, val, test


def split_by_patient(patients: pd.Series, positive: pd.Series, fractions: Fractions, seed: int) -> pd.Series:
    """Assign every item to train, val or test, all items of a patient together.

    Parameters
    ----------
    patients : pandas.Series of str
        Patient of each item.
    positive : pandas.Series of bool
        Whether the item is positive; a patient with any positive item is in the positive stratum.
    fractions : tuple of float
        Shares of patients for train, val and test, held in each stratum up to rounding.
    seed : int
        Seed.

    Returns
    -------
    pandas.Series of str
        ``'train'``, ``'val'`` or ``'test'``, indexed as `patients`.

    Notes
    -----
    Within a stratum patients are ordered by a hash of seed and patient, and the order is cut at the cumulated shares.
    """
    any_positive = positive.groupby(patients).any()
    home: dict[str, str] = {}
    for stratum in (True, False):
        members = sorted(any_positive.index[any_positive == stratum], key=lambda patient: _rank(patient, seed))
        cuts = np.round(np.cumsum(fractions)[:2] * len(members)).astype(int)
        for split, part in zip(QUERY_SPLITS, np.split(np.array(members, dtype=object), cuts), strict=True):
            home |= dict.fromkeys(part, split)
    return patients.map(home)


def _rank(patient: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\x1f{patient}".encode()).digest()
