"""A pilot: the scores of both arms on the same images, from which the power of a larger study is analysed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from see_in_pairs.display import plural
from theory.numerics.validation import Floats, finite, require
from theory.power.analysis import EffectMeasure, Separations

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
_SMALLEST_SEPARATION = 1e-3  # for a resample in which an arm does not separate the classes: a separation must be above 0


@dataclass(frozen=True, repr=False)
class Pilot:
    """Separations measured on a pilot, with resamples of its patients.

    Parameters
    ----------
    separations, resampled : Separations
        Separations as measured, and on each bootstrap sample of patients (arrays of one length).
    images, patients : int
        Numbers of images that were scored and of patients they show.
    icc : float
        Intraclass correlation of the differences (pair minus single, each in its within-class standard deviations) of one patient's images;
        0 where every patient has one.
    """

    separations: Separations
    resampled: Separations
    images: int
    patients: int
    icc: float

    def __repr__(self) -> str:
        best = self.separations
        apart = (
            f"separation {float(best.single):.3f} (single), {float(best.pair):.3f} (pair); scores correlated {float(best.correlation):.3f}"
        )
        clustered = f"; intraclass correlation {self.icc:.3f}" if self.images > self.patients else ""
        return f"Pilot of {plural(self.images, 'image')}, {plural(self.patients, 'patient')}: {apart}{clustered}"

    def to_frame(self) -> pd.DataFrame:
        """Lay the pilot out as a table.

        Returns
        -------
        pandas.DataFrame
            One row: ``images, patients, single, pair, score_correlation, icc``, separations in within-class standard deviations.
        """
        import pandas as pd

        best = self.separations
        row = {"single": float(best.single), "pair": float(best.pair), "score_correlation": float(best.correlation), "icc": self.icc}
        return pd.DataFrame([{"images": self.images, "patients": self.patients, **row}])

    @property
    def images_per_patient(self) -> float:
        """Mean number of images of a patient."""
        return self.images / self.patients

    def interval(self, measure: EffectMeasure) -> tuple[float, float, str]:
        """Bound the gain.

        Parameters
        ----------
        measure : EffectMeasure
            Measure in which the gain is expressed, such as AUROC.

        Returns
        -------
        tuple of float, float, str
            Percentile interval over the resamples, and its name.
        """
        how = f"bootstrap of {self.patients} patients, {np.size(self.resampled.single)} resamples"
        return *self.spread(measure.gain), how

    def spread(self, quantity: Callable[[Separations], Floats]) -> tuple[float, float]:
        """Bound any function of the separations.

        Parameters
        ----------
        quantity : callable
            Function of a `Separations`, vectorised over its values.

        Returns
        -------
        tuple of float
            The 2.5 % and the 97.5 % quantile over the resamples; values may be infinite.
        """
        tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
        low, high = np.quantile(quantity(self.resampled), tails, method="inverted_cdf")  # no interpolation between infinities
        return float(low), float(high)


def pilot(
    single: ArrayLike,
    pair: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike | None = None,
    *,
    resamples: int = 2000,
    seed: int | np.random.Generator = 0,
) -> Pilot:
    """Measure the separations of both arms on the same images.

    Parameters
    ----------
    single, pair : array_like, shape (n,)
        Scores of the single-image and of the paired arm (log-odds, so that they are near normal).
    labels : array_like of bool, shape (n,)
        Which images are of diseased cases.
    patients : array_like, shape (n,), optional
        Patient of each image; each image its own patient when not given.
    resamples : int, default 2000
        Bootstrap samples of patients, within those who have a diseased image and those who have none.
    seed : int or numpy.random.Generator, default 0
        Seed, or the generator that is drawn from.

    Returns
    -------
    Pilot
        The measured separations and their resamples.

    Raises
    ------
    InputError
        When lengths differ, scores are not finite, there are fewer than five patients of a kind, or an arm does not separate the classes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(400) % 2 == 1
    >>> query, reference = rng.standard_normal((2, 400))
    >>> found = pilot(query + labels, query + 1.25 * labels, labels)
    >>> found.separations.correlation
    1.0
    """
    arms, diseased = (finite(single, "single"), finite(pair, "pair")), np.asarray(labels, dtype=bool)
    codes = np.arange(diseased.size) if patients is None else np.unique(np.asarray(patients), return_inverse=True)[1]
    same = arms[0].shape == arms[1].shape == diseased.shape == codes.shape
    require(same and diseased.ndim == 1, "pilot: single, pair, labels and patients must have the same length")
    scores = np.stack(arms)
    sums, has_disease = _patient_sums(scores, diseased, codes), np.bincount(codes, diseased) > 0
    require(min(has_disease.sum(), (~has_disease).sum()) >= 5, "pilot: give at least five patients with and five without the disease")
    best = _separations(sums.sum(axis=0))
    for arm, distance in (("single", best[0]), ("pair", best[1])):
        require(distance > 0, f"pilot: the {arm} arm does not separate the classes (AUROC not above .5); a plan is not possible")
    drawn = _separations(_resampled(sums, has_disease, resamples, np.random.default_rng(seed)))
    return Pilot(
        Separations(*(float(value) for value in best)),
        Separations(np.maximum(drawn[0], _SMALLEST_SEPARATION), np.maximum(drawn[1], _SMALLEST_SEPARATION), drawn[2]),
        diseased.size, int(has_disease.size), clustering(_differences(scores, diseased), codes),
    )  # fmt: skip


def _patient_sums(scores: Floats, diseased: NDArray[np.bool_], codes: NDArray[np.intp]) -> Floats:
    """Count, first and second moments of both scores, per patient and class: enough for any resample. Shape (patients, 2, 6)."""
    centred = scores - scores.mean(axis=1, keepdims=True)  # squares of large means would cancel
    centred = centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-300)
    columns = [np.ones(diseased.size), *centred, centred[0] ** 2, centred[1] ** 2, centred[0] * centred[1]]
    cells = 2 * codes + diseased
    sums = [np.bincount(cells, column, 2 * (codes.max() + 1)) for column in columns]
    return np.stack(sums, axis=-1).astype(np.float64).reshape(-1, 2, 6)


def _separations(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """Separation of either score and their correlation within class, from moments of shape (..., class, 6)."""
    count, one, two, one2, two2, product = np.moveaxis(sums, -1, 0)
    freedom = count.sum(axis=-1) - 2
    var_one, var_two, cov = (
        np.sum(second - a * b / count, axis=-1) / freedom for second, a, b in ((one2, one, one), (two2, two, two), (product, one, two))
    )
    shift_one, shift_two = ((a / count)[..., 1] - (a / count)[..., 0] for a in (one, two))
    correlation = np.clip(cov / np.sqrt(var_one * var_two), -1, 1)
    return shift_one / np.sqrt(var_one), shift_two / np.sqrt(var_two), correlation


def _resampled(sums: Floats, has_disease: NDArray[np.bool_], resamples: int, rng: np.random.Generator) -> Floats:
    """Moments of bootstrap samples of patients, drawn within those with and without the disease. Shape (resamples, 2, 6)."""
    total = np.zeros((resamples, *sums.shape[1:]))
    for diseased in (False, True):
        members = sums[has_disease == diseased]
        even = np.full(len(members), 1 / len(members))
        for start in range(0, resamples, 100):  # a hundred at a time: counts of every patient in every resample would fill the memory
            counts = rng.multinomial(len(members), even, min(100, resamples - start))
            total[start : start + 100] += np.tensordot(counts, members, axes=1)
    return total


def _differences(scores: Floats, diseased: NDArray[np.bool_]) -> Floats:
    """Pair minus single, each centred and scaled within class."""
    residual = scores.copy()
    for label in (False, True):
        residual[:, diseased == label] -= residual[:, diseased == label].mean(axis=1, keepdims=True)
    residual = residual / residual.std(axis=1, keepdims=True)
    return residual[1] - residual[0]


def clustering(values: ArrayLike, clusters: ArrayLike) -> float:
    r"""Intraclass correlation of clusters of unequal size, by analysis of variance: :math:`\frac{MSB-MSW}{MSB+(k_0-1)MSW}`,
    :math:`k_0=\frac{1}{g-1}\big(n-\sum k_i^2/n\big)` (Donner 1986); 0 where no cluster has two values, and not below 0.

    Examples
    --------
    >>> clustering([1.0, 1.0, 3.0, 3.0], [0, 0, 1, 1])
    1.0
    """
    x, codes = finite(values, "values"), np.unique(np.asarray(clusters), return_inverse=True)[1]
    sizes = np.bincount(codes)
    n, groups = x.size, sizes.size
    if n == groups or groups < 2:
        return 0.0
    means = np.bincount(codes, x) / sizes
    between = float(sizes @ np.square(means - x.mean())) / (groups - 1)
    within = float(np.square(x - means[codes]).sum()) / (n - groups)
    typical = (n - float(np.square(sizes).sum()) / n) / (groups - 1)
    total = between + (typical - 1) * within
    return max((between - within) / total, 0.0) if total > 0 else 0.0
