"""Intervals over patients, for the few numbers that the empirical package reports itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95


def patient_interval(
    statistic: Callable[[np.ndarray], float], patients: np.ndarray, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Give a percentile bootstrap interval that draws whole patients, since items of a patient are alike.

    Parameters
    ----------
    statistic : callable
        From the items' weights (how often each was drawn), shape (items,), to a number.
    patients : ndarray of shape (items,)
        Whose item each is.
    rng : numpy.random.Generator
        Randomness.
    resamples : int, default 1000
        Draws.

    Returns
    -------
    tuple of two floats
        Low and high end of the 95 % interval; draws in which the statistic does not exist (NaN) are left out.

    Examples
    --------
    >>> correct = np.repeat([1.0, 0.0], 50)
    >>> share = lambda weights: np.average(correct, weights=weights)
    >>> low, high = patient_interval(share, np.arange(100), rng=np.random.default_rng(0))
    >>> bool(0.38 < low < 0.43 and 0.57 < high < 0.62)
    True
    """
    _, patient = np.unique(patients, return_inverse=True)
    number = int(patient.max()) + 1
    drawn = rng.multinomial(number, np.full(number, 1 / number), size=resamples)
    values = np.array([statistic(weights[patient].astype(float)) for weights in drawn])
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
