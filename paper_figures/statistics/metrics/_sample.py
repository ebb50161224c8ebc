"""The scores of one arm, with the data that every measure needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paper_figures.statistics.validation import Bools, Codes, Floats


@dataclass(frozen=True)
class Sample:
    """Scores of n items in K clusters.

    Parameters
    ----------
    scores : ndarray of float, shape (n,)
        Higher speaks for positive.
    labels : ndarray of bool, shape (n,)
        Whether each item is positive.
    codes : ndarray of int, shape (n,)
        The number of each item's cluster, 0 to K - 1.
    threshold : float, default 0.5
        A score at or above it counts as positive, for the accuracy.
    specificity : float, default 0.9
        The specificity, between 0 and 1, at which the sensitivity is taken.
    """

    scores: Floats
    labels: Bools
    codes: Codes
    threshold: float = 0.5
    specificity: float = 0.9

    @property
    def clusters(self) -> int:
        """Number of clusters, K.

        Returns
        -------
        int
            One more than the largest of `codes`.
        """
        return int(self.codes.max()) + 1

    def cluster_sums(self, values: Floats) -> Floats:
        """Sum a value over the items of each cluster.

        Parameters
        ----------
        values : ndarray of float, shape (n,)
            The value of each item, in the order of `scores`.

        Returns
        -------
        ndarray of float, shape (K,)
            The sum of the values of each cluster.
        """
        return np.bincount(self.codes, values, minlength=self.clusters).astype(np.float64)

    def descending(self) -> tuple[Codes, Codes]:
        """Sort by falling score.

        Returns
        -------
        tuple of ndarray of int
            The order of items, and the position of the last item of each group of tied scores.
        """
        order = np.argsort(-self.scores, kind="stable")
        ordered = self.scores[order]
        return order, np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, with NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator > 0)
