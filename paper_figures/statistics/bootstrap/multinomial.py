"""The bootstrap of an accuracy difference of independent items; its cost does not grow with their number."""

from __future__ import annotations

import math

import numpy as np

from paper_figures.statistics.bootstrap.intervals import bootstrap_interval
from paper_figures.statistics.bootstrap.result import BootstrapDifference
from paper_figures.statistics.validation import Floats, as_count, as_level
from see_in_pairs.errors import InputError


def multinomial_bootstrap(
    n10: int, n01: int, n: int, resamples: int = 9999, method: str = "bca", confidence_level: float = 0.95, *, seed: int = 0
) -> BootstrapDifference:
    r"""Bootstrap the difference in accuracy of two arms on independent items.

    Parameters
    ----------
    n10, n01 : int
        Number of items right in A only, and of items right in B only.
    n : int
        Number of all items, discordant or not.
    resamples : int, default 9999
        Number of resamples, B, at least 2.
    method : {'percentile', 'basic', 'bca'}
        The kind of interval; BCa corrects for bias and skewness.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.
    seed : int, default 0
        Seed of the resamples, whose stream is separate from that of `paired_bootstrap`.

    Returns
    -------
    BootstrapDifference
        Estimate, interval and Monte Carlo error. The accuracies of each arm do not follow from these counts, and are NaN.

    Raises
    ------
    InputError
        When counts are not whole, are negative, or do not fit each other.

    Notes
    -----
    An item's difference is 1, -1 or 0. The counts of the three among n items drawn with replacement are multinomial with the observed
    shares, so they are drawn directly: exactly the distribution of resampling items, in O(B) time and memory. Leaving out one item gives
    only three values, so BCa's acceleration has a closed form too:
    :math:`\hat a = \frac{\sum_x w_x (x - \bar x)^3}{6 [\sum_x w_x (x - \bar x)^2]^{3/2}}` over :math:`x \in \{1, -1, 0\}` with counts w.

    Examples
    --------
    >>> multinomial_bootstrap(60, 40, 1000, seed=1).difference
    0.02
    """
    right_a, right_b, items = as_count(n10, "n10"), as_count(n01, "n01"), as_count(n, "n")
    if not items or right_a + right_b > items:
        raise InputError(f"n10 + n01 = {right_a + right_b} of {items} items: counts do not fit")
    draws, level = as_count(resamples, "resamples"), as_level(confidence_level)
    if draws < 2:
        raise InputError(f"resamples: give at least 2, not {draws}")
    distribution = multinomial_differences(right_a, right_b, items, draws, seed)
    estimate = (right_a - right_b) / items
    interval, errors = bootstrap_interval(distribution, estimate, method, level, trinomial_acceleration(right_a, right_b, items))
    unknown = (math.nan, math.nan)
    return BootstrapDifference(
        "accuracy", math.nan, math.nan, estimate, interval, unknown, unknown, float(distribution.std(ddof=1)), errors,
        f"multinomial {method}", draws, 0, seed,
    )  # fmt: skip


def multinomial_differences(n10: int, n01: int, n: int, resamples: int, seed: int) -> Floats:
    """Draw the resampled differences, shape (resamples,); swapping the arms flips their signs."""
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1001,)))
    high, low = max(n10, n01), min(n10, n01)
    counts = stream.multinomial(n, [high / n, low / n, (n - high - low) / n], size=resamples)
    return (counts[:, 0] - counts[:, 1]) * (1.0 if n10 >= n01 else -1.0) / n


def trinomial_acceleration(n10: int, n01: int, n: int) -> float:
    """BCa's acceleration of a mean of ones, minus ones and zeros; 0 where all are equal."""
    values, counts = np.array([1.0, -1.0, 0.0]), np.array([n10, n01, n - n10 - n01])
    deviations = values - (n10 - n01) / n
    squares = float(counts @ deviations**2)
    return float(counts @ deviations**3) / (6 * squares**1.5) if squares > 1e-12 else 0.0
