"""Estimates, always with their interval: areas under the ROC curve, and functions of them, with trainings, patients and
references all random."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.comparison.factors_block import inadmissible
from paper_figures.number_format import with_interval
from paper_figures.statistics.clustered.two_way import MOST_MEMBERSHIPS
from paper_figures.statistics.distributions import student_p, student_quantile
from paper_figures.statistics.multireader.random_factors import ContrastResult, random_factors_contrast
from see_in_pairs.errors import InputError
from see_in_pairs.roc import placements

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from paper_figures.results.runs import Run, RunScores

    Floats = NDArray[np.float64]

LEVEL = 0.95
FEWEST_TRAININGS = 3
"""Fewest trainings of an arm for a statement about the training procedure; with fewer the result is about these models only."""


@dataclass(frozen=True)
class Estimate:
    """An estimate with its 95 % interval and p-value, and the number of levels of each random factor."""

    value: float
    low: float  # infinite where unbounded
    high: float
    p: float  # two-sided, of the null hypothesis
    unit: str = ""  # its unit
    test: str = ""  # how interval and p were found
    items: int = 0
    patients: int = 0
    reason: str = ""  # why there is no number; ``''`` if there is one
    se: float = math.nan  # of the value, or of its logarithm if `test` says so
    df: float = math.inf
    trainings: int = 0  # the fewest of a trained arm; 0 if nothing was trained
    references: float = math.nan  # effective number of shared references, by how evenly they are used; NaN if none is shared
    inadmissible: str = ""  # why no test keeps its level in this design; ``''`` if one does

    def __str__(self) -> str:
        return with_interval(self.value, self.low, self.high)

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends of the 95 % interval."""
        return (self.low, self.high)


def no_estimate(reason: str, unit: str = "", scores: RunScores | None = None) -> Estimate:
    """An estimate without a number, and why."""
    nan, sizes = math.nan, (0, 0) if scores is None else (len(scores.items), len(np.unique(scores.patients)))
    return Estimate(nan, nan, nan, nan, unit, "", *sizes, reason)


def auroc_of(scores: RunScores) -> Estimate:
    """Estimate the AUROC of a run; p is of the null hypothesis that it is at chance (0.5)."""
    return auroc_contrast([scores], [1.0])


def auroc_difference(first: RunScores, second: RunScores) -> Estimate:
    """Estimate the AUROC of the first run minus that of the second, on the same items."""
    return auroc_contrast([first, second], [1.0, -1.0])


def auroc_contrast(scores: Sequence[RunScores], weights: Sequence[float], unit: str = "AUROC") -> Estimate:
    """Estimate a weighted sum of the areas of runs on the same items, for example the difference of two gains."""
    found = _contrast(scores, weights)
    return no_estimate(found, unit, scores[0]) if isinstance(found, str) else _estimate(found, scores, unit)


def auroc_function(
    scores: Sequence[RunScores], function: Callable[[Floats], float], unit: str, what: str, null: float = 0.0, *, log: bool = False
) -> Estimate:
    """Estimate a smooth function of the areas of runs on the same items, by the delta method.

    `what` names the quantity if it is not defined. With `log` the function is the logarithm of a ratio; the estimate and its ends are given
    as a ratio, and `null` is on the log scale.
    """
    positive = scores[0].positive
    if positive.all() or not positive.any():
        return no_estimate("one class only: no ROC curve", unit, scores[0])
    areas = np.array([placements(one.ranked, positive)[:, positive].mean() for one in scores])
    value = function(areas)
    gradient = np.array([_slope(function, areas, number) for number in range(len(areas))])
    if not (math.isfinite(value) and np.isfinite(gradient).all()):
        return no_estimate(f"{what} is not defined at AUROC {', '.join(f'{area:.3f}' for area in areas)}", unit, scores[0])
    found = _contrast(scores, gradient.tolist())
    if isinstance(found, str):
        return no_estimate(found, unit, scores[0])
    half = student_quantile(LEVEL, found.df) * found.se
    p = student_p((value - null) / found.se, found.df) if found.se > 0 else float(value == null)
    ends = (value, value - half, value + half)
    if log:
        with np.errstate(over="ignore"):  # just above chance a ratio is unbounded
            ends = tuple(float(np.exp(end)) for end in ends)  # type: ignore[assignment]
    plain = _estimate(found, scores, unit)
    test = f"{plain.test}; delta method{', on the logarithm' if log else ''}"
    return replace(plain, value=ends[0], low=ends[1], high=ends[2], p=p, test=test)


