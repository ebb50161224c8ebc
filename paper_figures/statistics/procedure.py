"""Comparing training procedures, not trained models: several training seeds crossed with patients (Obuchowski and Rockette)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics._distributions import student_p, student_quantile
from paper_figures.statistics._inputs import Bools, Codes, Floats, NotEstimable, as_codes, as_flags, as_level, same_length
from paper_figures.statistics._result import Interval, Result
from paper_figures.statistics.auroc_difference import contributions
from paper_figures.statistics.bonett_price import bonett_price_standard_error
from paper_figures.statistics.delong import curves_and_labels, placements

FEW_SEEDS = 5


@dataclass(frozen=True, repr=False)
class ProcedureResult(Result):
    """A difference between two training procedures, A minus B, with an interval that holds for new patients and new trainings.

    Parameters
    ----------
    estimate : float
        The mean over the training seeds of the difference.
    se : float
        Its standard error.
    df : float
        Degrees of freedom of the t distribution.
    interval : tuple of float
        Lower and upper end, within [-1, 1].
    p : float
        Two-sided, of no difference.
    seeds : tuple of str
        The training seeds.
    by_seed : tuple of float
        The difference in each of them.
    training_sd : float
        Standard deviation between trainings of the true difference; 0 where patients explain all variation.
    one_model_se : float
        The standard error that one trained model would have claimed, from patients alone.
    note : str
        What a reader must know of this result; '' where there is nothing.
    """

    estimate: float
    se: float
    df: float
    interval: Interval
    p: float
    seeds: tuple[str, ...]
    by_seed: tuple[float, ...]
    training_sd: float
    one_model_se: float
    note: str = ""


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
        The patient of each row.
    seeds : array_like, shape (n,)
        The training seed of each row.
    confidence_level : float, default 0.95
        Of the interval.

    Returns
    -------
    ProcedureResult
        The mean difference over seeds.

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

    This is the analysis of Obuchowski and Rockette for readers and cases, with training seeds for readers and one contrast of two
    modalities; balanced, it is the F test of a two-way random model. Our two changes keep its size with few seeds: :math:`s^2` is not
    taken below what patients alone explain, and the patients' part has its own degrees of freedom (Hillis's has infinitely many).

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
    parts = lambda rows: (float(d[rows].mean()), (d[rows] - d[rows].mean()) / rows.sum())
    return _procedure(parts, same_length(correct_a=a, correct_b=b), clusters, seeds, as_level(confidence_level))


def procedure_auroc(
    scores: npt.ArrayLike, labels: npt.ArrayLike, clusters: npt.ArrayLike, seeds: npt.ArrayLike, confidence_level: float = 0.95
) -> ProcedureResult:
    """Compare the areas under the ROC curve of two training procedures, as `procedure` does accuracies.

    Parameters
    ----------
    scores : array_like, shape (2, n)
        Scores of arms A and B; one column per item and training seed.
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    clusters : array_like, shape (n,)
        The patient of each row.
    seeds : array_like, shape (n,)
        The training seed of each row.
    confidence_level : float, default 0.95
        Of the interval.

    Returns
    -------
    ProcedureResult
        The mean over seeds of the difference; scores of different trainings are never ranked among each other.

    Raises
    ------
    InputError
        When inputs do not fit, or there is one patient, one training seed or one class only.
    """
    curves, flags = curves_and_labels(scores, labels)

    def parts(rows: Bools) -> tuple[float, Floats]:
        if flags[rows].all() or not flags[rows].any():
            raise NotEstimable("one class only with some training seed: no ROC curve")
        areas = [float(placements(row[rows], flags[rows])[flags[rows]].mean()) for row in curves]
        return areas[0] - areas[1], contributions(curves[:, rows], flags[rows])

    return _procedure(parts, len(flags), clusters, seeds, as_level(confidence_level))


def _procedure(
    parts: Callable[[Bools], tuple[float, Floats]], rows: int, clusters: npt.ArrayLike, seeds: npt.ArrayLike, level: float
) -> ProcedureResult:
    codes, trained = as_codes(clusters, rows), as_codes(seeds, rows, "seeds")
    names, patients = tuple(str(name) for name in np.unique(np.asarray(seeds).astype(str))), int(codes.max()) + 1
    if patients == 1:
        raise NotEstimable("one cluster only: the variation between clusters cannot be estimated")
    if trained.max() == 0:
        raise NotEstimable("one training seed only: the variation between trainings cannot be estimated")
    found = [parts(trained == number) for number in range(int(trained.max()) + 1)]
    sums = np.stack([_by_patient(part, codes[trained == number], patients) for number, (_, part) in enumerate(found)])
    return _result(np.array([estimate for estimate, _ in found]), patients / (patients - 1) * sums @ sums.T, patients, names, level)


def _by_patient(part: Floats, codes: Codes, patients: int) -> Floats:
    return np.bincount(codes, part, minlength=patients).astype(np.float64)


def _result(by_seed: Floats, covariance: Floats, patients: int, names: tuple[str, ...], level: float) -> ProcedureResult:
    seeds, estimate = len(by_seed), float(by_seed.mean())
    own = float(np.trace(covariance)) / seeds
    shared = float(covariance.sum() - np.trace(covariance)) / (seeds * (seeds - 1))
    between = float(by_seed.var(ddof=1))
    training, sampled = max(between, own - shared) / seeds, max(shared, 0.0)
    variance, note = training + sampled, ""
    df = variance**2 / (training**2 / (seeds - 1) + sampled**2 / (patients - 1)) if variance > 1e-20 else float(min(seeds, patients) - 1)
    if seeds < FEW_SEEDS:
        note = f"{seeds} training seeds say little of how trainings vary; the calibration page shows the size of this test"
    se = math.sqrt(variance)
    if variance <= 1e-20 and estimate:
        size = min(seeds, patients)
        se = bonett_price_standard_error(size * max(estimate, 0.0), size * max(-estimate, 0.0), size)
        note = "every cluster shows the same difference; each is counted as one item"
    half = student_quantile(level, df) * se
    interval = max(-1.0, estimate - half), min(1.0, estimate + half)
    p = student_p(estimate / se, df) if se else 1.0
    spread = math.sqrt(max(between - (own - shared), 0.0))
    return ProcedureResult(estimate, se, df, interval, p, names, tuple(by_seed.tolist()), spread, math.sqrt(own), note)
