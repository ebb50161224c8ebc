"""A permutation test of two areas under the ROC curve on the same independent items: for small samples, and areas near 1."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.arms import arms_apart
from paper_figures.statistics.result import Result
from paper_figures.statistics.roc.delong import curves_and_labels
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_count
from see_in_pairs.errors import InputError

EXACT_UP_TO = 16  # items; 2^15 patterns are listed, since a pattern and its mirror image have the same |z|
MOST_PAIRS = 250_000  # pairs of a positive and a negative item: 9,999 patterns take about a second

_CELLS = 2**22  # items x patterns in one portion
_TINY = 1e-15  # a variance below this is rounding: an area moves in steps of 1 / (2 positives negatives)


@dataclass(frozen=True, repr=False)
class AurocPermutationResult(Result):
    """A permutation test that two ROC curves of the same items have equal areas."""

    difference: float  # area of the first minus that of the second
    z: float  # the difference over DeLong's standard error; infinite if that is 0 and the areas differ
    p: float  # two-sided; share of patterns with |z| at least as large, including the observed one: never 0
    mcse: float  # Monte Carlo standard error of `p`; 0 when exact
    resamples: int  # patterns drawn, or listed
    exact: bool  # whether all patterns were listed
    seed: int  # seed of the patterns; without effect when exact


@arms_apart(2)
def auroc_permutation(scores: npt.ArrayLike, labels: npt.ArrayLike, resamples: int = 9999, *, seed: int = 0) -> AurocPermutationResult:
    r"""Test whether two ROC curves of the same independent items have equal areas, by swapping the arms' scores within items.

    Parameters
    ----------
    scores_a, scores_b : array_like, shape (n,)
        Scores of arms A and B on the same items; higher speaks for positive. Both may come in one argument, `scores`, shape (2, n).
    labels : array_like of bool, shape (n,)
        Whether each item is positive.
    resamples : int, default 9999
        Patterns of swaps to draw if there are more than 16 items; up to 16, all are listed.
    seed : int, default 0
        Seed of the drawn patterns; without effect if all are listed.

    Returns
    -------
    AurocPermutationResult
        The difference of the areas, its studentised value and the p-value.

    Raises
    ------
    InputError
        When inputs do not fit, `resamples` is 0, there are fewer than two items of a class, or more than 250,000 pairs of a
        positive and a negative item.

    Notes
    -----
    1. Scores become their midranks within the arm, so that any increasing transform of an arm's scores gives the same result.
       A tied item represents all ranks of its group: compared with an item of the other arm it wins with the probability that a rank
       drawn from its group is the larger one. Within an arm a tie counts one half, as always.
    2. If the arms are alike, swapping the two ranks of any items gives equally likely data. Each pattern of swaps gives a difference
       of the areas and DeLong's standard error, both recomputed, hence a z; p is the share of patterns whose :math:`|z|` is at least
       the observed one. Patterns where both arms rank all items alike have z = 0.

    Swapping ranks (Venkatraman and Begg 1996) tests that the *curves* are equal. Studentising makes it a test of the *areas* in large
    samples, for any curves (Janssen 1997), and in small ones as long as neither class is much rarer than the other: the error-rate
    study finds its size near .05 with curves of different slopes if the rarer class has two items of five, and above it if it has one of
    five or fewer (our rule). The interval of `delong`, by t, has another justification and is also valid under the alternative.

    With :math:`\psi(x, y) = 1, \tfrac12, 0` for the pair of a positive and a negative rank, and
    :math:`w_{ij} = \psi(a_i, a_j) - \psi(b_i, b_j)`, :math:`v_{ij} = \psi(a_i, b_j) - \psi(b_i, a_j)`, the pattern of signs s contributes
    :math:`s_i (w_{ij} + v_{ij}) / 2 + s_j (w_{ij} - v_{ij}) / 2`, so that placements of all patterns are two matrix products.

    References
    ----------
    Venkatraman and Begg (1996), Biometrika 83:835. Bandos, Rockette and Gur (2005), Statistics in Medicine 24:2873. Janssen (1997),
    Statistics and Probability Letters 36:9 (studentised permutations). DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837.

    Examples
    --------
    >>> scores = [[0.9, 0.8, 0.7, 0.6, 0.35, 0.4, 0.3, 0.1], [0.6, 0.2, 0.7, 0.5, 0.3, 0.65, 0.1, 0.55]]
    >>> result = auroc_permutation(*scores, [1, 1, 1, 1, 0, 0, 0, 0])
    >>> round(result.difference, 4), result.p, result.exact
    (0.375, 0.125, True)
    """
    curves, flags = curves_and_labels(scores, labels)
    if len(curves) != 2:
        raise InputError(f"scores: give those of two arms, shape (2, n), not {len(curves)} curves")
    m, n = int(flags.sum()), int((~flags).sum())
    if min(m, n) < 2:
        raise NotEstimable("DeLong's variance needs at least two positive and two negative items")
    if m * n > MOST_PAIRS:
        raise NotEstimable(f"{m} positive and {n} negative items are {m * n:,} pairs, more than {MOST_PAIRS:,}: use delong")
    drawn = as_count(resamples, "resamples")
    if not drawn:
        raise InputError("resamples: give at least 1")
    as_count(seed, "seed")
    ranks, ties = (np.stack(rows) for rows in zip(*map(_midranks, curves), strict=True))
    own, other = swap_kernels(ranks, flags, ties)
    difference = float(own.mean(dtype=np.float64) + other.mean(dtype=np.float64))
    if difference < 0:  # put the better arm first, so that swapping the arms draws the same patterns
        ranks, ties = ranks[::-1], ties[::-1]
    order = np.lexsort((ranks[0], ranks.max(axis=0), ranks.min(axis=0), flags))  # the same for another order of the items
    own, other = swap_kernels(ranks[:, order], flags[order], ties[:, order])
    z = float(studentised(own, other, np.ones((m, 1), np.float32), np.ones((n, 1), np.float32))[0])
    exact = m + n <= EXACT_UP_TO
    patterns = _all_patterns(m + n) if exact else _drawn(m + n, drawn, max(1, _CELLS // (m + n)), seed)
    # patterns that are exactly as extreme as the observed one must count, though their sums round differently
    count = sum(int((studentised(own, other, signs[n:], signs[:n]) >= z * (1 - 1e-9) - 1e-9).sum()) for signs in patterns)
    if exact:
        return AurocPermutationResult(difference, math.copysign(z, difference), count / 2 ** (m + n - 1), 0.0, 2 ** (m + n - 1), True, seed)
    p = (1 + count) / (1 + drawn)
    return AurocPermutationResult(difference, math.copysign(z, difference), p, math.sqrt(p * (1 - p) / (1 + drawn)), drawn, False, seed)


def swap_kernels(ranks: Floats, flags: Bools, ties: Floats | None = None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Contributions of a positive item's sign, and of a negative one's, to the difference of areas, for each pair.

    Shapes: `ranks` (2, ..., n) midranks within the arm, `flags` (n,), `ties` (2, ..., n) how many items of the arm share the rank, None
    where each has its own. Returns two arrays (..., m, n'), whose sum is the kernel of A minus that of B.
    """
    positive, negative = ranks[..., flags, None], ranks[..., None, ~flags]
    if ties is None or not (ties > 1).any():
        psi = lambda a, b: np.sign(positive[a] - negative[b]).astype(np.float32) / 2  # the constant 1/2 of both drops out
    else:  # a tied item may have any of the ranks that its group covers, so that a tie stays nearly one when it is carried to the other arm
        high, low = ties[..., flags, None] / 2, ties[..., None, ~flags] / 2
        psi = lambda a, b: _beats(positive[a], high[a], negative[b], low[b]) - 0.5
    same, crossed = psi(0, 0) - psi(1, 1), psi(0, 1) - psi(1, 0)
    return (same + crossed) / 2, (same - crossed) / 2


