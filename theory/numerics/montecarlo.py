"""Estimates from raw simulation with their Monte Carlo standard error (MCSE), and what raw simulations share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, bdtrc, ndtri, stdtr

from see_in_pairs.roc import placements
from theory.numerics.validation import Floats

ROUNDING = 1e-13  # of sums and ratios: a value that is the same in every replicate differs from its closed form by no more than this
ENOUGH_OUTCOMES = 10_000  # of either kind: then skewness moves a z of 5 by less than 0.1 and the normal score serves


@dataclass(frozen=True)
class MonteCarloEstimate:
    """A number from simulation with its Monte Carlo standard error (MCSE)."""

    value: float
    mcse: float
    replicates: int  # number of independent replicates

    def z_against(self, truth: float, allowance: float = 0.0) -> float:
        """Signed distance from a value beyond the allowance, in MCSEs; with few replicates, the normal score of Student's t."""
        gap = self.value - truth
        beyond = max(abs(gap) - allowance - ROUNDING * max(1.0, abs(truth)), 0.0)
        if beyond == 0:
            return 0.0
        if not self.mcse > 0:
            return float(np.copysign(np.inf, gap))
        return float(np.copysign(_normal_equivalent(beyond / self.mcse, self.replicates - 1), gap))


def _normal_equivalent(t: float, freedom: int) -> float:
    """Normal score with the same tail as Student's t."""
    return t if freedom >= ENOUGH_OUTCOMES else float(-ndtri(stdtr(freedom, -t)))


@dataclass(frozen=True)
class ProportionEstimate(MonteCarloEstimate):
    """A proportion, whose distance from a value is exact even where an outcome is rare."""

    def z_against(self, truth: float, allowance: float = 0.0) -> float:
        """Score z of the proportion; where fewer than 10,000 of either outcome are expected, the normal quantile of the exact binomial
        tail."""
        rarer = self.replicates * min(truth, 1 - truth)
        if allowance > 0 or rarer >= ENOUGH_OUTCOMES:
            return super().z_against(truth, allowance)
        return _binomial_z(round(self.value * self.replicates), self.replicates, truth)


def _binomial_z(count: int, trials: int, probability: float) -> float:
    upper = float(bdtrc(count - 1, trials, probability)) if count > 0 else 1.0
    lower = float(bdtr(count, trials, probability))
    if min(upper, lower) >= 0.5:  # the middle of the distribution: both tails contain the count itself
        return 0.0
    return float(-ndtri(upper)) if upper < lower else float(ndtri(lower))


class Tally(Protocol):
    """Accumulator of a simulation: turns its replicates, added in batches, into an estimate."""

    def add(self, values: np.ndarray) -> None:
        """Add a batch of shape (replicates, ...)."""

    def estimate(self) -> MonteCarloEstimate:
        """Estimate from all batches so far."""
        ...


@dataclass
class ProportionTally:
    """Share of replicates in which something happened, with Jeffreys' standard error (defined at 0 and 1 too)."""

    count: int = 0
    replicates: int = 0

    def add(self, values: np.ndarray) -> None:
        """Add a batch (replicates,) of truth values."""
        self.count += int(np.count_nonzero(values))
        self.replicates += len(values)

    def estimate(self) -> MonteCarloEstimate:
        """Share and its standard error."""
        smoothed = (self.count + 0.5) / (self.replicates + 1)
        mcse = np.sqrt(smoothed * (1 - smoothed) / self.replicates)
        return ProportionEstimate(self.count / self.replicates, float(mcse), self.replicates)


@dataclass
class MeanTally:
    """Mean over replicates; batches are merged by the update of Chan, Golub and LeVeque (1979)."""

    replicates: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: np.ndarray) -> None:
        """Add a batch (replicates,)."""
        gap, total = float(np.mean(values)) - self.mean, self.replicates + len(values)
        self.squares += float(np.var(values)) * len(values) + gap**2 * self.replicates * len(values) / total
        self.mean += gap * len(values) / total
        self.replicates = total

    def estimate(self) -> MonteCarloEstimate:
        """Mean and its standard error."""
        return MonteCarloEstimate(self.mean, float(np.sqrt(self.squares / max(self.replicates - 1, 1) / self.replicates)), self.replicates)


