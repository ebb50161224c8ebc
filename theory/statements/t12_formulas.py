r"""T12: further theorems about the weight, heavy tails, unequal references, and the power of a paired comparison.

======================== ===========================================================================================
quantity                 value
======================== ===========================================================================================
minimax_ratio_variance   :math:`1+(w-\rho)^2/(1-\rho^2)` at the minimax-ratio weight for :math:`\rho\in[l,u]`
learned_w_var            :math:`(1-\rho^2)(N-3)/(N-4)`: the price of learning w from N pairs
t_error                  :math:`F_{t_\nu}(-D_w/2)`: elliptical tails leave all orderings as they are
cauchy_shared_auc        a Voigt probability; :math:`\Phi(\delta/2)` at w = 1 for any shared nuisance
hetero_error             :math:`\Phi(-\delta/(2\sqrt v))`, :math:`v=\sigma_e^2+(1/A+\sum s_j^{-2})^{-1}`
circle_best_of_k         :math:`1/(2(k+1)(k+2))`
max_of_k                 :math:`E\max_k Z`: how much picking the best of k reference draws inflates a result
dAUC_sd                  DeLong's first-order s.d. of the difference of two paired AUROCs
pair_right_single_wrong  :math:`\Phi(D/2)-\Phi_2(d/2,D/2;r)`
======================== ===========================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, stdtr

from theory.numerics.gaussian import auc_of, error_of
from theory.numerics.quadrature import bivariate_normal_cdf, legendre, standard_normal
from theory.numerics.validation import Floats, correlation, finite, non_negative, positive, require, whole
from theory.statements import t1_univariate_rules as t1


def minimax_ratio_weight(l: ArrayLike, u: ArrayLike) -> Floats:  # noqa: E741
    r"""Weight that loses the least, relative to the optimum, for :math:`\rho\in[l,u]`:
    :math:`\frac{l\sqrt{1-u^2}+u\sqrt{1-l^2}}{\sqrt{1-l^2}+\sqrt{1-u^2}}`.

    Examples
    --------
    >>> float(minimax_ratio_weight(0.2, 0.6))
    0.42020
    """
    low, high = correlation(l, "l"), correlation(u, "u")
    require(low <= high, "l, u: the lower end must not exceed the upper one")
    of_low, of_high = np.sqrt(1 - low**2), np.sqrt(1 - high**2)
    return (low * of_high + high * of_low) / (of_low + of_high)


def minimax_ratio_variance(l: ArrayLike, u: ArrayLike, rho: ArrayLike) -> Floats:  # noqa: E741
    r"""Variance at the minimax-ratio weight, relative to the least: :math:`v(w)/(1-\rho^2) = 1+\frac{(w-\rho)^2}{1-\rho^2}`.

    Examples
    --------
    >>> float(minimax_ratio_variance(0.2, 0.6, 0.2))
    1.05051
    """
    rho = correlation(rho)
    return 1 + np.square(minimax_ratio_weight(l, u) - rho) / ((1 - rho) * (1 + rho))


def learned_w_var(rho: ArrayLike, N: ArrayLike) -> Floats:
    r"""Residual variance with a weight learned from N class-centred pairs: :math:`(1-\rho^2)\frac{N-3}{N-4}`.

    Examples
    --------
    >>> float(learned_w_var(0.6, 20))
    0.68
    """
    rho, total = correlation(rho), whole(N, "N", 5)
    return (1 - rho) * (1 + rho) * (total - 3) / (total - 4)


def t_error(nu: ArrayLike, d: ArrayLike, rho: ArrayLike, w: ArrayLike) -> Floats:
    r"""Balanced error when query and reference are jointly t-distributed: :math:`F_{t_\nu}(-D_w/2)`.

    Examples
    --------
    >>> float(t_error(3, 1.0, 0.7, 1.0))
    0.28229
    """
    return stdtr(positive(nu, "nu"), -t1.separation(d, rho, finite(w, "w")) / 2)


def cauchy_shared_auc(delta: ArrayLike, w: ArrayLike, scale: ArrayLike) -> Floats:
    r"""AUROC when query and reference share a Cauchy nuisance: :math:`P(V\le\delta)`, V Voigt with normal s.d. :math:`\sqrt{2(1+w^2)}` and
    half-width :math:`2|1-w|\gamma`.

    Notes
    -----
    By inverting the characteristic function, :math:`\frac12+\frac1\pi\int_0^\infty\frac{\sin\delta t}t e^{-\gamma't-\sigma'^2t^2/2}dt`.

    Examples
    --------
    >>> float(cauchy_shared_auc(2.0, 0.9, 1.0))
    0.83001
    """
    delta, w, scale = (value[..., None] for value in (finite(delta, "delta"), finite(w, "w"), non_negative(scale, "scale")))
    spread, width = np.sqrt(2 * (1 + w**2)), 2 * np.abs(1 - w) * scale
    x, weights = legendre(400)
    reach = np.minimum(9 / spread, 40 / np.maximum(width, 1e-300))  # beyond, the integrand is below 1e-17
    t = reach * x
    integrand = delta * np.sinc(delta * t / np.pi) * np.exp(-width * t - np.square(spread * t) / 2)
    return 0.5 + (reach * weights * integrand).sum(axis=-1) / np.pi


def hetero_error(A: float, sigma_e2: float, s2: Sequence[float], delta: float) -> Floats:
    r"""Balanced error of the optimal rule with references of unequal noise, which it weighs in proportion to :math:`s_j^{-2}`:
    :math:`\Phi(-\delta/(2\sqrt v))`, :math:`v=\sigma_e^2+\big(\frac1A+\sum_js_j^{-2}\big)^{-1}`.

    Examples
    --------
    >>> float(hetero_error(1.0, 0.5, [0.25, 1.0, 4.0], 1.5))
    0.17796
    """
    precision = 1 / positive(A, "A") + np.sum(1 / positive(s2, "s2"))
    return error_of(non_negative(delta, "delta") / np.sqrt(positive(sigma_e2, "sigma_e2") + 1 / precision))


def circle_best_of_k(k: ArrayLike) -> Floats:
    r"""Mean squared distance to the nearest of k random references on a circle of length one: :math:`\frac1{2(k+1)(k+2)}`."""
    k = whole(k, "k", 1)
    return 1 / (2 * (k + 1) * (k + 2))


def max_of_k(k: ArrayLike) -> Floats:
    r"""Mean of the largest of k standard normals: :math:`\int x\,k\,\Phi(x)^{k-1}\phi(x)\,dx`.

    Examples
    --------
    >>> float(max_of_k(5))
    1.16296
    """
    k = whole(k, "k", 1)[..., None]
    z, weights = standard_normal()
    return (weights * z * k * ndtr(z) ** (k - 1)).sum(axis=-1)


def score_correlation(rho: ArrayLike, w: ArrayLike) -> Floats:
    r"""Correlation of the single and the paired score within a class: :math:`r=(1-w\rho)/\sqrt{v(w)}`."""
    w = finite(w, "w")
    return np.clip((1 - w * correlation(rho)) / np.sqrt(t1.variance(rho, w)), -1, 1)


def dAUC_sd(d: ArrayLike, rho: ArrayLike, w: ArrayLike, n_per_class: ArrayLike) -> Floats:
    r"""Standard deviation of the paired minus the single AUROC (DeLong's first order, T12.8), with :math:`u_1=d/\sqrt2` and
    :math:`u_2=D_w/\sqrt2` the root of
    :math:`\frac2n[\Phi_2(u_1,u_1;\frac12)+\Phi_2(u_2,u_2;\frac12)-2\Phi_2(u_1,u_2;\frac r2)-(\Phi(u_2)-\Phi(u_1))^2]`.

    Examples
    --------
    >>> float(dAUC_sd(1.0, 0.6, 0.6, 100))
    0.02184
    """
    single, paired = (t1.separation(d, rho, weight) / np.sqrt(2) for weight in ("single", finite(w, "w")))
    mixed = bivariate_normal_cdf(single, paired, score_correlation(rho, w) / 2)
    own = bivariate_normal_cdf(single, single, 0.5) + bivariate_normal_cdf(paired, paired, 0.5)
    gain = auc_of(paired * np.sqrt(2)) - auc_of(single * np.sqrt(2))
    return np.sqrt(np.maximum(2 / whole(n_per_class, "n_per_class", 1) * (own - 2 * mixed - gain**2), 0.0))


def pair_right_single_wrong(d: ArrayLike, rho: ArrayLike, w: ArrayLike) -> Floats:
    r"""Probability that the paired rule is right where the single image is wrong: :math:`\Phi(\frac D2)-\Phi_2(\frac d2,\frac D2;r)`.

    Examples
    --------
    >>> float(pair_right_single_wrong(1.0, 0.6, 0.6))
    0.10983
    """
    single, paired = (t1.separation(d, rho, weight) / 2 for weight in ("single", finite(w, "w")))
    return ndtr(paired) - bivariate_normal_cdf(single, paired, score_correlation(rho, w))
