"""The paired permutation test, which flips the sign of each cluster's difference, and its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import Codes, Floats, as_count, as_level, as_scores, cluster_codes

EXACT_UP_TO = 16  # clusters; 2^16 sign patterns are enumerated
_CELLS = 2**20  # patterns x groups worked on together
_STEPS = 200_000_000  # limit of additions for the exact distribution of whole numbers: a second or less


@dataclass(frozen=True, repr=False)
class SignFlipResult(Result):
    """A sign-flip permutation test."""

    statistic: float  # sum of the differences
    p: float  # two-sided. Exact: the share of sign patterns at least as extreme; else (1 + count) / (1 + resamples), never 0
    mcse: float  # Monte Carlo standard error of `p`; 0 when exact
    resamples: int  # number of sign patterns listed; 0 if their distribution was added up without listing them
    exact: bool  # whether all patterns count, not a sample of them
    clusters: int  # clusters whose difference is not 0
    seed: int  # seed of the patterns; without effect when exact
    difference: float  # mean difference per item
    interval: Interval  # the mean differences that the test does not reject; infinite ends if no sign pattern could reject any
    interval_mcse: Interval  # Monte Carlo standard error of its ends; 0 if all patterns were tried


def sign_flip(
    differences: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    resamples: int = 9999,
    confidence_level: float = 0.95,
    *,
    seed: int = 0,
) -> SignFlipResult:
    r"""Test whether paired differences are symmetric about 0, keeping clusters whole, and give the mean differences not rejected.

    Parameters
    ----------
    differences : array_like, shape (n,)
        Difference of arms A and B on each item, for example 1, 0 or -1 for right and wrong; finite.
    clusters : array_like, shape (n,), optional
        The cluster of each item; by default each item is its own cluster.
    resamples : int, default 9999
        Number of sign patterns to draw if there are too many to use all.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.
    seed : int, default 0
        Seed of the random patterns; without effect if all patterns are tried.

    Returns
    -------
    SignFlipResult
        The p-value (1 if all clusters' differences are 0), the mean difference and its interval.

    Raises
    ------
    InputError
        When lengths differ, a difference is not finite, or `resamples` or the level is out of range.

    Notes
    -----
    1. Sum the differences in each cluster, :math:`D_k`; sums of 0 are uninformative and left out.
    2. Under the hypothesis that swapping the arms within a cluster changes nothing, every pattern of signs is equally likely.
    3. p is the share of patterns with :math:`|\sum_k s_k D_k| \ge |\sum_k D_k|`: all :math:`2^K` of them for at most 16 clusters; all, by
       adding up their distribution cluster by cluster, if differences are whole numbers and clusters not too many; else of B random
       ones and the observed one (Phipson and Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9:39).
    4. A mean difference :math:`\delta` is tested in the same way with :math:`D_k - n_k \delta`, :math:`n_k` items in cluster k. Pattern s
       is at least as extreme where :math:`|\sum s_k (D_k - n_k \delta)| \ge |D - N \delta|`; both are linear in :math:`\delta`, so this
       holds between :math:`\frac{D - x}{N - y}` and :math:`\frac{D + x}{N + y}`, :math:`x = \sum s_k D_k`, :math:`y = \sum s_k n_k`.
       The interval ends are quantiles of the lower and of the upper of these two: no search is needed.

    The smallest possible p is :math:`2 / 2^K`: with 5 clusters no result is below .0625, and a 95 % interval has no ends. Equal clusters
    are exchangeable, so one binomial count replaces their signs; the cost then does not grow with the number of items.

    Examples
    --------
    >>> sign_flip([1, 1, 0, 1, 1, -1], clusters=list("aabbcc"))
    SignFlipResult
      statistic      3
      p              0.5
      mcse           0
      resamples      4
      exact          True
      clusters       2
      seed           0
      difference     0.5
      interval       [-inf, inf]
      interval_mcse  [0, 0]
    """
    values = as_scores(differences, "differences")
    if not np.isfinite(values).all():
        values = as_scores(np.where(np.isfinite(values), values, np.nan), "differences")  # says which
    codes = cluster_codes(clusters, len(values))
    sums, sizes = np.bincount(codes, values).astype(np.float64), np.bincount(codes).astype(np.float64)
    return sign_flip_of_sums(sums, sizes, as_count(resamples, "resamples"), as_level(confidence_level), seed)


def sign_flip_of_sums(sums: Floats, sizes: Floats, resamples: int, level: float, seed: int) -> SignFlipResult:
    """Run `sign_flip` on the summed differences and the numbers of items of K clusters. Shapes: `sums`, `sizes` (K,)."""
    scale, side = float(np.abs(sums).sum()), _side(sums, sizes)
    # put the better arm first, so that swapping the arms draws the same patterns and gives the same p
    d = side * np.where(np.abs(sums) > 1e-12 * max(scale, 1e-300), sums, 0.0)
    # patterns that are exactly as extreme as the observed one must count, though their sums round differently in another order
    moving, observed, slack = d != 0, float(d.sum()), 1e-9 * scale
    k, items = int(moving.sum()), float(sizes.sum())
    table = _distribution(d, sizes) if len(d) > EXACT_UP_TO else None
    exact = k <= EXACT_UP_TO or table is not None
    patterns, mcse, errors = 0, 0.0, (0.0, 0.0)
    if table is not None:
        x, y, weights = table
        p = float(weights[np.abs(x) >= observed - slack].sum())
    else:
        if exact:
            all_x = _all_patterns(k) @ d[moving]
            p, patterns = float((np.abs(all_x) >= observed - slack).mean()), 2**k
        # p needs only the signs of clusters that differ; the interval moves every cluster, also those without a difference, so it may
        # have to draw patterns where p did not
        if not exact or len(d) > EXACT_UP_TO:
            x, y = _drawn(d, sizes, resamples, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1002,))))
            x, y = np.append(x, observed), np.append(y, items)  # the observed pattern is one of them: p is never 0
        else:
            signs = _all_patterns(len(d))
            x, y = signs @ d, signs @ sizes
        if not exact:
            p, patterns = float((np.abs(x) >= observed - slack).mean()), resamples
            mcse = math.sqrt(p * (1 - p) / (1 + resamples))
        weights = np.full(len(x), 1 / len(x))
    ends, found = _interval(x, y, weights, observed, items, 1 - level)
    if table is None and len(d) > EXACT_UP_TO:
        errors = found
    if side < 0:
        ends, errors = (-ends[1], -ends[0]), errors[::-1]
    return SignFlipResult(side * observed, p, mcse, patterns, exact, k, seed, side * observed / items, ends, errors)


def _side(sums: Floats, sizes: Floats) -> float:
    """Sign of the better arm: by the sum of differences, or if that is 0 by their distribution."""
    for total in (sums.sum(), (sums * sizes).sum(), (sums**3).sum()):
        if total:
            return float(np.sign(total))
    return 1.0


def _all_patterns(clusters: int) -> Floats:
    """Every pattern of signs, shape (2^K, K)."""
    signs = 1 - 2 * ((np.arange(2**clusters)[:, None] >> np.arange(clusters)) & 1)
    return signs.astype(np.float64)


def _drawn(d: Floats, sizes: Floats, resamples: int, stream: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw patterns: x and y of `sign_flip`. Equal clusters are exchangeable, so one binomial count of minus signs serves them all."""
    groups, counts = _groups(d, sizes)
    found: list[Floats] = []
    for start in range(0, resamples, portion := max(1, _CELLS // len(groups))):
        shape = (min(portion, resamples - start), len(groups))
        net = counts - 2 * (stream.integers(0, 2, size=shape) if counts.max() == 1 else stream.binomial(counts, 0.5, size=shape))
        found.append(net @ groups)
    drawn = np.concatenate(found) if found else np.zeros((0, 2))
    return drawn[:, 0], drawn[:, 1]


def _groups(d: Floats, sizes: Floats) -> tuple[Floats, Codes]:
    """Distinct pairs (difference, size), and how many clusters have each."""
    table: Floats = np.column_stack([d, sizes])[np.lexsort((sizes, d))]
    starts = np.flatnonzero(np.append(True, (table[1:] != table[:-1]).any(axis=1)))
    return table[starts], np.diff(np.append(starts, len(table)))


def _distribution(d: Floats, sizes: Floats) -> tuple[Floats, Floats, Floats] | None:
    """All values (x, y) of `sign_flip` with their probabilities, for whole numbers; None if that takes too many additions."""
    if (d != np.round(d)).any() or (sizes != np.round(sizes)).any():
        return None
    whole, many = d.astype(np.int64), sizes.astype(np.int64)
    height, width = 2 * int(np.abs(whole).sum()) + 1, 2 * int(many.sum()) + 1
    if height * width * len(whole) > _STEPS:
        return None
    found = np.zeros((height, width))
    found[height // 2, width // 2] = 1.0
    reach_x, reach_y = 0, 0  # only the middle of the table is filled so far
    for step_x, step_y in zip(whole.tolist(), many.tolist(), strict=True):
        rows, columns = (slice(middle // 2 - reach, middle // 2 + reach + 1) for middle, reach in ((height, reach_x), (width, reach_y)))
        block = found[rows, columns] / 2
        found[rows, columns] = 0.0
        for sign in (1, -1):
            moved_x, moved_y = sign * step_x, sign * step_y
            found[rows.start + moved_x : rows.stop + moved_x, columns.start + moved_y : columns.stop + moved_y] += block
        reach_x, reach_y = reach_x + abs(step_x), reach_y + step_y
    at_x, at_y = np.nonzero(found)
    return (at_x - height // 2).astype(np.float64), (at_y - width // 2).astype(np.float64), found[at_x, at_y]


def _interval(x: Floats, y: Floats, weights: Floats, observed: float, items: float, alpha: float) -> tuple[Interval, Interval]:
    """Interval of the differences that are not rejected at level alpha, and the Monte Carlo error of its ends for drawn patterns."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([(observed - x) / (items - y), (observed + x) / (items + y)])
    never = np.abs(y) >= items * (1 - 1e-12)  # all signs equal: as extreme as the observed pattern for any difference
    lower, upper = np.where(never, -np.inf, ends.min(axis=0)), -np.where(never, np.inf, ends.max(axis=0))
    orders = np.argsort(lower, kind="stable"), np.argsort(upper, kind="stable")
    # patterns of this weight may be as extreme and p still be at most alpha
    places = [int(np.searchsorted(np.cumsum(weights[order]), alpha * (1 + 1e-9), side="right")) for order in orders]
    if max(places) >= len(x):
        return (observed / items, observed / items), (0.0, 0.0)
    lower, upper = lower[orders[0]], -upper[orders[1]]
    found = float(lower[places[0]]), float(upper[places[1]])
    if not (math.isfinite(found[0]) and math.isfinite(found[1])):
        return found, (math.nan, math.nan)
    step = math.ceil(math.sqrt(alpha * (1 - alpha) * len(x)))  # a standard deviation of the number of patterns beyond the end
    around = [max(places[0] - step, int(never.sum())), min(places[0] + step, len(x) - 1)]
    return found, (float(abs(np.ptp(lower[around]))) / 2, float(abs(np.ptp(upper[around]))) / 2)
