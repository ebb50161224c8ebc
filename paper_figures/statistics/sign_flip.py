"""The paired permutation test: flip the sign of each cluster's difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics._inputs import Floats, as_codes, as_count, as_scores
from paper_figures.statistics._result import Result

EXACT_UP_TO = 16  # clusters with a difference; 2^16 sign patterns are enumerated


@dataclass(frozen=True, repr=False)
class SignFlipResult(Result):
    """A sign-flip permutation test.

    Parameters
    ----------
    statistic : float
        Sum of the differences.
    p : float
        Two-sided. Exact: the share of sign patterns at least as extreme; else (1 + count) / (1 + resamples), never 0.
    mcse : float
        Monte Carlo standard error of `p`; 0 when exact.
    resamples : int
        Sign patterns looked at.
    exact : bool
        Whether all patterns were.
    clusters : int
        Clusters whose difference is not 0.
    seed : int
        Seed of the patterns; without effect when exact.
    """

    statistic: float
    p: float
    mcse: float
    resamples: int
    exact: bool
    clusters: int
    seed: int


def sign_flip(differences: npt.ArrayLike, clusters: npt.ArrayLike | None = None, resamples: int = 9999, *, seed: int = 0) -> SignFlipResult:
    r"""Test whether paired differences are symmetric about 0, keeping clusters whole.

    Parameters
    ----------
    differences : array_like, shape (n,)
        A minus B of each item, for example 1, 0 or -1 for right and wrong; finite.
    clusters : array_like, shape (n,), optional
        The cluster of each item; each item is its own when left out.
    resamples : int, default 9999
        Sign patterns drawn where there are too many for all.
    seed : int, default 0
        Seed of the patterns.

    Returns
    -------
    SignFlipResult
        The p-value; 1 where all clusters' differences are 0.

    Raises
    ------
    InputError
        When inputs do not fit.

    Notes
    -----
    1. Sum the differences in each cluster, :math:`D_k`; those that are 0 say nothing and are left out.
    2. Under the hypothesis that swapping the arms within a cluster changes nothing, every pattern of signs is equally likely.
    3. p is the share of patterns with :math:`|\sum_k s_k D_k| \ge |\sum_k D_k|`: all :math:`2^K` of them for at most 16 clusters, else
       of B random ones and the observed one (Phipson and Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9:39).

    The smallest possible p is :math:`2 / 2^K`: with 5 clusters no result is below .0625. Clusters of one size of difference are
    exchangeable, so one binomial count replaces their signs; the cost then does not grow with the number of items.

    Examples
    --------
    >>> sign_flip([1, 1, 0, 1, 1, -1], clusters=list("aabbcc"))
    SignFlipResult
      statistic  3
      p          0.5
      mcse       0
      resamples  4
      exact      True
      clusters   2
      seed       0
    """
    values = as_scores(differences, "differences")
    if not np.isfinite(values).all():
        values = as_scores(np.where(np.isfinite(values), values, np.nan), "differences")  # says which
    codes = np.arange(len(values)) if clusters is None else as_codes(clusters, len(values))
    return _sign_flip(np.bincount(codes, values).astype(np.float64), as_count(resamples, "resamples"), seed)


def _sign_flip(sums: Floats, resamples: int, seed: int) -> SignFlipResult:
    scale = float(np.abs(sums).sum())
    magnitudes = np.sort(np.abs(sums[np.abs(sums) > 1e-12 * max(scale, 1e-300)]))
    observed, k = float(sums.sum()), len(magnitudes)
    threshold = abs(observed) - 1e-9 * scale  # sums in another order must count as equal
    if k <= EXACT_UP_TO:
        p = float((np.abs(_all_sums(magnitudes)) >= threshold).mean())
        return SignFlipResult(observed, p, 0.0, 2**k, True, k, seed)
    count = _count_extreme(magnitudes, threshold, resamples, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1002,))))
    p = (1 + count) / (1 + resamples)
    return SignFlipResult(observed, p, math.sqrt(p * (1 - p) / (1 + resamples)), resamples, False, k, seed)


def _all_sums(magnitudes: Floats) -> Floats:
    sums = np.zeros(1)
    for magnitude in magnitudes:
        sums = np.concatenate([sums + magnitude, sums - magnitude])
    return sums


def _count_extreme(magnitudes: Floats, threshold: float, resamples: int, stream: np.random.Generator) -> int:
    sizes, counts = np.unique(magnitudes, return_counts=True)
    portion, extreme = max(1, 2**20 // len(sizes)), 0
    for start in range(0, resamples, portion):
        plus = stream.binomial(counts, 0.5, size=(min(portion, resamples - start), len(sizes)))
        extreme += int((np.abs((2 * plus - counts) @ sizes) >= threshold).sum())
    return extreme
