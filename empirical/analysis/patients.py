"""Intervals over patients, for the few results that the empirical package reports itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95


def patient_interval(
    statistic: Callable[[np.ndarray], float], patients: np.ndarray, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Percentile bootstrap interval that draws whole patients, since items of a patient are alike.

    Shapes: `patients` (items,). Returns low and high end of the 95 % interval; draws in which the statistic is NaN are left
    out. NaN where there is one patient, since every resample would be the same.

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
    if number < 2:
        return float("nan"), float("nan")
    # numpy's own draw of how often each patient counts; the resampler in paper_figures draws the same distribution within strata, but this
    # package may not import it, and another stream of random numbers would change every interval reported so far
    drawn = rng.multinomial(number, np.full(number, 1 / number), size=resamples)
    values = np.array([statistic(weights[patient].astype(float)) for weights in drawn])
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def share_interval(hits: np.ndarray, patients: np.ndarray) -> tuple[float, float]:
    r"""Wilson's 95 % interval of a share of items, with the effective number of items under correlation within patients.

    Where every item is a hit, a bootstrap over patients would claim to know the share exactly; a score interval does not.

    Shapes: `hits` (items,), `patients` (items,).

    Notes
    -----
    With the share :math:`p` of :math:`n` items, the variance over patients :math:`v = \sum_g (\sum_{i \in g} (x_i - p))^2 / n^2` leaves
    :math:`n_e = p (1 - p) / v` items, no fewer than patients and no more than items (our choice); where all or none are hits, `v` says
    nothing, and :math:`n_e` is the number of patients, as if a patient's items were all one.

    Examples
    --------
    >>> [round(end, 3) for end in share_interval(np.ones(30), np.arange(30))]
    [0.886, 1.0]
    """
    from scipy.special import ndtri

    _, patient = np.unique(patients, return_inverse=True)
    n, p, groups = len(hits), float(np.mean(hits)), int(patient.max()) + 1
    variance = float((np.bincount(patient, hits - p) ** 2).sum()) / n**2
    effective = float(np.clip(p * (1 - p) / variance, groups, n)) if variance > 0 else float(groups)
    square = float(ndtri((1 + LEVEL) / 2)) ** 2
    centre, spread = p + square / (2 * effective), np.sqrt(square * (p * (1 - p) / effective + square / (4 * effective**2)))
    low, high = (centre - spread) / (1 + square / effective), (centre + spread) / (1 + square / effective)
    return max(0.0, min(float(low), p)), min(1.0, max(float(high), p))  # rounding must not leave the share outside
