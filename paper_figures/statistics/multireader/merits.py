"""Figures of merit of every reader in every arm, and their covariances due to cases: DeLong's, the jackknife's, and unbiased ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.multireader.concordance import shared_products
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_codes, as_flags, as_scores, same_length
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.roc import placements

MEASURES = ("auroc", "accuracy", "sensitivity", "specificity", "mean")
COVARIANCES = ("delong", "jackknife", "unbiased")


@dataclass(frozen=True)
class Readings:
    """Readings in long form, sorted by arm, reader, cluster and item; an arm and a reader are a group, which is a slice of rows.

    Shapes: `values`, `labels`, `items`, `clusters` (n,), `arm`, `reader` (g,), `starts` (g + 1,).
    """

    values: Floats
    labels: Bools
    items: Codes
    clusters: Codes
    arm: Codes  # of each group
    reader: Codes
    starts: Codes
    arms: tuple[str, ...]
    readers: tuple[str, ...]

    @cached_property
    def cases(self) -> int:
        """Number of cases (clusters; items if no clusters were given)."""
        return int(self.clusters.max()) + 1

    @cached_property
    def crossed(self) -> bool:
        """Whether every reader reads in every arm."""
        return len(self.arm) == len(self.arms) * len(self.readers)

    @cached_property
    def nested(self) -> bool:
        """Whether every reader reads in one arm only."""
        return len(self.arms) > 1 and len(self.arm) == len(self.readers)

    @cached_property
    def complete(self) -> bool:
        """Whether every reader reads every item in each of the reader's arms."""
        return len(self.values) == len(self.arm) * (int(self.items.max()) + 1)

    @cached_property
    def clustered(self) -> bool:
        """Whether a case has several items."""
        return self.cases <= int(self.items.max())

    def rows(self, group: int) -> slice:
        """Rows of a group."""
        return slice(int(self.starts[group]), int(self.starts[group + 1]))


def readings(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike | None,
    items: npt.ArrayLike,
    readers: npt.ArrayLike,
    arms: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    arm_names: tuple[str, ...] = (),
) -> Readings:
    """Check readings in long form and sort them; arms are indices into `arm_names`, if given."""
    values = as_scores(scores)
    rows = same_length(scores=values) if labels is None else same_length(scores=values, labels=as_flags(labels))
    flags = np.ones(rows, dtype=np.bool_) if labels is None else as_flags(labels)
    item = as_codes(items, rows, "items")
    (arm, arms_named), (reader, readers_named) = _named(arms, rows, "arms"), _named(readers, rows, "readers")
    cluster = item if clusters is None else as_codes(clusters, rows)
    for name, code in (("labels", flags.astype(np.intp)), ("clusters", cluster)):
        first = np.zeros(int(item.max()) + 1, dtype=np.intp)
        first[item] = code
        differ = np.flatnonzero(first[item] != code)
        if differ.size:
            several = first_few(sorted({str(np.asarray(items)[row]) for row in differ.tolist()}))
            raise InputError(f"{name}: not the same in every reading of an item ({several})")
    order = np.lexsort((item, cluster, reader, arm))
    group = (arm * len(readers_named) + reader)[order]
    twice = (np.diff(group) == 0) & (np.diff(item[order]) == 0)
    if twice.any():
        several = first_few(sorted({str(np.asarray(items)[row]) for row in order[1:][twice].tolist()}))
        raise InputError(f"items: read twice by one reader in one arm ({several}); name readers, or arms, so that they can be told apart")
    found, starts = np.unique(group, return_index=True)
    return Readings(
        values[order], flags[order], item[order], cluster[order], found // len(readers_named), found % len(readers_named),
        np.append(starts, rows), arm_names or arms_named, readers_named,
    )  # fmt: skip


def _named(values: npt.ArrayLike, rows: int, name: str) -> tuple[Codes, tuple[str, ...]]:
    codes = as_codes(values, rows, name)
    names = np.asarray(values)
    return codes, tuple(str(one) for one in np.unique(names.astype(str) if names.dtype.kind == "O" else names))