@dataclass
class PairedTally(MeanTally):
    """Mean of differences of two outcomes of the same patient (-1, 0 or 1), with a standard error that stays above 0 for few patients."""

    def estimate(self) -> MonteCarloEstimate:
        """Mean, and its standard error as if one more patient in `replicates` had differed."""
        variance = self.squares / max(self.replicates - 1, 1) + 1 / self.replicates
        return MonteCarloEstimate(self.mean, float(np.sqrt(variance / self.replicates)), self.replicates)


@dataclass
class DeviationTally:
    """Standard deviation over replicates, with the delta-method standard error from the fourth moment."""

    batches: list[np.ndarray] = field(default_factory=list)

    def add(self, values: np.ndarray) -> None:
        """Add a batch (replicates,)."""
        self.batches.append(values)

    def estimate(self) -> MonteCarloEstimate:
        """Standard deviation and its standard error."""
        values = np.concatenate(self.batches)
        squares = np.square(values - values.mean())
        deviation = float(np.sqrt(squares.sum() / (len(values) - 1)))
        return MonteCarloEstimate(deviation, float(squares.std() / np.sqrt(len(values)) / (2 * deviation)), len(values))


@dataclass
class RatioTally:
    """Ratio of the means of two paired columns, with the delta-method standard error."""

    batches: list[np.ndarray] = field(default_factory=list)

    def add(self, values: np.ndarray) -> None:
        """Add a batch (replicates, 2): numerator and denominator."""
        self.batches.append(values)

    def estimate(self) -> MonteCarloEstimate:
        """Ratio of means and its standard error; NaN where the denominators add up to 0."""
        above, below = np.concatenate(self.batches).T
        if below.mean() == 0:
            return MonteCarloEstimate(float("nan"), float("inf"), len(above))
        ratio = above.mean() / below.mean()
        residual = (above - ratio * below) / below.mean()
        return MonteCarloEstimate(float(ratio), float(residual.std(ddof=1) / np.sqrt(len(above))), len(above))


def stream(seed: int, *names: str, batch: int = 0) -> np.random.Generator:
    """Random stream that belongs to a name, independent of what else is simulated."""
    # a hash of the name, not a running number: a new point must not move the streams of the others
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    key = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*key, batch)))


def covariance_root(covariance: ArrayLike) -> Floats:
    """Factor R of a covariance matrix (p, p), singular ones too: ``R @ R.T`` is the covariance."""
    # not Cholesky: near-duplicate references make the matrix singular, and rounding can make eigenvalues negative
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    return vectors * np.sqrt(np.clip(values, 0, None))


def log_likelihood_ratio(observed: Floats, shift: Floats, covariance: Floats) -> Floats:
    """Log-likelihood ratio, diseased against healthy, of two normal classes with one covariance: `observed` (n, k), `shift` (k,),
    `covariance` (k, k)."""
    # least squares solve the singular systems of duplicate images as well
    weights = np.linalg.lstsq(covariance, shift, rcond=None)[0]
    return observed @ weights - shift @ weights / 2


@dataclass(frozen=True)
class RankAuc:
    """Empirical AUROC, as DeLong's placements of each case."""

    diseased: Floats  # (n1,): share of healthy cases that each diseased case outscores (a tie counts one half)
    healthy: Floats  # (n0,): share of diseased cases that outscore each healthy case

    def estimate(self) -> MonteCarloEstimate:
        """AUROC with DeLong's standard error."""
        variance = self.diseased.var(ddof=1) / len(self.diseased) + self.healthy.var(ddof=1) / len(self.healthy)
        return MonteCarloEstimate(float(self.diseased.mean()), float(np.sqrt(variance)), len(self.diseased) + len(self.healthy))

    def minus(self, other: RankAuc) -> MonteCarloEstimate:
        """This AUROC minus that of another score of the same cases, with the standard error of the paired difference."""
        return RankAuc(self.diseased - other.diseased, self.healthy - other.healthy).estimate()


def rank_auc(diseased: Floats, healthy: Floats) -> RankAuc:
    """Empirical AUROC of scores (n1,) and (n0,), from ranks (DeLong, DeLong and Clarke-Pearson 1988).

    Examples
    --------
    >>> rank_auc(np.array([2.0, 3.0]), np.array([1.0, 2.0])).estimate().value
    0.875
    """
    labels = np.arange(len(diseased) + len(healthy)) < len(diseased)
    placed = placements(np.concatenate([diseased, healthy]), labels)
    return RankAuc(placed[labels], placed[~labels])
