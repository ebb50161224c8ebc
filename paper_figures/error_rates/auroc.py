"""Scores of two arms in clusters, and DeLong's tests on a whole block of replicates; then clusters with items of both classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from paper_figures.error_rates.accuracy import NONCENTRALITY, Columns, Ints, cluster_sizes, design_effect
from paper_figures.statistics.roc.cluster_jackknife import clustered_auroc_difference
from paper_figures.statistics.roc.clustered_delong import clustered_delong
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable
from see_in_pairs.roc import placements
from theory.sweeps import estimand, generator, method

AUROC = 0.80
"""The area of arm B, and of A without an effect."""

SEPARATION = 2 * float(special.ndtri(AUROC))
LARGEST = 1.5
"""The effect is at most this separation."""


@dataclass
class ScoreBlock:
    """R replicates of N items, cluster by cluster.

    Shapes: `scores` (2, R, N), `labels` (N,), `starts` (K,).
    """

    scores: Floats  # of arms A and B
    labels: Bools  # whether each item is positive; a cluster has one class
    starts: Ints  # the first item of each cluster

    @cached_property
    def placed(self) -> tuple[Floats, Floats]:
        """Areas of both arms, shape (2, R), and placements of A minus those of B, shape (R, N)."""
        arms = [placements(scores, self.labels) for scores in self.scores]
        return np.stack([arm[:, self.labels].mean(axis=1) for arm in arms]), arms[0] - arms[1]

    @cached_property
    def difference(self) -> Floats:
        """The difference of the areas, per replicate."""
        return self.placed[0][0] - self.placed[0][1]

    @cached_property
    def parts(self) -> Floats:
        """Contribution of each item to the difference, beyond its mean, shape (R, N)."""
        share = np.where(self.labels, 1 / self.labels.sum(), 1 / (~self.labels).sum())
        parts: Floats = (self.placed[1] - self.difference[:, None]) * share
        return parts

    @cached_property
    def class_variances(self) -> tuple[Floats, Floats, int, int]:
        """The clustered variances of positive and of negative items, and how many clusters each rests on."""
        sums = np.add.reduceat(self.parts, self.starts, axis=1) ** 2
        positive = self.labels[self.starts]
        k10, k01 = int(positive.sum()), int((~positive).sum())
        return k10 / (k10 - 1) * sums[:, positive].sum(axis=1), k01 / (k01 - 1) * sums[:, ~positive].sum(axis=1), k10, k01


def _layout(clusters: int, size: int, sizes: str) -> tuple[Ints, Bools]:
    """Cluster sizes, and whether each cluster is positive: every second one, so that small and large ones are on both sides."""
    return cluster_sizes(clusters, size, sizes), np.arange(clusters) % 2 == 1


def _separation(clusters: int, size: int, sizes: str, correlation: float, effect: bool) -> float:
    """Separation of A: that of B plus `NONCENTRALITY` standard errors of a difference of class means, at most `LARGEST`."""
    if not effect:
        return SEPARATION
    n, positive = _layout(clusters, size, sizes)
    variance = sum(2 * design_effect(part, correlation) / part.sum() for part in (n[positive], n[~positive]))
    return SEPARATION + min(NONCENTRALITY * math.sqrt(variance), LARGEST)


@estimand("difference of areas")
def area(*, clusters: int, size: int, sizes: str, correlation: float, effect: bool) -> float:
    """True difference of the areas."""
    return float(special.ndtr(_separation(clusters, size, sizes, correlation, effect) / 2)) - AUROC if effect else 0.0


@generator("clustered scores", vectorised=True)
def clustered(
    *, rng: np.random.Generator, replicates: int, clusters: int, size: int, sizes: str, correlation: float, effect: bool
) -> ScoreBlock:
    r"""Draw normal scores of both arms.

    Notes
    -----
    The score of item i of cluster k in arm a is
    :math:`\mu_a y_k + \sqrt{1/2}\,(h_k + w_i) + \sqrt{\rho}\, g_{ak} + \sqrt{1 - \rho}\, e_{ai}`,
    all standard normal: h and w are shared by the arms, and the score differences in a cluster have correlation :math:`\rho`. All items of
    a cluster are of one class, which is where clusters matter most: offsets of a patient with both classes cancel in the area.
    """
    n, positive = _layout(clusters, size, sizes)
    items, of = int(n.sum()), np.repeat(np.arange(clusters), n)
    draw = lambda *shape: rng.standard_normal((*shape, replicates, items), dtype=np.float32)
    per_cluster = rng.standard_normal((3, replicates, clusters), dtype=np.float32)
    shared = math.sqrt(0.5) * (per_cluster[0][:, of] + draw())
    scores = math.sqrt(1 - correlation) * draw(2) + math.sqrt(correlation) * per_cluster[1:][:, :, of] + shared
    gaps = np.array([_separation(clusters, size, sizes, correlation, effect), SEPARATION], dtype=np.float32)
    scores += gaps[:, None, None] * positive[of]
    return ScoreBlock(scores, positive[of], np.concatenate([[0], np.cumsum(n)[:-1]]))


@method("DeLong", vectorised=True)
def delong(data: ScoreBlock) -> Columns:
    """Run DeLong's test, which ignores the clusters."""
    labels = data.labels
    variance = sum(
        count / (count - 1) * (data.parts[:, members] ** 2).sum(axis=1)
        for members in (labels, ~labels)
        if (count := int(members.sum())) > 1
    )
    return _normal(data.difference, np.asarray(variance))