def merits(data: Readings, measure: str, threshold: float | None = None) -> Merits:
    """Compute the figure of merit of each group."""
    if measure not in MEASURES:
        raise InputError(f"measure: give one of {', '.join(MEASURES)}, not {measure!r}")
    if measure == "auroc":
        return Areas(data, measure)
    if measure == "mean":
        if not np.isfinite(data.values).all():
            raise InputError("scores: some are infinite, so there is no mean")
        return Means(data, measure, data.values, np.ones(len(data.values), dtype=np.bool_))
    if threshold is None or threshold != threshold:
        raise InputError(f"threshold: {measure} needs the score at or above which an item counts as positive")
    members = {"accuracy": np.ones(len(data.labels), dtype=np.bool_), "sensitivity": data.labels, "specificity": ~data.labels}[measure]
    return Means(data, measure, ((data.values >= threshold) == data.labels).astype(np.float64), members)


@dataclass(frozen=True)
class Merits(ABC):
    """Figures of merit of g groups on K cases, and their covariances given the readers."""

    data: Readings
    measure: str

    @property
    @abstractmethod
    def theta(self) -> Floats:
        """Figure of merit of each group; shape (g,)."""

    @property
    @abstractmethod
    def left_out(self) -> Floats:
        """Figures of merit without each case in turn, one column each; a case that a group did not read does not change its merit."""

    @property
    @abstractmethod
    def disjoint(self) -> tuple[Floats, Floats]:
        """Mean product of the kernels of two groups over readings that share no case, and its weight; shapes (g, g)."""

    @abstractmethod
    def delong(self) -> Floats:
        """Covariance by the contributions of cases; shape (g, g)."""

    def jackknife(self) -> Floats:
        """Covariance by leaving out each case of the study in turn; shape (g, g)."""
        cases = self.left_out.shape[1]
        return np.atleast_2d(np.cov(self.left_out)) * (cases - 1) ** 2 / cases

    def unbiased(self) -> Floats:
        """Covariance as a U-statistic; shape (g, g)."""
        return np.outer(self.theta, self.theta) - self.disjoint[0]

    def covariance(self, method: str) -> Floats:
        """Covariance by one of `COVARIANCES`."""
        if method not in COVARIANCES:
            raise InputError(f"covariance: give one of {', '.join(COVARIANCES)}, not {method!r}")
        self.check()
        return {"delong": self.delong, "jackknife": self.jackknife, "unbiased": self.unbiased}[method]()

    @abstractmethod
    def check(self) -> None:
        """Refuse data whose variation between cases cannot be estimated."""

    def by_case(self, group: int, members: Bools, values: Floats | None = None) -> Floats:
        """Count the members of each case in a group's rows, or sum their values; shape (K,)."""
        clusters = self.data.clusters[self.data.rows(group)][members]
        return np.bincount(clusters, values, minlength=self.data.cases).astype(np.float64)

    def name(self, group: int) -> str:
        """Words for a group."""
        return f"reader {self.data.readers[self.data.reader[group]]} in arm {self.data.arms[self.data.arm[group]]}"


