"""Cluster sizes and effects of the error-rate studies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

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
