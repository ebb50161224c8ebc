"""The Obuchowski-Rockette analysis of a fully crossed readers x cases design, with training seeds as readers and patients as cases.

The treatment (modality) is the training procedure, A or B; readers are random, so the result is for new trainings, and cases are
clustered by patient. A reader's figure of merit is a contrast of accuracies or AUROCs between procedures (`FigureOfMerit`), and
`_obuchowski_rockette` analyses any such. For one contrast of two procedures its `own` and `shared` are 2 (Var - Cov1) and 2 (Cov2 - Cov3)
of Obuchowski and Rockette.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.arms import arms_apart
from paper_figures.statistics.distributions import student_p, student_quantile
from paper_figures.statistics.proportions.bonett_price import bonett_price_standard_error
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.roc.cluster_jackknife import centred
from paper_figures.statistics.roc.delong import curves_and_labels
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_codes, as_flags, as_level, same_length
from see_in_pairs.errors import InputError
from see_in_pairs.roc import placements

FEW_SEEDS = 5


@dataclass(frozen=True, repr=False)
class ProcedureResult(Result):
    """A difference between two training procedures, A minus B, with an interval for new patients and new trainings."""

    estimate: float  # the mean over the training seeds of the difference
    se: float
    df: float  # degrees of freedom of the t distribution
    interval: Interval  # lower and upper end, within [-1, 1]
    p: float  # two-sided, of no difference
    seeds: tuple[str, ...]
    by_seed: tuple[float, ...]  # the difference in each of them
    training_sd: float  # standard deviation between trainings of the true difference; 0 if patients explain all variation
    one_model_se: float  # the standard error of one trained model, from patients alone
    note: str = ""  # a note on this result for the reader; '' if there is none


def procedure(
    correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, clusters: npt.ArrayLike, seeds: npt.ArrayLike, confidence_level: float = 0.95
) -> ProcedureResult:
    r"""Compare the accuracies of two training procedures, each trained with several seeds and tested on the same patients.

    Parameters
    ----------
    correct_a : array_like of bool, shape (n,)
        Whether A is right; one row per item and training seed.
    correct_b : array_like of bool, shape (n,)
        Whether B, trained with the same seed, is right on the same item.
    clusters : array_like, shape (n,)
        The patient (case) of each row.
    seeds : array_like, shape (n,)
        The training seed (reader) of each row.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    ProcedureResult
        The mean over seeds of the difference, A minus B, with its interval and p-value.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one patient or one training seed only.

    Notes
    -----
    1. :math:`\hat\theta_s` is the difference with seed s = 1..S; :math:`s^2` its variance between seeds.
    2. Patients are shared by all seeds. With the clusters' contributions :math:`\phi_{sk}` to :math:`\hat\theta_s` (as in
       `clustered_difference`), :math:`\hat C_{st} = \frac{K}{K-1} \sum_k \phi_{sk} \phi_{tk}` estimates the covariances due to patients:
       v is the mean of its diagonal, c that off the diagonal.
    3. The mean has variance :math:`(\sigma^2 + v - c) / S + c`, and :math:`E s^2 = \sigma^2 + v - c` with :math:`\sigma^2` the variance
       between trainings; so :math:`\hat V = \hat A + \hat B`, :math:`\hat A = \max(s^2, v - c) / S`, :math:`\hat B = \max(c, 0)`.
    4. t with :math:`\hat V^2 / [\hat A^2 / (S - 1) + \hat B^2 / (K - 1)]` degrees of freedom (Satterthwaite).

    This is the analysis of Obuchowski and Rockette of a readers x cases design, both random, with training seeds as readers and one
    contrast of two modalities; balanced, it is the F test of a two-way random model. Our two changes keep its size with few seeds:
    :math:`s^2` is not taken below what patients alone explain, and the patients' part has its own degrees of freedom (Hillis's has
    infinitely many).

    References
    ----------
    Obuchowski and Rockette (1995), Communications in Statistics B 24:285. Hillis (2007), Statistics in Medicine 26:596 (degrees of
    freedom).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> seeds, patients = np.repeat([0, 1, 2], 60), np.tile(np.arange(60), 3)
    >>> result = procedure(rng.random(180) < 0.9, rng.random(180) < 0.6, patients, seeds)
    >>> len(result.by_seed), result.p < 0.05
    (3, True)
    """
    a, b = as_flags(correct_a, "correct_a"), as_flags(correct_b, "correct_b")
    d = a.astype(np.float64) - b
    design = _crossed(clusters, seeds, same_length(correct_a=a, correct_b=b))
    accuracy = lambda rows: (float(d[rows].mean()), (d[rows] - d[rows].mean()) / rows.sum())
    return _obuchowski_rockette(accuracy, design, as_level(confidence_level))


@arms_apart(4)
def procedure_auroc(
    scores: npt.ArrayLike, labels: npt.ArrayLike, clusters: npt.ArrayLike, seeds: npt.ArrayLike, confidence_level: float = 0.95
) -> ProcedureResult:
    """Compare the areas under the ROC curve of two training procedures, as `procedure` does accuracies.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Scores of arms A and B; one entry per item and training seed. Both may come in one argument, `scores`, shape (2, n).
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    clusters : array_like, shape (n,)
        The patient (case) of each row.
    seeds : array_like, shape (n,)
        The training seed (reader) of each row.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    ProcedureResult
        The mean over seeds of the difference; scores of different trainings are never ranked together.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one patient, one training seed or one class only.

    Examples
    --------
    >>> rng, labels = np.random.default_rng(0), np.arange(120) % 2
    >>> pair, single = rng.normal(size=(2, 120)) + np.array([[2.0], [1.0]]) * labels
    >>> found = procedure_auroc(pair, single, labels, clusters=np.arange(120) % 40, seeds=np.arange(120) // 40)
    >>> found.interval[0] < found.estimate < found.interval[1]
    True
    """
    if len(np.atleast_2d(np.asarray(scores))) != 2:
        raise InputError("scores: give two arms; procedure_contrast takes more")
    return procedure_contrast(scores, (1.0, -1.0), labels, clusters, seeds, confidence_level)


def procedure_contrast(
    scores: npt.ArrayLike,
    weights: npt.ArrayLike,
    labels: npt.ArrayLike,
    clusters: npt.ArrayLike,
    seeds: npt.ArrayLike,
    confidence_level: float = 0.95,
) -> ProcedureResult:
    r"""Estimate a weighted sum of the areas under the ROC curve of training procedures, tested on the same patients.

    Weights (1,) give one area with its interval, (1, -1) a difference, (1, -1, -1, 1) the difference of two gains.

    Parameters
    ----------
    scores : array_like, shape (k, n)
        Scores of each procedure; one column per item and training seed. A model that was trained once has the same scores with each seed.
    weights : array_like, shape (k,)
        Factor of each procedure's area in the sum; finite.
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    clusters : array_like, shape (n,)
        The patient (case) of each row.
    seeds : array_like, shape (n,)
        The training seed (reader) of each row.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    ProcedureResult
        The mean over seeds of :math:`\sum_k w_k A_k`, within what the weights allow; p is of the null hypothesis that it is 0, or, where
        the weights do not sum to 0, what it is at chance, half that sum.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one patient, one training seed or one class only.

    Notes
    -----
    As `procedure`, with the weighted sum of an item's centred placements as its contribution (see `contributions`).
    """
    curves, flags = curves_and_labels(scores, labels)
    factors = np.asarray(weights, dtype=np.float64)
    if factors.shape != (len(curves),) or not np.isfinite(factors).all():
        raise InputError(f"weights: give {len(curves)} finite numbers, one for each row of scores")

    def contrast(rows: Bools) -> tuple[float, Floats]:
        if flags[rows].all() or not flags[rows].any():
            raise NotEstimable("one class only with some training seed: no ROC curve")
        found = placements(curves[:, rows], flags[rows])
        return float(factors @ found[:, flags[rows]].mean(1)), centred(factors @ found, flags[rows])

    design, level = _crossed(clusters, seeds, len(flags)), as_level(confidence_level)
    bounds = float(np.minimum(factors, 0).sum()), float(np.maximum(factors, 0).sum())
    return _obuchowski_rockette(contrast, design, level, bounds, null=float(factors.sum()) / 2)


FigureOfMerit = Callable[[Bools], tuple[float, Floats]]
"""From the rows of one reader to its merit, and the contribution of each row beyond the mean (they sum to 0)."""


@dataclass(frozen=True)
class _Crossed:
    """Readers crossed with cases: the patient and the training seed of each row, and the names of the seeds."""

    patients: Codes
    seeds: Codes
    names: tuple[str, ...]


def _crossed(clusters: npt.ArrayLike, seeds: npt.ArrayLike, rows: int) -> _Crossed:
    patients, trained = as_codes(clusters, rows), as_codes(seeds, rows, "seeds")
    if patients.max() == 0:
        raise NotEstimable("one cluster only: the variation between clusters cannot be estimated")
    if trained.max() == 0:
        raise NotEstimable("one training seed only: the variation between trainings cannot be estimated")
    return _Crossed(patients, trained, tuple(str(name) for name in np.unique(np.asarray(seeds).astype(str))))


def _obuchowski_rockette(
    merit: FigureOfMerit, design: _Crossed, level: float, bounds: Interval = (-1.0, 1.0), null: float = 0.0
) -> ProcedureResult:
    """Analyse the merits of all readers: steps 2 to 4 of `procedure`."""
    readers, cases = len(design.names), int(design.patients.max()) + 1
    found = [merit(design.seeds == number) for number in range(readers)]
    by_reader = np.array([estimate for estimate, _ in found])
    by_case = np.stack([np.bincount(design.patients[design.seeds == s], part, minlength=cases) for s, (_, part) in enumerate(found)])
    covariance = cases / (cases - 1) * by_case @ by_case.T  # (readers, readers), of the merits, due to cases
    estimate, between = float(by_reader.mean()), float(by_reader.var(ddof=1))
    own = float(np.trace(covariance)) / readers
    shared = float(covariance.sum() - np.trace(covariance)) / (readers * (readers - 1))
    training, sampled = max(between, own - shared) / readers, max(shared, 0.0)
    variance, note = training + sampled, ""
    df = variance**2 / (training**2 / (readers - 1) + sampled**2 / (cases - 1)) if variance > 1e-20 else float(min(readers, cases) - 1)
    if readers < FEW_SEEDS:
        note = f"{readers} training seeds say little about how trainings vary; the error-rate study shows the size of this test"
    se, effect = math.sqrt(variance), estimate - null
    if variance <= 1e-20 and effect:  # all cases and readers agree, which may happen by chance if there are few: not a reason for p = 0
        size = min(readers, cases)
        se = bonett_price_standard_error(size * max(effect, 0.0), size * max(-effect, 0.0), size)
        note = "every cluster shows the same difference; each is counted as one item"
    half = student_quantile(level, df) * se
    interval = max(bounds[0], estimate - half), min(bounds[1], estimate + half)
    p = student_p(effect / se, df) if se else 1.0
    spread = math.sqrt(max(between - (own - shared), 0.0))
    return ProcedureResult(estimate, se, df, interval, p, design.names, tuple(by_reader.tolist()), spread, math.sqrt(own), note)
