r"""Ideal observers of images whose covariances are known, with and without a healthy reference.

`hotelling`: the lesion's place is known; a closed form (Barrett and Myers, *Foundations of Image Science*, 2004, ch. 13; with the
reference by the Schur complement, T1b). `scanning`: its place is unknown; by simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from see_in_pairs.display import Result
from see_in_pairs.errors import InputError
from theory.numerics.gaussian import auc_of, error_of
from theory.numerics.montecarlo import MonteCarloEstimate, covariance_root, rank_auc
from theory.numerics.validation import Floats, finite, one_of, require, square, whole

RULES = ("single", "difference", "joint")


@dataclass(frozen=True, repr=False)
class Detectability(Result):
    r"""Detectability indices of the ideal observer of one query.

    Parameters
    ----------
    single, difference, joint : float
        Index :math:`\Delta` of the observer who sees the query alone, the query minus the reference, or both together.

    Examples
    --------
    >>> Detectability(single=1.0, difference=1.5, joint=2.0).auc("single")
    0.76025
    """

    single: float
    difference: float
    joint: float

    def auc(self, rule: str) -> float:
        r"""Compute the area under the ROC curve.

        Parameters
        ----------
        rule : {'single', 'difference', 'joint'}
            What the observer sees: the query alone, the difference, or both images.

        Returns
        -------
        float
            :math:`\Phi(\Delta/\sqrt2)`.

        Raises
        ------
        InputError
            When the rule is unknown.
        """
        return float(auc_of(self._index(rule)))

    def error(self, rule: str) -> float:
        r"""Compute the balanced error.

        Parameters
        ----------
        rule : {'single', 'difference', 'joint'}
            What the observer sees: the query alone, the difference, or both images.

        Returns
        -------
        float
            :math:`\Phi(-\Delta/2)`.

        Raises
        ------
        InputError
            When the rule is unknown.
        """
        return float(error_of(self._index(rule)))

    def _index(self, rule: str) -> float:
        one_of(rule, "rule", RULES)
        return float(getattr(self, rule))


def hotelling(
    signal: ArrayLike, covariance: ArrayLike, cross_covariance: ArrayLike, reference_covariance: ArrayLike | None = None
) -> Detectability:
    r"""Compute how well a lesion of known place and form can be detected.

    Parameters
    ----------
    signal : array_like, shape (P,)
        Mean of a diseased minus a healthy query, in gray levels per pixel.
    covariance : array_like, shape (P, P)
        Covariance of the query within a class, :math:`\Sigma`.
    cross_covariance : array_like, shape (P, P)
        Covariance of query (rows) and reference (columns), C.
    reference_covariance : array_like, shape (P, P), optional
        Covariance of the reference, :math:`S_r`; that of the query when not given.

    Returns
    -------
    Detectability
        The indices :math:`\Delta` of the three observers.

    Raises
    ------
    InputError
        When shapes do not fit, or the matrices cannot be covariances of images.

    Notes
    -----
    .. math::

        \Delta^2_{\rm single} &= s^\top \Sigma^{-1} s, \\
        \Delta^2_{\rm difference} &= s^\top (\Sigma + S_r - C - C^\top)^{-1} s, \\
        \Delta^2_{\rm joint} &= s^\top (\Sigma - C S_r^{-1} C^\top)^{-1} s .

    Cholesky factors and triangular solves only; about 6 P^3 operations, some seconds at P = 4096.

    Examples
    --------
    >>> import numpy as np
    >>> hotelling([1.0, 0.0], np.eye(2), 0.6 * np.eye(2)).joint
    1.25
    """
    shift = finite(signal, "signal")
    require(shift.ndim == 1, "signal: must be one list of pixel values")
    indices = [
        float(np.linalg.norm(_whiten(residual, shift[:, None], name)))
        for name, residual in _residuals(len(shift), covariance, cross_covariance, reference_covariance)
    ]
    return Detectability(*indices)


def _residuals(
    pixels: int, covariance: ArrayLike, cross_covariance: ArrayLike, reference_covariance: ArrayLike | None
) -> list[tuple[str, Floats]]:
    """Name (for error messages) and residual covariance of what each observer sees, in the order of `RULES`."""
    sigma, cross = _symmetric(covariance, "covariance"), square(cross_covariance, "cross_covariance")
    reference = sigma if reference_covariance is None else _symmetric(reference_covariance, "reference_covariance")
    for name, matrix in (("covariance", sigma), ("cross_covariance", cross), ("reference_covariance", reference)):
        require(len(matrix) == pixels, f"{name}: has {len(matrix)} rows for a signal of {pixels} pixels")
    explained = _whiten(reference, cross.T, "reference_covariance")
    return [
        ("covariance", sigma),
        ("covariance of query minus reference", sigma + reference - cross - cross.T),
        ("joint covariance of query and reference", sigma - explained.T @ explained),
    ]


def _symmetric(value: ArrayLike, name: str) -> Floats:
    matrix = square(value, name)
    largest = float(np.max(np.abs(matrix)))
    require(np.allclose(matrix, matrix.T, rtol=0, atol=1e-8 * largest), f"{name}: a covariance matrix is symmetric")
    return matrix


def _whiten(covariance: Floats, columns: Floats, name: str) -> Floats:
    r"""Solve L x = columns with :math:`LL^\top` the covariance, so that :math:`x^\top x` is the quadratic form."""
    from scipy.linalg import solve_triangular

    return solve_triangular(_cholesky(covariance, name), columns, lower=True, check_finite=False)


def _cholesky(covariance: Floats, name: str) -> Floats:
    from scipy.linalg import cholesky

    try:
        return cholesky(covariance, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        raise InputError(f"{name}: not positive definite, so it cannot be the covariance of images") from None


@dataclass(frozen=True, repr=False)
class Scanning(Result):
    """Areas under the ROC curve of an ideal observer who does not know where the lesion is.

    Parameters
    ----------
    single, difference, joint : MonteCarloEstimate
        AUROC from the query alone, from query minus reference, and from both together, each with its MCSE.
    gain : MonteCarloEstimate
        Joint minus single, on the same simulated patients.
    """

    single: MonteCarloEstimate
    difference: MonteCarloEstimate
    joint: MonteCarloEstimate
    gain: MonteCarloEstimate


def scanning(
    signals: ArrayLike,
    covariance: ArrayLike,
    cross_covariance: ArrayLike,
    reference_covariance: ArrayLike | None = None,
    *,
    replicates: int = 20_000,
    seed: int | np.random.Generator = 0,
) -> Scanning:
    r"""Simulate the ideal observer of a lesion that may be at any of several places.

    Parameters
    ----------
    signals : array_like, shape (K, P)
        The lesion at each candidate place, equally probable.
    covariance, cross_covariance, reference_covariance : array_like, shape (P, P)
        Covariances of the query, of query (rows) and reference (columns), and of the reference, as `hotelling` takes them.
    replicates : int, default 20000
        Simulated patients of each class.
    seed : int or numpy.random.Generator, default 0
        Seed, or the generator that is drawn from.

    Returns
    -------
    Scanning
        AUROC of each observer, with MCSE.

    Raises
    ------
    InputError
        When shapes do not fit, or the matrices cannot be covariances of images.

    Notes
    -----
    The likelihood ratio averages over the places,

    .. math:: \Lambda = \frac1K \sum_k \exp\big(t_k - \tfrac12 G_{kk}\big), \qquad t_k = s_k^\top R^{-1} y, \quad G = S R^{-1} S^\top,

    with y the query, the difference, or the query minus its prediction from the reference, R its covariance, and the rows of S
    the signals. The K scores t are sufficient and jointly normal, :math:`t\sim N(G_{\cdot j}, G)` with the lesion at place j and
    :math:`N(0, G)` without, so they are drawn instead of images. One draw serves the three observers: with
    :math:`A_i = R_i^{-1}S^\top` the scores of observers i and j have covariance :math:`A_i^\top\mathrm{Cov}(y_i,y_j)A_j`.
    The MCSE is DeLong's (1988).
    """
    places = finite(signals, "signals")
    require(places.ndim == 2 and places.size, "signals: must be a table, one row of pixel values per candidate place")
    number = int(whole(replicates, "replicates", 2))
    grams, joint = score_covariance(places, covariance, cross_covariance, reference_covariance)
    rng, root = np.random.default_rng(seed), covariance_root(joint)
    healthy = _draw_log_ratios(grams, root, np.full(number, -1), rng)
    diseased = _draw_log_ratios(grams, root, rng.integers(len(places), size=number), rng)
    single, difference, both = (rank_auc(diseased[:, i], healthy[:, i]) for i in range(3))
    return Scanning(single.estimate(), difference.estimate(), both.estimate(), both.minus(single))


def score_covariance(
    places: Floats, covariance: ArrayLike, cross_covariance: ArrayLike, reference_covariance: ArrayLike | None
) -> tuple[Floats, Floats]:
    """Gram matrix of each observer, shape (3, K, K), and covariance of all scores together, (3 K, 3 K)."""
    from scipy.linalg import cho_solve

    residuals = _residuals(places.shape[1], covariance, cross_covariance, reference_covariance)
    templates = [cho_solve((_cholesky(residual, name), True), places.T, check_finite=False) for name, residual in residuals]
    single, difference, joint = (places @ template for template in templates)
    # Cov(y_joint, y) is the residual of y_joint for both others, since y_joint does not covary with the reference.
    crossed = templates[0].T @ (residuals[0][1] - np.asarray(cross_covariance, dtype=float)) @ templates[1]
    return np.stack([single, difference, joint]), np.block(
        [[single, crossed, single], [crossed.T, difference, difference], [single, difference, joint]]
    )


def _draw_log_ratios(grams: Floats, root: Floats, places: np.ndarray, rng: np.random.Generator) -> Floats:
    """Log-likelihood ratios of patients with the lesion at given places (-1: healthy), shape (patients, 3)."""
    from scipy.special import logsumexp

    count = grams.shape[1]
    present = (places >= 0)[:, None, None]
    drawn = []
    for part in np.array_split(np.arange(len(places)), max(1, len(places) * len(root) // 2**23)):  # 64 MiB of noise at a time
        noise = (rng.standard_normal((len(part), len(root))) @ root.T).reshape(len(part), 3, count)
        shift = np.moveaxis(grams[:, places[part], :], 1, 0) * present[part]
        half = np.diagonal(grams, axis1=1, axis2=2) / 2
        drawn.append(logsumexp(noise + shift - half, axis=2) - np.log(count))
    return np.concatenate(drawn)