@dataclass(frozen=True)
class Means(Merits):
    """Means over the items that are members: accuracy, sensitivity, specificity, or any score."""

    values: Floats
    members: Bools

    @cached_property
    def counts(self) -> Floats:
        """Members of each case; shape (g, K)."""
        found = np.stack([self.by_case(g, self.members[self.data.rows(g)]) for g in range(len(self.data.arm))])
        for group in np.flatnonzero(found.sum(axis=1) == 0).tolist():
            raise NotEstimable(f"{self.name(group)} read no item that counts for this measure")
        return found

    @cached_property
    def sums(self) -> Floats:
        """Sum of the values of each case's members; shape (g, K)."""
        slices = map(self.data.rows, range(len(self.data.arm)))
        return np.stack([self.by_case(g, self.members[rows], self.values[rows][self.members[rows]]) for g, rows in enumerate(slices)])

    @cached_property
    def theta(self) -> Floats:
        """Mean of each group; shape (g,)."""
        return self.sums.sum(axis=1) / self.counts.sum(axis=1)

    @cached_property
    def left_out(self) -> Floats:
        """Means without each case that has a member."""
        counted = self.counts.any(axis=0)  # the other cases do not contribute, for example to a sensitivity
        total, number = self.sums.sum(axis=1, keepdims=True), self.counts.sum(axis=1, keepdims=True)
        left: Floats = ((total - self.sums) / (number - self.counts))[:, counted]
        return left

    @cached_property
    def disjoint(self) -> tuple[Floats, Floats]:
        """Mean product of the values of items of different cases; shape (g, g)."""
        total, number = self.sums.sum(axis=1), self.counts.sum(axis=1)
        weight = np.outer(number, number) - self.counts @ self.counts.T
        share = weight / np.outer(number, number)
        return (np.outer(total, total) - self.sums @ self.sums.T) / weight, share

    def delong(self) -> Floats:
        """Covariance of means of clustered items; shape (g, g)."""
        parts = (self.sums - self.theta[:, None] * self.counts) / self.counts.sum(axis=1, keepdims=True)
        return _factor(self.counts > 0) * (parts @ parts.T)

    def check(self) -> None:
        """Refuse a group with one case."""
        for group in np.flatnonzero((self.counts > 0).sum(axis=1) < 2).tolist():
            raise NotEstimable(f"{self.name(group)}: one case only, so the variation between cases cannot be estimated")


