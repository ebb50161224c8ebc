"""Few independent items, or areas near 1: the candidate tests of a paired AUROC difference, on a whole block of replicates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special, stats

from paper_figures.error_rates.accuracy import NONCENTRALITY, Columns
from paper_figures.statistics.roc.permutation import studentised, swap_kernels
from paper_figures.statistics.validation import Bools, Floats
from see_in_pairs.roc import placements
from theory.sweeps import estimand, generator, method

PATTERNS = 199
"""Patterns of swaps per replicate: the level .05 is met exactly, with a little less power than 9,999 have."""

_TINY = 1e-15


@dataclass
class IndependentScores:
    """R replicates of n independent items.

    Shapes: `scores` (2, R, n), `labels` (n,), `signs` (R, n, B).
    """

    scores: Floats  # of arms A and B
    labels: Bools
    signs: Floats  # 1 if a pattern keeps an item, -1 if it swaps the arms

    @cached_property
    def placed(self) -> Floats:
        """Placements of both arms, shape (2, R, n)."""
        return np.stack([placements(scores, self.labels) for scores in self.scores])

    @cached_property
    def areas(self) -> Floats:
        """Areas of both arms, shape (2, R)."""
        return self.placed[..., self.labels].mean(axis=-1)

    @cached_property
    def difference(self) -> Floats:
        """Area of A minus that of B, shape (R,)."""
        return self.areas[0] - self.areas[1]

    @cached_property
    def parts(self) -> tuple[Floats, Floats]:
        """DeLong's variance, from positive and from negative items, shapes (R,)."""
        return self.class_variances(self.placed[0] - self.placed[1])

    def class_variances(self, values: Floats) -> tuple[Floats, Floats]:
        """Variance of the means of the positive and of the negative items, shapes (R,)."""
        found = [values[:, members].var(axis=1, ddof=1) / members.sum() for members in (self.labels, ~self.labels)]
        return found[0], found[1]

    @cached_property
    def df(self) -> Floats:
        """Satterthwaite's degrees of freedom of DeLong's variance, shape (R,)."""
        m, n = int(self.labels.sum()), int((~self.labels).sum())
        spread = self.parts[0] ** 2 / (m - 1) + self.parts[1] ** 2 / (n - 1)
        return np.where(spread > _TINY**2, sum(self.parts) ** 2 / np.where(spread > _TINY**2, spread, 1.0), min(m, n) - 1.0)

    @cached_property
    def ranks(self) -> Floats:
        """Midranks within the arm, shape (2, R, n)."""
        return np.stack([stats.rankdata(scores, axis=-1) for scores in self.scores])

    @cached_property
    def kernels(self) -> tuple[Floats, Floats]:
        """Changes by swaps of a positive, and of a negative item, shapes (R, m, n'); their sum is the kernel of A minus that of B."""
        ties = (self.scores[..., None] == self.scores[..., None, :]).sum(axis=-1).astype(np.float64)
        return swap_kernels(self.ranks, self.labels, ties)

    @cached_property
    def swapped(self) -> Floats:
        """Contribution of each item's sign to the difference of areas in a pattern, shape (R, n); sums to the difference."""
        both = np.concatenate(self.ranks, axis=-1)
        placed = placements(both, np.concatenate([self.labels, self.labels]))
        items = len(self.labels)
        found: Floats = (placed[:, :items] - placed[:, items:]) / np.where(self.labels, self.labels.sum(), (~self.labels).sum())
        return found


def _separations(area: float, slope: float, positives: int, negatives: int, correlation: float, effect: bool) -> tuple[float, float, float]:
    """Mean of the positive items in A and in B, and the standard deviation of A's: `slope` times that of the negative items."""
    b = math.sqrt(2) * float(special.ndtri(area))
    error = math.sqrt(2 * (1 - correlation)) * math.sqrt(1 / positives + 1 / negatives)
    worse = min(1.1 * NONCENTRALITY * error, b) if effect else 0.0
    return math.sqrt(1 + slope**2) * float(special.ndtri(area)), b - worse, slope


def _classes(items: int, prevalence: float) -> tuple[int, int]:
    return round(prevalence * items), items - round(prevalence * items)


@estimand("difference of binormal areas")
def difference(*, items: int, prevalence: float, area: float, correlation: float, slope: float, effect: bool) -> float:
    """True difference of the areas."""
    _, b, _ = _separations(area, slope, *_classes(items, prevalence), correlation, effect)
    return area - float(special.ndtr(b / math.sqrt(2))) if effect else 0.0


@generator("paired binormal scores", vectorised=True)
def paired(
    *, rng: np.random.Generator, replicates: int, items: int, prevalence: float, area: float, correlation: float, slope: float, effect: bool
) -> IndependentScores:
    r"""Draw normal scores of independent items; the two arms' errors have this correlation within an item.

    Notes
    -----
    Arm A's positive items have the standard deviation `slope`, all others 1, and both arms the same `area`: with another slope than 1 the
    two ROC curves cross. With an effect B's positive items are nearer to its negative ones.
    """
    m, n = _classes(items, prevalence)
    labels = np.arange(items) < m
    errors = math.sqrt(correlation) * rng.standard_normal((replicates, items))
    scores = errors + math.sqrt(1 - correlation) * rng.standard_normal((2, replicates, items))
    a, b, spread = _separations(area, slope, m, n, correlation, effect)
    scores[0][:, labels] *= spread
    scores += np.array([a, b])[:, None, None] * labels
    signs = 1 - 2 * rng.integers(0, 2, size=(replicates, items, PATTERNS), dtype=np.int8)
    return IndependentScores(scores, labels, signs.astype(np.float32))


