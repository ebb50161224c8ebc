"""What an experiment reports: an estimate with its standard error and 95 % interval, for a whole block of experiments at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from theory.numerics.validation import Floats

TWO_SIDED = float(ndtri(0.975))

Report = dict[str, Floats]


def wald(estimate: Floats, se: Floats, quantile: ArrayLike = TWO_SIDED) -> Report:
    """Report an estimate with a symmetric interval.

    Shapes: `estimate, se` (replicates,).
    """
    half = np.asarray(quantile) * se
    return {"estimate": estimate, "se": se, "lower": estimate - half, "upper": estimate + half}


def mean_report(values: Floats, quantile: ArrayLike = TWO_SIDED) -> Report:
    """Report the mean of independent values.

    Shapes: `values` (replicates, n).
    """
    values = np.asarray(values, dtype=np.float64)
    return wald(values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]), quantile)


def placements(healthy: Floats, diseased: Floats) -> tuple[Floats, Floats]:
    """Compute DeLong's placements of scores without ties.

    Shapes: `healthy, diseased` (replicates, n0). Returns `of_diseased` (replicates, n1): Share of healthy cases below each diseased one;
    their mean is the AUC; `of_healthy` (replicates, n0): Share of diseased cases above each healthy one.
    """
    n0, n1 = healthy.shape[1], diseased.shape[1]
    return _below(diseased, healthy) / n0, 1 - _below(healthy, diseased) / n1


def _below(cases: Floats, others: Floats) -> Floats:
    """Count the others below each case: its rank among all less its rank among its own."""
    joint = np.concatenate([cases, others], axis=1)
    return _ranks(joint)[:, : cases.shape[1]] - _ranks(cases)


def _ranks(values: Floats) -> Floats:
    order = np.argsort(values, axis=1)
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(values.shape[1], dtype=np.float64), values.shape), axis=1)
    return ranks


def auc_gain_report(single: tuple[Floats, Floats], pair: tuple[Floats, Floats]) -> Report:
    """Report the difference of two AUCs of the same cases by DeLong's method.

    Returns as from `wald`: the paired arm's AUC less the single's (DeLong, DeLong and Clarke-Pearson 1988).
    """
    (diseased0, healthy0), (diseased1, healthy1) = placements(*single), placements(*pair)
    diseased, healthy = diseased1 - diseased0, healthy1 - healthy0
    variance = diseased.var(axis=1, ddof=1) / diseased.shape[1] + healthy.var(axis=1, ddof=1) / healthy.shape[1]
    return wald(diseased.mean(axis=1), np.sqrt(variance))
