"""Clusters that hold items of both classes: the AUROC tests where a patient's offset cancels in part, by the package's own functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paper_figures.error_rates.accuracy import Columns
from paper_figures.error_rates.auroc import SEPARATION
from paper_figures.error_rates.sizes import cluster_sizes
from paper_figures.statistics.roc.cluster_jackknife import clustered_auroc_difference
from paper_figures.statistics.roc.clustered_delong import clustered_delong
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable
from theory.sweeps import generator, method


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
def clustered_z(data: Mixed) -> Columns:
    """Run Obuchowski's test against the normal distribution."""

    def test(scores: Floats, labels: Bools) -> tuple[float, float]:
        found = clustered_delong(scores, labels, data.codes).difference()
        return found.difference, found.p

    return _each(data, test)


@method("clustered DeLong, jackknife t (both classes)", vectorised=True)
def clustered_t(data: Mixed) -> Columns:
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
