"""Columns that predict the class on their own: possible confounds of any result on the images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from empirical.audit.context import AuditContext
from empirical.audit.finding import Finding
from empirical.cohorts import Cohort
from see_in_pairs.roc import placements

if TYPE_CHECKING:
    import pandas as pd

NOT_METADATA = ("item_id", "image", "mask", "label", "patient_id", "family", "split", "serves", "sha256", "instance")
BINS = 8  # a numeric column is cut at its quantiles; missing values are a bin of their own
FOLDS = 5
SHRINKAGE = 2.0  # pseudo-observations at the mean class share
Z_95 = 1.959963984540054
Z_99 = 2.5758293035489004  # a column is reported when the 99 % interval of its AUROC is above one half


@dataclass(frozen=True)
class MetadataAuc:
    """Out-of-fold AUROC of the class given one column."""

    column: str
    auc: float
    standard_error: float  # DeLong's
    diseased: int  # patients
    healthy: int

    @property
    def patients(self) -> int:
        """Number of patients behind the estimate."""
        return self.diseased + self.healthy

    def interval(self, z: float = Z_95) -> tuple[float, float]:
        r"""Compute a confidence interval, by default of 95 %.

        Notes
        -----
        Normal, with DeLong's standard error. At an AUROC of 0 or 1 that error is 0; there the other limit :math:`\theta` solves
        :math:`(A-\theta)^2=z^2\theta(1-\theta)\{1+n^*\frac{1-\theta}{2-\theta}+n^*\frac{\theta}{1+\theta}\}/(mn)` with
        :math:`n^*=(m+n)/2-1` (method 5 of Newcombe, *Statistics in Medicine* 2006;25:559-573).
        """
        if self.standard_error == 0 and self.auc in (0, 1):
            width = _newcombe_limit_at_zero(self.diseased, self.healthy, z)
            return (1 - width, 1.0) if self.auc == 1 else (0.0, width)
        return max(0.0, self.auc - z * self.standard_error), min(1.0, self.auc + z * self.standard_error)


def metadata_predicts_class(context: AuditContext) -> Iterator[Finding]:
    """Report a warning ``metadata_predicts_class`` for each column that predicts the class, patients of all splits together."""
    queries, diseased = _one_per_patient(context.cohort, context.seed)
    for column in _metadata_columns(queries):
        found = metadata_auc(queries, diseased, column, context.seed)
        if found is not None and found.interval(Z_99)[0] > 0.5:
            low, high = found.interval()
            limits = f"95 % interval {low:.2f} to {high:.2f}, {found.patients} patients"
            message = f"'{column}' alone predicts the class: AUROC {found.auc:.2f} ({limits})"
            advice = f"match references on {column}, and report results within its levels"
            yield Finding("metadata_predicts_class", "warn", message, (), advice)


def metadata_table(cohort: Cohort, seed: int = 0) -> pd.DataFrame:
    """Compute for every column how well it predicts the class, whether or not that is a finding.

    Columns ``column, auroc, low, high, patients, note``: the cross-validated AUROC with its 95 % interval, the most certain first. Where
    a column could not be tested, the numbers are NaN and the note gives the reason.
    """
    import pandas as pd

    queries, diseased = _one_per_patient(cohort, seed)
    rows = []
    for column in _metadata_columns(queries):
        found = metadata_auc(queries, diseased, column, seed)
        if found is None:
            rows.append((column, np.nan, np.nan, np.nan, len(queries), _why_not_tested(queries[column])))
        else:
            note = "predicts the class (99 % interval above 0.5)" if found.interval(Z_99)[0] > 0.5 else ""
            rows.append((column, found.auc, *found.interval(), found.patients, note))
    table = pd.DataFrame(rows, columns=["column", "auroc", "low", "high", "patients", "note"])
    return table.sort_values("low", ascending=False, kind="stable", ignore_index=True)


def metadata_auc(table: pd.DataFrame, diseased: NDArray[np.bool_], column: str, seed: int = 0) -> MetadataAuc | None:
    """Predict the class from one column, out of fold.

    None when the column is constant or nearly unique, or a class has fewer than two patients for each fold.
    """
    levels = _levels(table[column])
    count = int(levels.max()) + 1
    if not 2 <= count <= len(table) / 4 or min(diseased.sum(), (~diseased).sum()) < 2 * FOLDS:
        return None
    folds = _folds(diseased, np.random.default_rng(seed))
    areas, variances = [], []
    for fold in range(FOLDS):
        held_out = folds == fold
        # A score is the rate of disease in the item's level, in the other folds. A level with few patients could have a rate of 0 or 1 by
        # chance and lead the ranking, so rates are shrunk towards the mean rate.
        known, sick = levels[~held_out], diseased[~held_out]
        positive = np.bincount(known, weights=sick, minlength=count)
        rates = (positive + SHRINKAGE * sick.mean()) / (np.bincount(known, minlength=count) + SHRINKAGE)
        area, variance = _auc_and_variance(rates[levels[held_out]], diseased[held_out])
        areas.append(area)
        variances.append(variance)
    # The mean rate differs a little from fold to fold, and pooled scores would rank patients by that too: scores are compared within folds.
    return MetadataAuc(
        column, float(np.mean(areas)), float(np.sqrt(np.sum(variances)) / FOLDS), int(diseased.sum()), int((~diseased).sum())
    )


def _one_per_patient(cohort: Cohort, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Take one query of each patient, so that rows are independent, and add columns derived from the image size."""
    queries = cohort.table[cohort.table["split"] != "reference"]
    chosen = queries.sample(frac=1, random_state=seed).drop_duplicates("patient_id").sort_index()
    if {"width", "height"} <= set(chosen.columns):
        chosen = chosen.assign(pixels=chosen["width"] * chosen["height"], aspect=(chosen["width"] / chosen["height"]).round(3))
    return chosen, chosen["label"].ne(cohort.info.healthy).to_numpy()