@method("clustered DeLong, z", vectorised=True)
def clustered_z(data: ScoreBlock) -> Columns:
    """Run Obuchowski's test against the normal distribution."""
    positive, negative, _, _ = data.class_variances
    return _normal(data.difference, positive + negative)


@method("clustered DeLong, jackknife t", vectorised=True)
def clustered_t(data: ScoreBlock) -> Columns:
    """Run the test of `paper_figures.statistics.clustered_auroc_difference`, for clusters of one class each."""
    sums, sizes = np.add.reduceat(data.parts, data.starts, axis=1), np.diff(np.append(data.starts, len(data.labels)))
    variances, dfs = [], []
    for members in (data.labels[data.starts], ~data.labels[data.starts]):
        n = sizes[members]
        left_out = sums[:, members] * n.sum() / (n.sum() - n)
        variances.append((len(n) - 1) / len(n) * (left_out**2).sum(axis=1))
        dfs.append(len(n) - 1)
    error = np.sqrt(variances[0] + variances[1])
    squares = variances[0] ** 2 / dfs[0] + variances[1] ** 2 / dfs[1]
    df = np.where(error > 1e-9, error**4 / np.where(squares > 0, squares, 1.0), min(dfs))
    half, z = special.stdtrit(df, 0.975) * error, data.difference / np.where(error > 1e-9, error, np.inf)
    p = 2 * special.stdtr(df, -np.abs(z))
    return {"estimate": data.difference, "se": error, "lower": data.difference - half, "upper": data.difference + half, "p": p}


def _normal(difference: Floats, variance: Floats) -> Columns:
    error = np.sqrt(variance)
    return {"p": 2 * special.ndtr(-np.abs(difference / np.where(error > 1e-9, error, np.inf)))}


@dataclass
class Mixed:
    """R replicates of N items.

    Shapes: `scores` (R, 2, N), `labels` (R, N), `codes` (N,).
    """

    scores: Floats
    labels: Bools  # whether each item is positive
    codes: Codes  # the cluster of each item


@generator("clusters of both classes", vectorised=True)
def mixed(*, rng: np.random.Generator, replicates: int, clusters: int, size: int, sizes: str, correlation: float) -> Mixed:
    """Draw normal scores of arms with equal areas; each item is positive with a chance of .4, except in one cluster of each class alone."""
    codes = np.repeat(np.arange(clusters), cluster_sizes(clusters, size, sizes))
    items = len(codes)
    labels = rng.random((replicates, items)) < 0.4
    labels[:, codes == 0], labels[:, codes == clusters - 1] = True, False  # so that every data set has both
    labels[:, np.flatnonzero(codes == 1)[:1]], labels[:, np.flatnonzero(codes == 2)[:1]] = True, False
    side = np.where(labels, 1.0, -1.0)[:, None]
    own = math.sqrt(correlation) * rng.standard_normal((replicates, 2, clusters))[:, :, codes] * side
    scores = own + math.sqrt(1 - correlation) * rng.standard_normal((replicates, 2, items))
    return Mixed(scores + rng.standard_normal((replicates, 1, items)) + SEPARATION * labels[:, None], labels, codes)


@method("clustered DeLong, z (both classes)", vectorised=True)
def mixed_z(data: Mixed) -> Columns:
    """Run Obuchowski's test against the normal distribution."""

    def test(scores: Floats, labels: Bools) -> tuple[float, float]:
        found = clustered_delong(scores, labels, data.codes).difference()
        return found.difference, found.p

    return _each(data, test)


@method("clustered DeLong, jackknife t (both classes)", vectorised=True)
def mixed_t(data: Mixed) -> Columns:
    """Run the cluster jackknife against t."""

    def test(scores: Floats, labels: Bools) -> tuple[float, float]:
        found = clustered_auroc_difference(scores, labels, data.codes)
        return found.estimate, found.p

    return _each(data, test)


def _each(data: Mixed, test: Callable[[Floats, Bools], tuple[float, float]]) -> Columns:
    """Test every replicate; one that cannot be tested (both arms separate the classes) does not reject."""
    found = []
    for scores, labels in zip(data.scores, data.labels, strict=True):
        try:
            found.append(test(scores, labels))
        except NotEstimable:
            found.append((math.nan, 1.0))
    table = np.array(found)
    return {"estimate": table[:, 0], "p": table[:, 1]}
