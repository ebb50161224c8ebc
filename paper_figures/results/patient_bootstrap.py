"""One set of bootstrap resamples over patients, shared by every arm and every quantity, so that all differences are paired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paper_figures.results.estimates import LEVEL, Estimate
from paper_figures.statistics.bootstrap.cluster_weights import cluster_weights, resampling_strata
from paper_figures.statistics.metrics import Sample, auroc
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from paper_figures.results.runs import RunScores

    Floats = NDArray[np.float64]

RESAMPLES = 2000


class PatientBootstrap:
    r"""Resamples of patients, as weights of items.

    Notes
    -----
    1. Patients are sorted into strata: only positive items, only negative items, both; a stratum of one joins the largest.
    2. Within each stratum as many patients are drawn, with replacement, as it holds.
    3. `weights` says how often; an item weighs as much as its patient. The first row is 1 for all, so it gives the estimate itself.

    Intervals are percentile intervals; :math:`p = 2 \min(1 + \#\{\le 0\}, 1 + \#\{\ge 0\}) / (B + 1)`, never below :math:`2 / (B + 1)`
    (Davison and Hinkley 1997, section 4.4).
    """

    def __init__(self, scores: RunScores, resamples: int = RESAMPLES, seed: int = 0) -> None:
        names, codes = np.unique(scores.patients, return_inverse=True)
        if len(names) < 2 or scores.positive.all() or not scores.positive.any():
            raise InputError(f"run '{scores.run.run_id}': inference over patients needs both classes and more than one patient")
        self.positive, self.codes, self.items, self.patients, self.resamples = scores.positive, codes, len(codes), len(names), resamples
        drawn = cluster_weights(resampling_strata(self.positive, codes), self.items, resamples, seed)
        self.weights: Floats = np.vstack([np.ones(self.patients), *drawn])

    def auroc(self, scores: RunScores) -> Floats:
        """Compute the AUROC of a run in every resample, (1 + resamples,), the estimate first; ties count one half."""
        return auroc(Sample(scores.ranked, self.positive, self.codes))(self.weights)

    def separation(self, scores: RunScores) -> Floats:
        """Compute the separation d' of a run's log-odds in every resample, (1 + resamples,), the estimate first.

        It is the difference of the class means over the pooled standard deviation within classes.
        """
        (mean1, square1, n1), (mean0, square0, n0) = (self._moments(scores.logit, rows) for rows in (self.positive, ~self.positive))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((mean1 - mean0) / np.sqrt((square1 + square0) / (n1 + n0 - 2)))

    def _moments(self, logit: Floats, rows: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
        weights, values = self.weights[:, self.codes[rows]], logit[rows]
        n = weights.sum(axis=1)
        mean = weights @ values / n
        return mean, np.clip(weights @ values**2 - n * mean**2, 0, None), n

    def estimate(self, values: Floats, unit: str, what: str) -> Estimate:
        """Summarise a quantity, `values` (1 + resamples,), by a percentile interval and a p-value.

        It has no number where more than 2.5 % of the resamples are undefined.
        """
        return percentile_estimate(values, unit, what, self.items, self.patients)


def percentile_estimate(values: Floats, unit: str, what: str, items: int, patients: int) -> Estimate:
    """Summarise a quantity over resamples of patients, `values` (1 + resamples,), the estimate first."""
    test = f"bootstrap over patients ({len(values) - 1} resamples, percentile)"
    undefined = int(np.isnan(values).sum())
    if np.isnan(values[0]) or undefined > (1 - LEVEL) / 2 * len(values):
        reason = f"{what} is undefined in {undefined} of {len(values)} resamples"
        return Estimate(np.nan, np.nan, np.nan, np.nan, unit, test, items, patients, reason)
    drawn = values[1:][~np.isnan(values[1:])]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf")
    return Estimate(float(values[0]), float(low), float(high), _p_value(drawn), unit, test, items, patients)


def _p_value(drawn: Floats) -> float:
    tail = 1 + min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * tail / (len(drawn) + 1))