def log_da_ratio(areas: Floats) -> float:
    r"""Logarithm of a ratio of separations, :math:`\log(d_a'/d_a)` with :math:`d_a=\sqrt2\,\Phi^{-1}(\mathrm{AUROC})`.

    It depends on ranks only, so saturated scores do not inflate it. NaN if the second run does not separate the classes,
    or if the first does not; infinite if the first separates them perfectly.

    Examples
    --------
    >>> round(log_da_ratio(np.array([0.9214, 0.76025])), 3)  # d_a 2 against 1
    0.693
    """
    from scipy.special import ndtri

    first, second = ndtri(areas)
    return float(np.log(first / second)) if first > 0 and second > 0 else math.nan


def da_of(area: float | Floats) -> Floats:
    r"""Separation by ranks, :math:`d_a=\sqrt2\,\Phi^{-1}(\mathrm{AUROC})` (Simpson and Fitter 1973)."""
    from scipy.special import ndtri

    return np.asarray(np.sqrt(2) * ndtri(area))


def shared_references(scores: Sequence[RunScores]) -> list[tuple[str, ...]] | None:
    """References of each item in any of the runs, if some serve several patients; None if no patients share references.

    One reference for all patients cannot be separated from the items: the result is then about that reference.
    """
    patients = scores[0].patients
    names = [set().union(*(set(one.references[item]) for one in scores if one.references)) for item in range(len(patients))]
    owners: dict[str, set[str]] = {}
    for patient, entry in zip(patients, names, strict=True):
        for name in entry:
            owners.setdefault(name, set()).add(str(patient))
    if not any(len(found) > 1 for found in owners.values()) or len(owners) == 1 or max(map(len, names)) > MOST_MEMBERSHIPS:
        return None
    return [tuple(sorted(entry)) or (f"no reference: {item}",) for item, entry in zip(scores[0].items, names, strict=True)]


def _slope(function: Callable[[Floats], float], areas: Floats, number: int, step: float = 1e-6) -> float:
    up, down = areas.copy(), areas.copy()
    up[number], down[number] = min(1.0, areas[number] + step), max(0.0, areas[number] - step)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (function(up) - function(down)) / (up[number] - down[number])


def _contrast(scores: Sequence[RunScores], weights: Sequence[float]) -> ContrastResult | str:
    first = scores[0]
    # one item without a score counts as wrong; a model without any score has nothing to compare
    if silent := [one.run.run_id for one in scores if np.isnan(one.logit).all(axis=1).any()]:
        return f"run '{silent[0]}': a model gave no score at all"
    if all((one.ranked == one.ranked[:, :1]).all() for one in scores):
        return "all scores are equal: no item is ranked above another, so the variation of areas is unknown"
    try:
        return random_factors_contrast(
            [one.ranked for one in scores], first.positive, first.patients, shared_references(scores), weights=weights,
            models=[_models(one.run) for one in scores], confidence_level=LEVEL,
        )  # fmt: skip
    except InputError as error:  # one class, or too few patients
        return str(error)


def _models(run: Run) -> str:
    """Name the trained models behind a run: arms shown to the same models are crossed with their trainings."""
    return run.model or run.run_id


def _estimate(found: ContrastResult, scores: Sequence[RunScores], unit: str) -> Estimate:
    first = scores[0]
    random = [name for name, factor in found.factors.items() if factor.random]
    words = {"seeds": "trainings", "patients": "patients", "references": "references"}
    several = f"{', '.join(words[name] for name in random)} random{' at once' if len(random) > 1 else ''}, t"
    trained = [one.trainings for one in scores if one.trainings]
    references = found.factors["references"].effective if "references" in found.factors else math.nan
    why = inadmissible(found, first.positive, first.patients).split(", or --fixed")[0]  # an option of `compare`
    return Estimate(
        found.estimate, *found.interval, found.p, unit, several, len(first.items), len(np.unique(first.patients)), "", found.se, found.df,
        min(trained, default=0), references, why,
    )  # fmt: skip
