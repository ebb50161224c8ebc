"""Temperature, fitted on validation items, and the data of a reliability plot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, log_expit, logit

from empirical.analysis.patients import LEVEL, patient_interval
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from empirical.records import Records

BOUND = 8.0  # of |log temperature|: a factor of 3000 either way


@dataclass(frozen=True)
class Temperature:
    """A temperature with its uncertainty.

    Parameters
    ----------
    value, low, high : float
        The temperature and its 95 % interval over patients; above 1 the model was too sure of itself.
    n : int
        Items it was fitted on.
    """

    value: float
    low: float
    high: float
    n: int


def fit_temperature(records: Records, *, seed: int = 0, resamples: int = 200) -> Temperature:
    r"""Fit one temperature to the scores of validation items.

    Parameters
    ----------
    records : Records
        One run on the validation split.
    seed : int, default 0
        Of the bootstrap over patients.
    resamples : int, default 200
        Of the bootstrap.

    Returns
    -------
    Temperature
        With its interval.

    Raises
    ------
    InputError
        When a class is missing, or the scores order the classes backwards or perfectly, so that no finite temperature is best.

    Notes
    -----
    It minimises :math:`-\sum_i \log \sigma(\pm z_i / T)`, with :math:`z_i` the log-odds of the positive answer within the closed set and
    the sign of the true class (Guo, Pleiss, Sun and Weinberger 2017, for two classes). The order of the items, hence the AUROC, is left
    alone.
    """
    odds, positive = _log_odds(records), records.is_positive().to_numpy()
    if positive.all() or not positive.any():
        raise InputError("temperature: the validation items are all of one class")
    value = _best(odds, positive, np.ones(len(odds)))
    if not np.isfinite(value):
        raise InputError("temperature: none is best; on validation the scores order the classes perfectly, or backwards")
    patients, rng = records.table["patient_id"].to_numpy(), np.random.default_rng(seed)
    low, high = patient_interval(lambda weights: _best(odds, positive, weights), patients, rng=rng, resamples=resamples)
    return Temperature(value, low, high, len(odds))


def calibrated(records: Records, temperature: float) -> np.ndarray:
    """Apply a temperature.

    Parameters
    ----------
    records : Records
        Scores.
    temperature : float
        As fitted.

    Returns
    -------
    ndarray of shape (items,)
        The probability of the positive answer, in [0, 1].
    """
    return expit(_log_odds(records) / temperature)


def log_loss(records: Records, temperature: float = 1.0, *, seed: int = 0) -> tuple[float, float, float]:
    """Measure calibration and discrimination in one proper score.

    Parameters
    ----------
    records : Records
        Scores.
    temperature : float, default 1
        Applied first.
    seed : int, default 0
        Of the bootstrap over patients.

    Returns
    -------
    tuple of three floats
        Value, low and high: mean negative log-probability of the true class, in nats, with its 95 % interval over patients.
    """
    loss = _losses(_log_odds(records), records.is_positive().to_numpy(), temperature)
    patients, rng = records.table["patient_id"].to_numpy(), np.random.default_rng(seed)
    low, high = patient_interval(lambda weights: float(np.average(loss, weights=weights)), patients, rng=rng)
    return float(loss.mean()), low, high


ITEMS_IN_A_BIN = 20
"""At the least, of a reliability table."""


def reliability(probability: np.ndarray, positive: np.ndarray, bins: int | None = None) -> pd.DataFrame:
    """Tabulate what was observed where a probability was stated.

    Parameters
    ----------
    probability : ndarray of shape (items,)
        Stated, in [0, 1].
    positive : ndarray of bool, shape (items,)
        Observed.
    bins : int, optional
        Of equally many items; ties may make fewer. By default one for every `ITEMS_IN_A_BIN` items, from 2 to 10: an interval from three
        items tells nothing.

    Returns
    -------
    pandas.DataFrame
        One row per bin: ``n``, ``stated`` (mean), ``observed`` (share), ``low`` and ``high`` (Wilson 95 %).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(size=2000)
    >>> table = reliability(p, rng.uniform(size=2000) < p, bins=4)
    >>> bool(((table["low"] <= table["stated"]) & (table["stated"] <= table["high"])).all())
    True
    """
    import pandas as pd
    from scipy.stats import binomtest

    if bins is None:
        bins = int(np.clip(len(probability) // ITEMS_IN_A_BIN, 2, 10))
    frame = pd.DataFrame({"stated": probability, "observed": positive})
    grouped = frame.groupby(pd.qcut(frame["stated"], bins, duplicates="drop"), observed=True)
    table = grouped.agg(n=("stated", "size"), stated=("stated", "mean"), positives=("observed", "sum")).reset_index(drop=True)
    intervals = [
        binomtest(int(k), int(n)).proportion_ci(LEVEL, method="wilson") for k, n in zip(table["positives"], table["n"], strict=True)
    ]
    table["observed"] = table["positives"] / table["n"]
    table["low"], table["high"] = [interval.low for interval in intervals], [interval.high for interval in intervals]
    return table[["n", "stated", "observed", "low", "high"]]


def _log_odds(records: Records) -> np.ndarray:
    """Read the log-odds off the log-probabilities: ``p_positive`` itself may have rounded to 0 or 1."""
    values = np.array([list(logp.values()) for logp in records.table["logp"]])
    if values.shape[1] == 2:
        return values[:, 0] - values[:, 1]
    return logit(np.clip(records.table["p_positive"].to_numpy(), 1e-15, 1 - 1e-15))


def _losses(odds: np.ndarray, positive: np.ndarray, temperature: float) -> np.ndarray:
    return -log_expit(np.where(positive, odds, -odds) / temperature)


def _best(odds: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> float:
    """Minimise the loss, which is convex in 1/T; NaN where its minimum lies at T = 0 (perfect order) or infinity (backwards)."""
    from scipy.optimize import minimize_scalar

    margin = np.where(positive, odds, -odds)
    if (margin[weights > 0] > 0).all() or weights @ margin <= 0:
        return float("nan")

    def loss(log_temperature: float) -> float:
        return float(np.average(_losses(odds, positive, float(np.exp(log_temperature))), weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=(-BOUND, BOUND), method="bounded").x))
