"""Right and wrong of two arms in clusters, and every closed-form accuracy test on a whole block of replicates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from paper_figures.calibration.sizes import NONCENTRALITY, Ints, cluster_sizes, design_effect
from paper_figures.statistics._inputs import Floats
from theory.sweeps import estimand, generator, method

DISCORDANT, BOTH_RIGHT = 0.30, 0.50
"""Share of items on which the arms disagree, and on which both are right."""

MOST_OF_THEM = 0.8
"""The difference is at most this share of the discordant items."""

Z = float(special.ndtri(0.975))
Columns = dict[str, Floats]


@dataclass
class Counts:
    """R replicates of K clusters.

    Parameters
    ----------
    n : ndarray of int, shape (K,)
        Items.
    both : ndarray of int, shape (R, K)
        Right in both arms.
    b : ndarray of int, shape (R, K)
        Right in A only.
    c : ndarray of int, shape (R, K)
        Right in B only.
    """

    n: Ints
    both: Ints
    b: Ints
    c: Ints

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
        """Right in A only less right in B only, per cluster."""
        return (self.b - self.c).astype(np.float64)


@estimand("calibration difference")
def difference(*, clusters: int, size: int, sizes: str, correlation: float, effect: bool) -> float:
    """Give the true difference of the accuracies.

    Parameters
    ----------
    clusters, size : int
        As in `cluster_sizes`.
    sizes : str
        As in `cluster_sizes`.
    correlation : float
        Of the differences of two items of a cluster.
    effect : bool
        Whether there is a difference: `NONCENTRALITY` standard errors of a mean of clustered differences, but at most `MOST_OF_THEM` of
        the discordant items.

    Returns
    -------
    float
        A minus B.
    """
    if not effect:
        return 0.0
    n = cluster_sizes(clusters, size, sizes)
    error = math.sqrt(DISCORDANT * design_effect(n, correlation) / n.sum())
    return min(NONCENTRALITY * error, MOST_OF_THEM * DISCORDANT)


@generator("clustered right and wrong", vectorised=True)
def clustered(
    *, rng: np.random.Generator, replicates: int, clusters: int, size: int, sizes: str, correlation: float, effect: bool
) -> Counts:
    """Draw clustered pairs of right and wrong from a Dirichlet-multinomial distribution.

    Parameters
    ----------
    rng : numpy.random.Generator
        The stream.
    replicates : int
        How many data sets.
    clusters, size : int
        As in `cluster_sizes`.
    sizes : str
        As in `cluster_sizes`.
    correlation : float
        Within a cluster.
    effect : bool
        As in `difference`.

    Returns
    -------
    Counts
        The data sets.

    Notes
    -----
    Each cluster has its own probabilities of the four outcomes, Dirichlet with mean p and concentration :math:`(1 - \\rho) / \\rho`: the
    correlation of any two items' differences in a cluster is then exactly :math:`\\rho`.
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
    """Draw data of equal accuracies whose differences are not symmetric: A is much better in a few clusters, a little worse in the others.

    Parameters
    ----------
    rng : numpy.random.Generator
        The stream.
    replicates : int
        How many data sets.
    clusters, size : int
        As in `cluster_sizes`.
    sizes : str
        As in `cluster_sizes`.

    Returns
    -------
    Counts
        The data sets. A cluster is, with a chance of 1 in 5, one in which A alone is right on half of the items and B alone on none; else
        A alone is right on .05 and B alone on .175. The arms are right equally often, but swapping them within clusters would be noticed:
        the null hypothesis of the sign-flip test does not hold, that of the difference does.
    """
    n, few = cluster_sizes(clusters, size, sizes), rng.random((replicates, clusters)) < 0.2
    only_a, only_b = np.where(few, 0.5, 0.05), np.where(few, 0.0, 0.175)
    both = np.full(few.shape, 0.4)
    drawn = rng.multinomial(n, np.stack([both, only_a, only_b, 1 - both - only_a - only_b], axis=-1))
    return Counts(n, drawn[..., 0], drawn[..., 1], drawn[..., 2])


def chi_squared(statistic: Floats) -> Columns:
    """Turn statistics into p-values.

    Parameters
    ----------
    statistic : ndarray of float, shape (R,)
        Chi-squared with one degree of freedom; NaN (0 / 0: no discordant cluster) counts as 0.

    Returns
    -------
    dict
        The p-values.
    """
    return {"p": special.chdtrc(1, np.nan_to_num(statistic, nan=0.0))}


@method("McNemar exact", vectorised=True)
def exact(data: Counts) -> Columns:
    """Run McNemar's exact test.

    Parameters
    ----------
    data : Counts
        Data sets.

    Returns
    -------
    dict
        The p-values.
    """
    return {"p": np.where(data.n10 == data.n01, 1.0, np.minimum(1.0, 2 * _tail(data)))}


