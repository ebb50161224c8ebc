"""Splitting by patient: stratified, seeded, and all images of a patient together."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

from empirical.cohorts.schema import SPLITS
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Fractions = tuple[float, ...]
DEFAULT_FRACTIONS: Fractions = (0.6, 0.1, 0.3)


def parse_fractions(text: str) -> Fractions:
    """Read the shares of patients for train, val and test, and, as an optional fourth, of healthy patients kept as references.

    Examples
    --------
    >>> parse_fractions("0.6,0.1,0.3")
    (0.6, 0.1, 0.3)
    """
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if len(shares) not in (3, 4):
        raise InputError(
            f"fractions '{text}': write three numbers for train, val and test, for example 0.6,0.1,0.3, or a fourth one for references"
        )
    if min(shares) < 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise InputError(f"fractions '{text}': none may be negative, and they must add up to 1")
    return shares


def split_by_patient(
    patients: pd.Series, positive: pd.Series, fractions: Fractions, seed: int, strata: pd.Series | None = None
) -> pd.Series:
    """Assign every item to ``'train'``, ``'val'``, ``'test'`` or ``'reference'``, all items of a patient together.

    Within each stratum, patients are ordered by a hash of seed and id and cut by the shares. So the split of a patient depends neither on
    the order of the table nor on other strata. A patient with a positive image is never kept as a reference.
    """
    import pandas as pd

    further = pd.Series("", index=patients.index) if strata is None else strata
    stratum = pd.DataFrame({"positive": positive.groupby(patients).any(), "further": further.groupby(patients).first()})
    split_of: dict[str, str] = {}
    for (is_positive, _), group in stratum.groupby(["positive", "further"]):
        members = sorted(group.index, key=lambda patient: _rank(patient, seed))
        shares = np.array(fractions[:3]) / sum(fractions[:3]) if is_positive else np.array(fractions)
        cuts = np.round(np.cumsum(shares)[:-1] * len(members)).astype(int)
        for split, part in zip(SPLITS, np.split(np.array(members, dtype=object), cuts), strict=False):
            split_of |= dict.fromkeys(part, split)
    return patients.map(split_of)


def _rank(patient: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\x1f{patient}".encode()).digest()