@dataclass(frozen=True)
class Areas(Merits):
    """Areas under the ROC curve, ties one half."""

    @cached_property
    def placed(self) -> tuple[Floats, ...]:
        """Placements of each group's items (`see_in_pairs.roc.placements`)."""
        found = []
        for group in range(len(self.data.arm)):
            rows = self.data.rows(group)
            if self.data.labels[rows].all() or not self.data.labels[rows].any():
                raise NotEstimable(f"{self.name(group)} read items of one class only: no ROC curve")
            found.append(placements(self.data.values[rows], self.data.labels[rows]))
        return tuple(found)

    @cached_property
    def counts(self) -> tuple[Floats, Floats]:
        """Positive and negative items of each case; shapes (g, K)."""
        flags = [self.data.labels[self.data.rows(g)] for g in range(len(self.data.arm))]
        return np.stack([self.by_case(g, one) for g, one in enumerate(flags)]), np.stack(
            [self.by_case(g, ~one) for g, one in enumerate(flags)]
        )

    @cached_property
    def theta(self) -> Floats:
        """Area of each group; shape (g,)."""
        return np.array([placed[self.data.labels[self.data.rows(g)]].mean() for g, placed in enumerate(self.placed)])

    @cached_property
    def shares(self) -> tuple[Floats, Floats, Floats]:
        """Concordant pairs of a group with a positive item of each case, with a negative one, with both; shapes (g, K)."""
        plus, minus, both = [], [], []
        mixed = bool((self.counts[0] * self.counts[1]).any())
        for group, placed in enumerate(self.placed):
            flags = self.data.labels[self.data.rows(group)]
            plus.append(self.by_case(group, flags, placed[flags]) / flags.sum())
            minus.append(self.by_case(group, ~flags, placed[~flags]) / (~flags).sum())
            both.append(self._within(group, flags) / (flags.sum() * (~flags).sum()) if mixed else np.zeros(self.data.cases))
        return np.stack(plus), np.stack(minus), np.stack(both)

    def _within(self, group: int, flags: Bools) -> Floats:
        """Concordant pairs inside each case: ranks are made unique to the case, and the negatives of earlier cases are subtracted."""
        rows = self.data.rows(group)
        _, rank = np.unique(self.data.values[rows], return_inverse=True)
        key = self.data.clusters[rows] * (int(rank.max()) + 1) + rank
        negative = np.sort(key[~flags])
        beaten = (np.searchsorted(negative, key[flags], "left") + np.searchsorted(negative, key[flags], "right")) / 2
        before = np.cumsum(self.counts[1][group]) - self.counts[1][group]
        return self.by_case(group, flags, beaten - before[self.data.clusters[rows][flags]])

    @cached_property
    def left_out(self) -> Floats:
        """Areas without each case; shape (g, K)."""
        plus, minus, both = self.shares
        left = [1 - count / count.sum(axis=1, keepdims=True) for count in self.counts]
        return (self.theta[:, None] - plus - minus + both) / (left[0] * left[1])

    def delong(self) -> Floats:
        """Obuchowski's (1997) covariance, which is DeLong's if each case is one item; shape (g, g)."""
        m, n = self.counts
        p, q = (
            share - self.theta[:, None] * count / count.sum(axis=1, keepdims=True)
            for share, count in zip(self.shares[:2], self.counts, strict=True)
        )
        cross = p @ q.T
        return _factor(m > 0) * (p @ p.T) + _factor(n > 0) * (q @ q.T) + _factor(m + n > 0) * (cross + cross.T)

    @cached_property
    def disjoint(self) -> tuple[Floats, Floats]:
        r"""Mean product of :math:`s_{ij}` and :math:`s_{i'j'}` over pairs that share no case; shape (g, g).

        With :math:`G_{kl}` the concordant pairs of a negative item of case k and a positive one of case l, and :math:`T_k` those that
        touch k, the sum is :math:`G_{..} H_{..} - \sum T^G_k T^H_k + \sum_{k \neq l} G_{kl} (H_{kl} + H_{lk})`: pairs of pairs that
        share one case are subtracted; those that share both were subtracted twice.
        """
        (plus, minus, both), (m, n) = self.shares, self.counts
        m, n = m / m.sum(axis=1, keepdims=True), n / n.sum(axis=1, keepdims=True)
        touching, all_touching = plus + minus - both, m + n - m * n
        products, weights = np.outer(self.theta, self.theta) - touching @ touching.T, 1 - all_touching @ all_touching.T
        weights += (n @ n.T) * (m @ m.T) + (n @ m.T) * (m @ n.T) - 2 * (m * n) @ (m * n).T
        products -= 2 * both @ both.T
        pairs = np.array([count.sum(axis=1) for count in self.counts]).prod(axis=0)
        products += self._shared() / np.outer(pairs, pairs)
        return products / np.where(weights > 1e-12, weights, np.nan), weights

    def _shared(self) -> Floats:
        """Sum of :math:`G_{kl} (H_{kl} + H_{lk})` over all k and l, for every pair of groups; shape (g, g)."""
        data, items = self.data, int(self.data.items.max()) + 1
        table, labels, cases = np.full((len(data.arm), items), np.nan), np.zeros(items, dtype=np.bool_), np.zeros(items, dtype=np.intp)
        table[np.repeat(np.arange(len(data.arm)), np.diff(data.starts)), data.items] = data.values
        labels[data.items], cases[data.items] = data.labels, data.clusters
        order = np.argsort(cases, kind="stable")
        negative, positive = order[~labels[order]], order[labels[order]]
        return shared_products(table[:, negative], table[:, positive], cases[negative], cases[positive])

    def check(self) -> None:
        """Refuse a group with one case of a class."""
        for count in self.counts:
            for group in np.flatnonzero((count > 0).sum(axis=1) < 2).tolist():
                raise NotEstimable(f"{self.name(group)}: fewer than two cases hold items of a class, too few for their variation")


def _factor(read: Bools) -> Floats:
    r"""Factor that makes sums over shared cases of products of centred values unbiased; shape (g, g).

    :math:`1 / [1 - 1/K_g - 1/K_h + S / (K_g K_h)]` with S shared cases: K / (K - 1) where both groups read the same K, and 0 where they
    share none.
    """
    shared = read.astype(np.float64) @ read.T
    number = np.diag(shared)
    left = 1 - 1 / number[:, None] - 1 / number + shared / np.outer(number, number)
    return np.divide(1.0, left, out=np.zeros_like(left), where=shared > 0)
