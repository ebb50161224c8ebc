"""What an experiment reports: an estimate with its standard error and 95 % interval, for a whole block of experiments at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from see_in_pairs.roc import placements
from theory.numerics.validation import Floats

TWO_SIDED = float(ndtri(0.975))

Report = dict[str, Floats]


def wald(estimate: Floats, se: Floats, quantile: ArrayLike = TWO_SIDED) -> Report:
    """Report estimates with symmetric intervals, all of shape (replicates,)."""
    half = np.asarray(quantile) * se
    return {"estimate": estimate, "se": se, "lower": estimate - half, "upper": estimate + half}


def mean_report(values: Floats, quantile: ArrayLike = TWO_SIDED) -> Report:
    """Report the mean of independent values, shape (replicates, n)."""
    values = np.asarray(values, dtype=np.float64)
    return wald(values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]), quantile)


def auc_gain_report(single: tuple[Floats, Floats], pair: tuple[Floats, Floats]) -> Report:
    """Report the difference of two AUROCs of the same cases by DeLong's method (DeLong, DeLong and Clarke-Pearson 1988).

    Shapes: `single, pair` scores of the healthy (replicates, n0) and of the diseased (replicates, n1) in each arm. Returns the paired arm's
    AUROC minus the single's.
    """
    healthy = single[0].shape[1]
    labels = np.arange(healthy + single[1].shape[1]) >= healthy
    gain = placements(np.concatenate(pair, axis=1), labels) - placements(np.concatenate(single, axis=1), labels)
    of_healthy, of_diseased = gain[:, :healthy], gain[:, healthy:]
    variance = of_diseased.var(axis=1, ddof=1) / of_diseased.shape[1] + of_healthy.var(axis=1, ddof=1) / healthy
    return wald(of_diseased.mean(axis=1), np.sqrt(variance))