@generator("paired ratings", vectorised=True)
def ratings(
    *, rng: np.random.Generator, replicates: int, items: int, prevalence: float, area: float, correlation: float
) -> IndependentScores:
    """Draw scores of arms that are alike and round them to five steps a standard deviation apart; `area` is that before rounding."""
    data = paired(
        rng=rng, replicates=replicates, items=items, prevalence=prevalence, area=area, correlation=correlation, slope=1.0, effect=False
    )
    return IndependentScores(np.clip(np.round(data.scores), -1, 3), data.labels, data.signs)


def _student(data: IndependentScores, variance: Floats | float, df: Floats | float, estimate: Floats | None = None) -> Columns:
    estimate = data.difference if estimate is None else estimate
    some = variance > _TINY
    error = np.sqrt(np.where(some, variance, 0.0))
    p = np.where(some, 2 * special.stdtr(df, -np.abs(estimate) / np.where(some, error, 1.0)), np.where(np.abs(estimate) > 1e-9, 0.0, 1.0))
    return {"estimate": estimate, "se": error, "p": p}


def _with_interval(columns: Columns, df: Floats | float) -> Columns:
    half = special.stdtrit(df, 0.975) * columns["se"]
    return columns | {"lower": columns["estimate"] - half, "upper": columns["estimate"] + half}


@method("DeLong, z", vectorised=True)
def delong_z(data: IndependentScores) -> Columns:
    """Run DeLong's test against the normal distribution."""
    return _with_interval(_student(data, sum(data.parts), 1e9), 1e9)


@method("DeLong, jackknife t (independent)", vectorised=True)
def delong_t(data: IndependentScores) -> Columns:
    """Run DeLong's test by t, which is the jackknife's for items that are their own clusters."""
    return _with_interval(_student(data, sum(data.parts), data.df), data.df)


@method("logit, z", vectorised=True)
def logit_z(data: IndependentScores) -> Columns:
    """Compare the areas' logits with DeLong's variance carried over; where an area is 0 or 1, DeLong's test."""
    inside = ((data.areas > 0) & (data.areas < 1)).all(axis=0)
    areas = np.where(inside, data.areas, 0.5)
    slopes = 1 / (areas * (1 - areas))
    variance = sum(data.class_variances(data.placed[0] * slopes[0][:, None] - data.placed[1] * slopes[1][:, None]))
    logits = special.logit(areas[0]) - special.logit(areas[1])
    plain, found = _student(data, sum(data.parts), 1e9)["p"], _student(data, np.asarray(variance), 1e9, logits)["p"]
    return {"estimate": data.difference, "p": np.where(inside, found, plain)}


@method("unbiased variance, t", vectorised=True)
def unbiased_t(data: IndependentScores) -> Columns:
    """Run DeLong's test with the U-statistic's variance, which counts what belongs to single pairs once, where DeLong's counts it twice."""
    kernel = np.asarray(data.kernels[0] + data.kernels[1], dtype=np.float64)
    m, n = kernel.shape[1:]
    rest = kernel - kernel.mean(axis=2, keepdims=True) - kernel.mean(axis=1, keepdims=True) + data.difference[:, None, None]
    pairs = (rest**2).sum(axis=(1, 2)) / ((m - 1) * (n - 1) * m * n)
    return _student(data, np.maximum(sum(data.parts) - pairs, pairs), data.df)


@method("swaps, normal", vectorised=True)
def swaps_z(data: IndependentScores) -> Columns:
    """Compare the difference with its exact variance over all patterns of swaps (Bandos, Rockette and Gur 2005)."""
    return _student(data, (data.swapped**2).sum(axis=1), 1e9)


@method("swaps", vectorised=True)
def swaps(data: IndependentScores) -> Columns:
    """Permute the difference itself."""
    drawn = np.abs(np.einsum("ri,rib->rb", data.swapped, data.signs))
    return {"estimate": data.difference, "p": _share(np.abs(data.difference), drawn)}


@method("swaps, studentised", vectorised=True)
def swaps_studentised(data: IndependentScores) -> Columns:
    """Run the test of `paper_figures.statistics.auroc_permutation`."""
    one = np.ones((*data.signs.shape[:2], 1), dtype=np.float32)
    seen, drawn = (
        studentised(*data.kernels, signs[:, data.labels], signs[:, ~data.labels]) for signs in (one, np.asarray(data.signs, np.float32))
    )
    return {"estimate": data.difference, "p": _share(seen[:, 0], drawn)}


def _share(observed: Floats, drawn: Floats) -> Floats:
    """P-values: the share of patterns at least as extreme, including the observed one. Shapes: (R,), (R, B)."""
    found: Floats = (1 + (drawn >= observed[:, None] * (1 - 1e-9) - 1e-9).sum(axis=1)) / (1 + drawn.shape[1])
    return found
