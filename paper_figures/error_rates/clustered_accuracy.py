"""The clustered accuracy tests on a whole block of replicates."""

from __future__ import annotations

import numpy as np
from scipy import special

from paper_figures.error_rates.accuracy import Columns, Counts
from paper_figures.error_rates.item_tests import chi_squared
from paper_figures.statistics.validation import Floats
from theory.sweeps import method


@method("Obuchowski", vectorised=True)
def obuchowski(data: Counts) -> Columns:
    """Run Obuchowski's test."""
    return chi_squared(_ratio((data.d**2).sum(axis=1), data))


@method("Yang", vectorised=True)
def yang(data: Counts) -> Columns:
    """Run Yang, Sun and Hardin's test."""
    return chi_squared(_ratio((_residuals(data) ** 2 + data.d**2).sum(axis=1) / 2, data))


def _ratio(spread: Floats, data: Counts) -> Floats:
    k = len(data.n)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic: Floats = (k - 1) / k * data.d.sum(axis=1) ** 2 / spread
    return statistic


def _residuals(data: Counts) -> Floats:
    residuals: Floats = data.d - data.n * data.d.sum(axis=1, keepdims=True) / data.items
    return residuals


@method("Durkalski", vectorised=True)
def durkalski(data: Counts) -> Columns:
    """Run Durkalski and others' test."""
    shares = data.d / data.n
    with np.errstate(invalid="ignore"):
        return chi_squared(shares.sum(axis=1) ** 2 / (shares**2).sum(axis=1))


@method("cluster-robust t", vectorised=True)
def cluster_t(data: Counts) -> Columns:
    """Run the test of `paper_figures.statistics.clustered_difference`; where all clusters agree each counts as one item."""
    k, estimate = len(data.n), data.d.sum(axis=1) / data.items
    error = np.sqrt(k / (k - 1) * (_residuals(data) ** 2).sum(axis=1)) / data.items
    same = (error < 1e-10) & (estimate != 0)
    p10, p01 = ((sums / data.n).sum(axis=1) + 1 for sums in (data.b, data.c))
    error = np.where(same, np.sqrt((p10 + p01 - (p10 - p01) ** 2 / (k + 2)) / (k + 2) ** 2), error)
    with np.errstate(invalid="ignore"):
        p = np.where(error > 1e-10, 2 * special.stdtr(k - 1, -np.abs(estimate / error)), 1.0)
    half = special.stdtrit(k - 1, 0.975) * error
    return {"estimate": estimate, "se": error, "lower": estimate - half, "upper": estimate + half, "p": p}


@method("GEE", vectorised=True)
def gee(data: Counts) -> Columns:
    """Run Wald's test of the population-average log odds ratio with robust errors; p is 1 where it is infinite.

    With one binary regressor the estimate and its sandwich variance have closed forms.
    """
    logits, parts = [], []
    for own in (data.b, data.c):
        right = (data.both + own).astype(np.float64)
        share = np.clip(right.sum(axis=1, keepdims=True) / data.items, 1e-9, 1 - 1e-9)
        logits.append(special.logit(share[:, 0]))
        parts.append((right - data.n * share) / (data.items * share * (1 - share)))
    error = np.sqrt(((parts[0] - parts[1]) ** 2).sum(axis=1))
    finite = (np.abs(logits) < 20).all(axis=0) & (error > 1e-10)
    z = (logits[0] - logits[1]) / np.where(finite, error, 1.0)
    return {"p": np.where(finite, 2 * special.ndtr(-np.abs(z)), 1.0)}


@method("sign-flip, all patterns", vectorised=True)
def sign_flip(data: Counts) -> Columns:
    r"""Run the sign-flip test over all patterns of signs, for any number of patterns.

    Notes
    -----
    The sum :math:`S = \sum s_k D_k` of whole numbers has the characteristic function :math:`\prod_k \cos(\theta D_k)`. On L > 2 max|S|
    equally spaced angles its inverse transform is exact: :math:`P(|S| < t) = \frac{1}{L} \sum_j \prod_k \cos(\theta_j D_k) \,
    \frac{\sin((t - 1/2) \theta_j)}{\sin(\theta_j / 2)}` (Dirichlet's kernel). The test of the package draws patterns at random beyond
    16 clusters, with the error that it reports.
    """
    magnitudes = np.abs(data.d).astype(np.intp)
    points = 2 * int(magnitudes.sum(axis=1).max()) + 3
    angles = 2 * np.pi * np.arange(1, points) / points
    sizes = np.arange(1, int(magnitudes.max(initial=0)) + 1)
    counts = (magnitudes[:, :, None] == sizes).sum(axis=1).astype(np.float64)
    waves = np.cos(np.outer(sizes, angles))
    negative = (counts @ (waves < 0).astype(np.float64)) % 2
    product = np.exp(counts @ np.log(np.maximum(np.abs(waves), 1e-300))) * (1 - 2 * negative)
    reached = np.abs(data.d.sum(axis=1))
    kernel = np.sin((reached[:, None] - 0.5) * angles) / np.sin(angles / 2)
    inside = ((product * kernel).sum(axis=1) + 2 * reached - 1) / points
    return {"p": np.where(reached > 0, np.clip(1 - inside, 0.0, 1.0), 1.0)}
