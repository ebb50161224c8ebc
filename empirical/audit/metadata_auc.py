"""How well metadata alone tells the classes apart: a confound shown before anyone believes a result on the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

BINS = 8  # a numeric column is cut at its quantiles; missing values are a bin of their own
FOLDS = 5
SHRINKAGE = 2.0  # pseudo-observations at the mean class share, for a level with few items


@dataclass(frozen=True)
class MetadataAuc:
    """Out-of-fold AUROC of the class given one column."""

    column: str
    auc: float  # AUROC and its DeLong standard error
    standard_error: float
    diseased: int  # how many patients of each class it rests on
    healthy: int

    @property
    def patients(self) -> int:
        """How many patients it rests on."""
        return self.diseased + self.healthy

    def interval(self, z: float = 1.959963984540054) -> tuple[float, float]:
        r"""Give a confidence interval.

        Notes
        -----
        Normal, with DeLong's standard error. At an AUROC of 0 or 1 that error is 0; there the other limit :math:`\theta` solves
        :math:`(A-\theta)^2=z^2\theta(1-\theta)\{1+n^*\frac{1-\theta}{2-\theta}+n^*\frac{\theta}{1+\theta}\}/(mn)` with
        :math:`n^*=(m+n)/2-1` (method 5 of Newcombe, *Statistics in Medicine* 2006;25:559-573).
        """
        if self.standard_error == 0 and self.auc in (0, 1):
            reach = _reach_from_the_end(self.diseased, self.healthy, z)
            return (1 - reach, 1.0) if self.auc == 1 else (0.0, reach)
        return max(0.0, self.auc - z * self.standard_error), min(1.0, self.auc + z * self.standard_error)


def metadata_auc(table: pd.DataFrame, diseased: NDArray[np.bool_], column: str, seed: int = 0) -> MetadataAuc | None:
    """Predict the class from one column, out of fold.

    Returns None when the column is constant or nearly unique, or a class has fewer than two patients for each fold.
    """
    levels = _levels(table[column])
    if not 2 <= levels.max() + 1 <= len(table) / 4 or min(diseased.sum(), (~diseased).sum()) < 2 * FOLDS:
        return None
    folds = _folds(diseased, np.random.default_rng(seed))
    scores = np.empty(len(table))
    for fold in range(FOLDS):
        held_out = folds == fold
        scores[held_out] = _rates(levels[~held_out], diseased[~held_out], int(levels.max()) + 1)[levels[held_out]]
    # a fold's mean rate differs a little from another's; compare within folds so that this difference is not taken for skill
    return MetadataAuc(column, *_stratified_auc(scores, diseased, folds), int(diseased.sum()), int((~diseased).sum()))


def _levels(values: pd.Series) -> NDArray[np.int64]:
    import pandas as pd

    if values.dtype.kind in "fiu" and values.nunique() > BINS:
        values = pd.qcut(values, BINS, labels=False, duplicates="drop")
    return np.asarray(pd.factorize(values, use_na_sentinel=False)[0], dtype=np.int64)


def _folds(diseased: NDArray[np.bool_], stream: np.random.Generator) -> NDArray[np.int64]:
    folds = np.empty(len(diseased), dtype=np.int64)
    for stratum in (True, False):
        members = np.flatnonzero(diseased == stratum)
        folds[stream.permutation(members)] = np.arange(len(members)) % FOLDS
    return folds


def _rates(levels: NDArray[np.int64], diseased: NDArray[np.bool_], count: int) -> NDArray[np.float64]:
    positive = np.bincount(levels, weights=diseased, minlength=count)
    return (positive + SHRINKAGE * diseased.mean()) / (np.bincount(levels, minlength=count) + SHRINKAGE)


def _stratified_auc(scores: NDArray[np.float64], diseased: NDArray[np.bool_], folds: NDArray[np.int64]) -> tuple[float, float]:
    """Average the folds' AUROCs, with DeLong's variance in each."""
    parts = [_auc_and_variance(scores[(folds == fold) & diseased], scores[(folds == fold) & ~diseased]) for fold in range(FOLDS)]
    areas, variances = zip(*parts, strict=True)
    return float(np.mean(areas)), float(np.sqrt(np.sum(variances)) / FOLDS)


def _auc_and_variance(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> tuple[float, float]:
    """Compute the AUROC and DeLong's variance from placements (DeLong et al., Biometrics 1988;44:837-845)."""
    below = _placements(positive, negative)
    above = 1 - _placements(negative, positive)
    return float(below.mean()), float(below.var(ddof=1) / len(positive) + above.var(ddof=1) / len(negative))


def _placements(values: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(among)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(among))


def _reach_from_the_end(diseased: int, healthy: int, z: float) -> float:
    """Solve Newcombe's equation for an observed AUROC of 0, by bisection; by symmetry that serves 1 too."""
    spare, pairs = (diseased + healthy) / 2 - 1, diseased * healthy
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        variance = middle * (1 - middle) * (1 + spare * (1 - middle) / (2 - middle) + spare * middle / (1 + middle)) / pairs
        low, high = (middle, high) if middle**2 < z**2 * variance else (low, middle)
    return high