def _beats(a: Floats, half_a: Floats, b: Floats, half_b: Floats) -> Floats:
    """Probability that a number drawn evenly from a +- half_a is larger than one drawn from b +- half_b."""
    low, width = b - half_b, 2 * half_b
    below = lambda x: np.where(x > low + width, x - b, np.square(np.clip(x - low, 0, width)) / (2 * width))  # integral of the share below
    found: Floats = (below(a + half_a) - below(a - half_a)) / (2 * half_a)
    return found


def studentised(
    own: npt.NDArray[Any], other: npt.NDArray[Any], positive: npt.NDArray[np.float32], negative: npt.NDArray[np.float32]
) -> Floats:
    """Difference of areas over DeLong's standard error, without its sign, of patterns of swaps.

    Shapes: `own`, `other` (..., m, n) as from `swap_kernels`, signs of `positive` (..., m, B) and `negative` (..., n, B). Returns (..., B).
    """
    m, n = own.shape[-2:]
    # placements of A minus those of B, times the size of the other class: without ties sums of quarters, which single precision adds
    # without rounding
    above = positive * own.sum(axis=-1)[..., None] + other @ negative
    below = np.swapaxes(own, -1, -2) @ positive + negative * other.sum(axis=-2)[..., None]
    size = np.abs(above.sum(axis=-2, dtype=np.float64)) / (m * n)
    squares = [np.square(part, dtype=np.float64).sum(axis=-2) for part in (above, below)]
    parts = [(square - (m * n * size) ** 2 / count) / (count - 1) for square, count in zip(squares, (m, n), strict=True)]
    variance = parts[0] / (n * n * m) + parts[1] / (m * m * n)
    some = variance > _TINY
    z: Floats = np.where(some, size / np.sqrt(np.where(some, variance, 1.0)), np.where(size > 1e-9, np.inf, 0.0))
    return z


def _midranks(values: Floats) -> tuple[Floats, Floats]:
    """Midrank of each value, and how many share it."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + 1 + ends) / 2)[where], counts[where].astype(np.float64)


def _all_patterns(items: int) -> Iterator[npt.NDArray[np.float32]]:
    """Every pattern of signs, without mirror images: the last item keeps its arms. Shape (n, 2^(n - 1))."""
    numbers: Codes = np.arange(2 ** (items - 1))
    yield (1 - 2 * ((numbers >> np.arange(items)[:, None]) & 1)).astype(np.float32)


def _drawn(items: int, resamples: int, portion: int, seed: int) -> Iterator[npt.NDArray[np.float32]]:
    """Random patterns of signs, in portions; shape (n, B)."""
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1003,)))
    for start in range(0, resamples, portion):
        bits = stream.integers(0, 2, size=(min(portion, resamples - start), items), dtype=np.int8)
        yield (1 - 2 * bits.T).astype(np.float32)
