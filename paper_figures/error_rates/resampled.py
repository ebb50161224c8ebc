"""The resampling tests, replicate by replicate, on the data of ``accuracy`` and ``auroc``; intervals of one kind share their resamples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from paper_figures.error_rates import accuracy, auroc
from paper_figures.error_rates.accuracy import Columns, Counts
from paper_figures.error_rates.auroc import ScoreBlock
from paper_figures.statistics.bootstrap.cluster_weights import cluster_types, cluster_weights, jackknife_weights
from paper_figures.statistics.bootstrap.intervals import acceleration, bootstrap_interval
from paper_figures.statistics.bootstrap.multinomial import multinomial_bootstrap
from paper_figures.statistics.clustered.sign_flip import sign_flip_of_sums
from paper_figures.statistics.metrics import METRICS, Sample
from paper_figures.statistics.validation import Codes, Floats
from theory.sweeps import generator, method

RESAMPLES = 499
LEVEL = 0.95


@dataclass(frozen=True)
class Distribution:
    """Bootstrap distribution of a difference.

    Shapes: `values` (B,).
    """

    estimate: float  # the difference in the sample
    values: Floats
    acceleration: float

    def interval(self, kind: str) -> tuple[float, float]:
        """Interval of kind percentile, basic or bca."""
        return bootstrap_interval(self.values, self.estimate, kind, LEVEL, self.acceleration)[0]


@dataclass
class SeededCounts(Counts):
    """Right and wrong, with a seed per replicate.

    Shapes: `seeds` (R,).
    """

    seeds: Codes

    @cached_property
    def distributions(self) -> list[Distribution]:
        """The bootstrap over clusters, as `paper_figures.statistics.bootstrap.paired` draws it."""
        strata = np.zeros(len(self.n), dtype=np.intp)
        return [
            _distribution(strata, self.items, int(seed), lambda weights, d=d: (weights @ d) / (weights @ self.n))
            for d, seed in zip(self.d, self.seeds, strict=True)
        ]


@dataclass
class SeededScores(ScoreBlock):
    """Scores, with a seed per replicate.

    Shapes: `seeds` (R,).
    """

    seeds: Codes

    @cached_property
    def distributions(self) -> list[Distribution]:
        """The bootstrap over clusters within their types, as `paper_figures.statistics.bootstrap.paired` draws it."""
        items = len(self.labels)
        codes = np.repeat(np.arange(len(self.starts)), np.diff(np.append(self.starts, items)))
        strata = cluster_types(self.labels, codes)
        found = []
        for a, b, seed in zip(*self.scores.astype(np.float64), self.seeds, strict=True):
            first, second = (METRICS["auroc"](Sample(scores, self.labels, codes)) for scores in (a, b))
            found.append(_distribution(strata, items, int(seed), lambda weights, f=first, s=second: f(weights) - s(weights)))
        return found


def _distribution(strata: Codes, items: int, seed: int, evaluate: Callable[..., Floats]) -> Distribution:
    values = np.concatenate([evaluate(weights) for weights in cluster_weights(strata, items, RESAMPLES, seed)])
    portions, rows = jackknife_weights(strata, items)
    left_out = np.concatenate([evaluate(weights) for weights in portions])
    known = ~np.isnan(left_out)
    estimate = float(evaluate(np.ones((1, len(strata))))[0])
    return Distribution(estimate, values[~np.isnan(values)], acceleration(left_out[known], rows[known]))


@generator("clustered right and wrong, seeded", vectorised=True)
def seeded_counts(
    *, rng: np.random.Generator, replicates: int, clusters: int, size: int, sizes: str, correlation: float, effect: bool
) -> SeededCounts:
    """Draw clustered pairs of right and wrong as `paper_figures.error_rates.accuracy.clustered`."""
    data = accuracy.clustered(
        rng=rng, replicates=replicates, clusters=clusters, size=size, sizes=sizes, correlation=correlation, effect=effect
    )
    return SeededCounts(data.n, data.both, data.b, data.c, rng.integers(2**31, size=replicates))


@generator("clustered scores, seeded", vectorised=True)
def seeded_scores(
    *, rng: np.random.Generator, replicates: int, clusters: int, size: int, sizes: str, correlation: float, effect: bool
) -> SeededScores:
    """Draw scores as `paper_figures.error_rates.auroc.clustered`."""
    data = auroc.clustered(
        rng=rng, replicates=replicates, clusters=clusters, size=size, sizes=sizes, correlation=correlation, effect=effect
    )
    return SeededScores(data.scores, data.labels, data.starts, rng.integers(2**31, size=replicates))


@method("cluster bootstrap", vectorised=True)
def bootstrap(data: SeededCounts | SeededScores, *, kind: str = "bca") -> Columns:
    """Make bootstrap intervals over clusters."""
    ends = np.array([one.interval(kind) for one in data.distributions])
    return {"estimate": np.array([one.estimate for one in data.distributions]), "lower": ends[:, 0], "upper": ends[:, 1]}


@method("item bootstrap", vectorised=True)
def item_bootstrap(data: SeededCounts) -> Columns:
    """Make BCa intervals as if items were independent (`paper_figures.statistics.bootstrap.multinomial`)."""
    rows = zip(data.n10.astype(int).tolist(), data.n01.astype(int).tolist(), data.seeds.tolist(), strict=True)
    found = [multinomial_bootstrap(n10, n01, data.items, RESAMPLES, seed=seed) for n10, n01, seed in rows]
    ends = np.array([one.interval for one in found])
    return {"estimate": np.array([one.difference for one in found]), "lower": ends[:, 0], "upper": ends[:, 1]}


@method("sign-flip", vectorised=True)
def sign_flip(data: SeededCounts) -> Columns:
    """Run the package's sign-flip test with `RESAMPLES` patterns if there are too many for all.

    Where the interval has no end, the bound of [-1, 1] takes its place.
    """
    found = [
        sign_flip_of_sums(d, data.n.astype(np.float64), RESAMPLES, LEVEL, int(seed)) for d, seed in zip(data.d, data.seeds, strict=True)
    ]
    ends = np.clip(np.array([one.interval for one in found]), -1, 1)
    columns = {"estimate": [one.difference for one in found], "p": [one.p for one in found]}
    return {name: np.array(values) for name, values in columns.items()} | {"lower": ends[:, 0], "upper": ends[:, 1]}