def _metadata_columns(table: pd.DataFrame) -> list[str]:
    return [column for column in table.columns if column not in NOT_METADATA]


def _why_not_tested(values: pd.Series) -> str:
    levels = values.nunique(dropna=False)
    if levels < 2:
        return "the same for all"
    return "different for nearly everyone" if levels > len(values) / 4 else "too few patients of a class"


def _levels(values: pd.Series) -> NDArray[np.int64]:
    import pandas as pd

    if values.dtype.kind in "fiu" and values.nunique() > BINS:
        values = pd.qcut(values, BINS, labels=False, duplicates="drop")
    return np.asarray(pd.factorize(values, use_na_sentinel=False)[0], dtype=np.int64)


def _folds(diseased: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Assign patients to folds at random, each class in equal shares."""
    folds = np.empty(len(diseased), dtype=np.int64)
    for stratum in (True, False):
        members = np.flatnonzero(diseased == stratum)
        folds[rng.permutation(members)] = np.arange(len(members)) % FOLDS
    return folds


def _auc_and_variance(scores: NDArray[np.float64], diseased: NDArray[np.bool_]) -> tuple[float, float]:
    """Compute the AUROC and DeLong's variance from placements (DeLong et al., Biometrics 1988;44:837-845)."""
    placed = placements(scores, diseased)
    positive, negative = placed[diseased], placed[~diseased]
    return float(positive.mean()), float(positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative))


def _newcombe_limit_at_zero(diseased: int, healthy: int, z: float) -> float:
    """Solve Newcombe's equation for an observed AUROC of 0; by symmetry it also gives the result for 1."""
    spare, pairs = (diseased + healthy) / 2 - 1, diseased * healthy
    low, high = 0.0, 1.0
    for _ in range(60):  # bisection: theta = 0 solves the equation too, and a Newton or secant step can fall into that root
        middle = (low + high) / 2
        variance = middle * (1 - middle) * (1 + spare * (1 - middle) / (2 - middle) + spare * middle / (1 + middle)) / pairs
        low, high = (middle, high) if middle**2 < z**2 * variance else (low, middle)
    return high
