"""Temperature, fitted on validation items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, log_expit, logit

from empirical.analysis.patients import patient_interval
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from empirical.evaluation.records import Records

BOUND = 8.0  # of |log temperature|: a factor of 3000 either way
WIDE = 4.0
"""With ends so many times apart, a stated probability of .9 may be .75 or .99."""

ALL_RIGHT = "on validation the model gives every item's true answer the higher probability, so more extreme scores always fit better"
MOSTLY_WRONG = "on validation the probabilities are on the wrong side of one half on average, and a temperature does not shift them"


class NoTemperature(InputError):
    """There is no best temperature, or it has no interval; the message says why."""


@dataclass(frozen=True)
class Temperature:
    """A temperature with its uncertainty."""

    # the temperature and its 95 % interval over patients; above 1 the model was overconfident. `high` is infinite where the items do
    # not exclude that the scores are uninformative, `low` is 0 where they do not exclude that the scores are perfect
    value: float
    low: float
    high: float
    n: int  # items it was fitted on

    @property
    def warning(self) -> str:
        """A warning where the interval has an open end or spans more than a factor of four; else empty."""
        if _at_bound(self.value):
            return "at the end of the search range: no temperature fits"
        if self.low == 0 or not np.isfinite(self.high):
            return "almost uninformative: its interval has an open end"
        if self.high > WIDE * self.low:
            return f"almost uninformative: its interval spans a factor of {self.high / self.low:.0f}"
        return ""

    def shown(self) -> str:
        """Value and interval in words.

        Examples
        --------
        >>> Temperature(79.704, 6.2567, np.inf, 20).shown()
        '79.7 (6.26 to no limit)'
        """
        return f"{self.value:.3g} ({self.low:.3g} to {f'{self.high:.3g}' if np.isfinite(self.high) else 'no limit'})"


def fit_temperature(records: Records, *, seed: int = 0, resamples: int = 200) -> Temperature:
    r"""Fit one temperature to the scores of validation items.

    Notes
    -----
    It minimises :math:`-\sum_i \log \sigma(\pm z_i / T)`, with :math:`z_i` the log-odds of the positive answer within the closed set and
    the sign of the true class (Guo, Pleiss, Sun and Weinberger 2017, for two classes). The order of the items, hence the AUROC, is left
    unchanged, and so is the side of one half on which an item lies: scores that order the classes well, but all say yes, may have no
    temperature. A resample on the wrong side on average counts as an infinite temperature, one all on the right side as 0. Leaving
    them out would make an uninformative fit look informative. Nineteen in twenty of its intervals contain the true
    temperature with 200 patients of one item each, seven in eight with 60 (simulated, true log-odds of standard deviation 2).
    """
    odds, positive = _log_odds(records), records.is_positive().to_numpy()
    if lacking := int((~np.isfinite(odds)).sum()):
        raise InputError(f"temperature: {lacking} of {len(odds)} validation items have no score")
    if positive.all() or not positive.any():
        raise InputError("temperature: the validation items are all of one class")
    log_value = _best(odds, positive, np.ones(len(odds)))
    if np.isinf(log_value):
        raise NoTemperature(f"temperature: there is no best one; {ALL_RIGHT if log_value < 0 else MOSTLY_WRONG}")
    patients, rng = records.table["patient_id"].to_numpy(), np.random.default_rng(seed)
    if len(set(patients)) < 2:
        raise NoTemperature("temperature: not fitted; all validation items are of one patient, so there is no interval")
    ends = patient_interval(lambda weights: np.clip(_best(odds, positive, weights), -BOUND, BOUND), patients, rng=rng, resamples=resamples)
    low, high = (np.sign(end) * np.inf if _at_bound(np.exp(end)) else end for end in ends)
    return Temperature(float(np.exp(log_value)), float(np.exp(low)), float(np.exp(high)), len(odds))


def calibrated(records: Records, temperature: float) -> np.ndarray:
    """Probability of the positive answer with a temperature: (items,), in [0, 1]."""
    return expit(_log_odds(records) / temperature)


def log_loss(records: Records, temperature: float = 1.0, *, seed: int = 0) -> tuple[float, float, float]:
    """Mean negative log-probability of the true class in nats, low and high end of its 95 % interval over patients."""
    loss = _losses(_log_odds(records), records.is_positive().to_numpy(), temperature)
    patients, rng = records.table["patient_id"].to_numpy(), np.random.default_rng(seed)
    low, high = patient_interval(lambda weights: float(np.average(loss, weights=weights)), patients, rng=rng)
    return float(loss.mean()), low, high


def _log_odds(records: Records) -> np.ndarray:
    """Compute log-odds from log-probabilities: ``p_positive`` itself may have rounded to 0 or 1."""
    values = np.array([list(logp.values()) for logp in records.table["logp"]])
    if values.shape[1] == 2:
        return values[:, 0] - values[:, 1]
    return logit(np.clip(records.table["p_positive"].to_numpy(), 1e-15, 1 - 1e-15))


def _losses(odds: np.ndarray, positive: np.ndarray, temperature: float) -> np.ndarray:
    return -log_expit(np.where(positive, odds, -odds) / temperature)


def _best(odds: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> float:
    """Log temperature with the smallest loss (convex in 1/T); minus infinity where all are right, infinity where wrong on average."""
    from scipy.optimize import minimize_scalar

    margin = np.where(positive, odds, -odds)
    if (margin[weights > 0] > 0).all():
        return float("-inf")
    if weights @ margin <= 0:
        return float("inf")

    def loss(log_temperature: float) -> float:
        return float(np.average(_losses(odds, positive, float(np.exp(log_temperature))), weights=weights))

    return float(minimize_scalar(loss, bounds=(-BOUND, BOUND), method="bounded").x)


def _at_bound(temperature: float) -> bool:
    return abs(np.log(temperature)) > BOUND - 0.01  # the search stops a little before its end