@method("McNemar mid-p", vectorised=True)
def mid_p(data: Counts) -> Columns:
    """Run McNemar's mid-p test.

    Parameters
    ----------
    data : Counts
        Data sets.

    Returns
    -------
    dict
        The p-values.
    """
    low, n = np.minimum(data.n10, data.n01), data.n10 + data.n01
    point = np.exp(special.gammaln(n + 1) - special.gammaln(low + 1) - special.gammaln(n - low + 1) - n * math.log(2))
    return {"p": np.where(data.n10 == data.n01, 1.0, 2 * _tail(data) - point)}


def _tail(data: Counts) -> Floats:
    return np.asarray(special.bdtr(np.minimum(data.n10, data.n01), (data.n10 + data.n01).astype(np.intp), 0.5), dtype=np.float64)


@method("McNemar asymptotic", vectorised=True)
def asymptotic(data: Counts) -> Columns:
    """Run McNemar's asymptotic test, which is also whether Tango's interval leaves 0 out.

    Parameters
    ----------
    data : Counts
        Data sets.

    Returns
    -------
    dict
        The p-values.
    """
    with np.errstate(invalid="ignore"):
        return chi_squared((data.n10 - data.n01) ** 2 / (data.n10 + data.n01))


@method("McNemar corrected", vectorised=True)
def corrected(data: Counts) -> Columns:
    """Run McNemar's test with the continuity correction.

    Parameters
    ----------
    data : Counts
        Data sets.

    Returns
    -------
    dict
        The p-values.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = np.maximum(np.abs(data.n10 - data.n01) - 1, 0) ** 2 / (data.n10 + data.n01)
    return chi_squared(statistic)


@method("Wald interval", vectorised=True)
def wald(data: Counts) -> Columns:
    """Make Wald's interval.

    Parameters
    ----------
    data : Counts
        Data sets.

    Returns
    -------
    dict
        Its ends.
    """
    gap = data.n10 - data.n01
    return _around(gap / data.items, np.sqrt(np.maximum(data.n10 + data.n01 - gap**2 / data.items, 0)) / data.items)


@method("Bonett-Price interval", vectorised=True)
def bonett_price(data: Counts) -> Columns:
    """Make Bonett and Price's interval.

    Parameters
    ----------
    data : Counts
        Data sets.

    Returns
    -------
    dict
        Its ends.
    """
    n = data.items + 2
    p10, p01 = (data.n10 + 1) / n, (data.n01 + 1) / n
    return _around(p10 - p01, np.sqrt((p10 + p01 - (p10 - p01) ** 2) / n))


def _around(centre: Floats, error: Floats) -> Columns:
    return {"lower": np.maximum(centre - Z * error, -1), "upper": np.minimum(centre + Z * error, 1)}


@method("Newcombe interval", vectorised=True)
def newcombe(data: Counts) -> Columns:
    """Make Newcombe's interval.

    Parameters
    ----------
    data : Counts
        Data sets.

    Returns
    -------
    dict
        Its ends.
    """
    n, n11 = data.items, data.both.sum(axis=1).astype(np.float64)
    k1, k2 = n11 + data.n10, n11 + data.n01
    margins = k1 * (n - k1) * k2 * (n - k2)
    excess: Floats = n11 * (n - n11 - data.n10 - data.n01) - data.n10 * data.n01
    excess = np.where(excess > 0, np.maximum(excess - n / 2, 0), excess)
    phi = np.where(margins > 0, excess / np.sqrt(np.maximum(margins, 1)), 0.0)
    (l1, u1), (l2, u2), p1, p2 = _wilson(k1, n), _wilson(k2, n), k1 / n, k2 / n
    side = lambda x, y: np.sqrt(np.maximum(x**2 - 2 * phi * x * y + y**2, 0))
    return {"lower": p1 - p2 - side(p1 - l1, u2 - p2), "upper": p1 - p2 + side(p2 - l2, u1 - p1)}


def _wilson(k: Floats, n: int) -> tuple[Floats, Floats]:
    middle, half = k + Z**2 / 2, Z * np.sqrt(k * (n - k) / n + Z**2 / 4)
    return (middle - half) / (n + Z**2), (middle + half) / (n + Z**2)


@method("conditional logit", vectorised=True)
def conditional_logit(data: Counts) -> Columns:
    """Run Wald's test of the conditional log odds ratio; p is 1 where it is infinite.

    Parameters
    ----------
    data : Counts
        Data sets.

    Returns
    -------
    dict
        The p-values.
    """
    one, other = np.maximum(data.n10, 1), np.maximum(data.n01, 1)
    z = np.log(one / other) / np.sqrt(1 / one + 1 / other)
    return {"p": np.where(np.minimum(data.n10, data.n01) > 0, 2 * special.ndtr(-np.abs(z)), 1.0)}
