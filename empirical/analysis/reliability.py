"""The data of a reliability plot: observed shares beside stated probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from empirical.analysis.patients import share_interval

if TYPE_CHECKING:
    import pandas as pd

PER_BIN = 20
"""Items in a bin: an observed share of one half then has an interval of a fifth either way."""
MOST = 10  # bins
APART = 0.03
"""Probabilities closer than this share a bin, so that no points cover each other."""


def reliability(probability: np.ndarray, positive: np.ndarray, patients: np.ndarray | None = None, bins: int | None = None) -> pd.DataFrame:
    """Tabulate observed shares by stated probability.

    Shapes: `probability` (items,), `positive` (items,), `patients` (items,). Returns one row per bin: ``n``, ``stated`` (mean),
    ``observed`` (share), ``low`` and ``high`` (Wilson's 95 % interval, for the effective number of items under correlation within
    patients).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(size=2000)
    >>> table = reliability(p, rng.uniform(size=2000) < p, bins=4)
    >>> bool(((table["low"] <= table["stated"]) & (table["stated"] <= table["high"])).all())
    True
    >>> len(reliability(0.5 + p / 100, p < 0.5))
    1
    """
    import pandas as pd

    whose = np.arange(len(probability)) if patients is None else np.asarray(patients)
    place = _places(probability, bins or min(MOST, max(2, len(probability) // PER_BIN)))
    rows = []
    for name in np.unique(place):
        mine = place == name
        hits = np.asarray(positive)[mine].astype(float)
        rows.append((int(mine.sum()), float(probability[mine].mean()), float(hits.mean()), *share_interval(hits, whose[mine])))
    return pd.DataFrame(rows, columns=["n", "stated", "observed", "low", "high"])


def _places(probability: np.ndarray, bins: int) -> np.ndarray:
    """Number the bin of each item."""
    edges = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    place = np.searchsorted(edges, probability, side="left")
    first, *others = np.unique(place)
    for number in others:
        if probability[place == number].mean() - probability[place == first].mean() < APART:
            place[place == number] = first
        else:
            first = number
    return place
