"""Sizes of clusters, and right and wrong of two arms in clusters, in whole blocks of replicates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.statistics.validation import Floats
from theory.sweeps import estimand, generator

Ints = npt.NDArray[np.intp]

POWER = 0.8
NONCENTRALITY = float(special.ndtri(0.975) + special.ndtri(POWER))
"""The effect under the alternative, in standard errors: a test that knew its variance would have a power of .80."""


def cluster_sizes(clusters: int, size: int, sizes: str) -> Ints:
    """Number of items of each cluster, shape (K,); they add up to ``clusters * size``.

    Examples
    --------
    >>> cluster_sizes(5, 5, "skewed").tolist()
    [2, 2, 4, 6, 11]
    """
    if sizes == "balanced":
        return np.full(clusters, size, dtype=np.intp)
    shares = np.exp(special.ndtri((np.arange(clusters) + 0.5) / clusters))
    exact = 1 + (size - 1) * clusters * shares / shares.sum()
    whole = np.floor(exact).astype(np.intp)
    rest = clusters * size - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:rest]] += 1  # the largest remainders are rounded up
    return whole


def design_effect(sizes: Ints, correlation: float) -> float:
    r"""Variance of a mean over that of independent items: :math:`1 + (\sum n_k^2 / \sum n_k - 1) \rho` (Kish).

    Shapes: `sizes` (K,).

    Examples
    --------
    >>> design_effect(np.array([5, 5]), 0.2)
    1.8
    """
    return 1 + (float((sizes**2).sum()) / float(sizes.sum()) - 1) * correlation


DISCORDANT, BOTH_RIGHT = 0.30, 0.50
"""Share of items on which the arms disagree, and on which both are right."""

MOST_OF_THEM = 0.8
"""The difference is at most this share of the discordant items."""

Columns = dict[str, Floats]


@dataclass
class Counts:
    """R replicates of K clusters.

    Shapes: `n` (K,), `both` (R, K), `b` (R, K), `c` (R, K).
    """

    n: Ints
    both: Ints  # right in both arms
    b: Ints  # right in A only
    c: Ints  # right in B only

    @cached_property
    def items(self) -> int:
        """Items of all clusters."""
        return int(self.n.sum())

    @cached_property
    def n10(self) -> Floats:
        """Items right in A only, per replicate."""
        return self.b.sum(axis=1).astype(np.float64)

    @cached_property
    def n01(self) -> Floats:
        """Items right in B only, per replicate."""
        return self.c.sum(axis=1).astype(np.float64)

    @cached_property
    def d(self) -> Floats:
        """Right in A only minus right in B only, per cluster."""
        return (self.b - self.c).astype(np.float64)


@estimand("difference of accuracies")
def difference(*, clusters: int, size: int, sizes: str, correlation: float, effect: bool) -> float:
    """True difference of the accuracies."""
    if not effect:
        return 0.0
    n = cluster_sizes(clusters, size, sizes)
    error = math.sqrt(DISCORDANT * design_effect(n, correlation) / n.sum())
    return min(NONCENTRALITY * error, MOST_OF_THEM * DISCORDANT)


@generator("clustered right and wrong", vectorised=True)
def clustered(
    *, rng: np.random.Generator, replicates: int, clusters: int, size: int, sizes: str, correlation: float, effect: bool
) -> Counts:
    r"""Draw clustered pairs of right and wrong from a Dirichlet-multinomial distribution.

    Notes
    -----
    Each cluster has its own probabilities of the four outcomes, Dirichlet with mean p and concentration :math:`(1 - \rho) / \rho`: the
    correlation of any two items' differences in a cluster is then exactly :math:`\rho`.
    """
    gap = difference(clusters=clusters, size=size, sizes=sizes, correlation=correlation, effect=effect)
    n, p = cluster_sizes(clusters, size, sizes), np.array([BOTH_RIGHT, (DISCORDANT + gap) / 2, (DISCORDANT - gap) / 2, 0.0])
    p[3] = 1 - p.sum()
    shares = np.broadcast_to(p, (replicates, clusters, 4))
    if correlation:
        weights = np.maximum(rng.standard_gamma(p * (1 - correlation) / correlation, size=(replicates, clusters, 4)), 1e-300)
        shares = weights / weights.sum(axis=2, keepdims=True)
    drawn = rng.multinomial(n, shares)
    return Counts(n, drawn[..., 0], drawn[..., 1], drawn[..., 2])


@generator("lopsided right and wrong", vectorised=True)
def lopsided(*, rng: np.random.Generator, replicates: int, clusters: int, size: int, sizes: str) -> Counts:
    """Draw data of equal accuracies whose differences are asymmetric: A is much better in a few clusters, a little worse in the others."""
    n, few = cluster_sizes(clusters, size, sizes), rng.random((replicates, clusters)) < 0.2
    only_a, only_b = np.where(few, 0.5, 0.05), np.where(few, 0.0, 0.175)
    both = np.full(few.shape, 0.4)
    drawn = rng.multinomial(n, np.stack([both, only_a, only_b, 1 - both - only_a - only_b], axis=-1))
    return Counts(n, drawn[..., 0], drawn[..., 1], drawn[..., 2])
