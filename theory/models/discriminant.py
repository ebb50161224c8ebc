r"""What a linear discriminant learns from few cases: its exact expected error by quadrature, by a series, and by training it.

Shared by T4 (learning curves) and T11 (unequal classes). The mean difference that is learned has, in whitened features, the
distribution :math:`N(\Delta e_1, hI_p)` with :math:`h = 1/n_1 + 1/n_0`; in polar coordinates its length L and its angle to the true
one are all that matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.special import betainc, gammaln, ndtr

from theory.numerics.montecarlo import covariance_root
from theory.numerics.quadrature import legendre
from theory.numerics.validation import Floats

FRESH_CASES = 20  # scored per training set: halves the cost of a given standard error for the sizes that are checked


def direction_rule(p: int, distance: float, h: float, nodes: int = 240) -> tuple[Floats, Floats, Floats]:
    r"""Quadrature over the learned mean difference: length L, cosine C with the true difference, and weights that sum to 1; all flat.

    Notes
    -----
    The density in polar coordinates is proportional to :math:`L^{p-1}\sin^{p-2}\theta\,\exp(-(L^2-2L\Delta\cos\theta+\Delta^2)/(2h))`.
    """
    x, w = legendre(nodes)
    if p == 1:
        return _signed_rule(distance, h, x, w)
    centre, reach = np.sqrt(distance**2 + (p - 1) * h), 10 * np.sqrt(h)
    low = max(0.0, centre - reach)
    # beyond 10 standard deviations of the length the density is below 1e-21 of its peak
    length, angle = (low + (centre + reach - low) * x)[:, None], (np.pi * x)[None, :]
    log_density = (p - 1) * np.log(length) + (p - 2) * np.log(np.sin(angle)) - (length**2 - 2 * length * distance * np.cos(angle)) / (2 * h)
    weights = w[:, None] * w[None, :] * np.exp(log_density - log_density.max())
    cosine = np.broadcast_to(np.cos(angle), weights.shape)
    return np.broadcast_to(length, weights.shape).ravel(), cosine.ravel(), (weights / weights.sum()).ravel()


def _signed_rule(distance: float, h: float, x: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """As `direction_rule` for one feature: the learned difference may have the wrong sign, so each sign is integrated separately."""
    reach = 12 * np.sqrt(h)
    low, high = distance - reach, distance + reach
    edges = [low, 0.0, high] if low < 0 < high else [low, high]
    learned = np.concatenate([start + (end - start) * x for start, end in pairwise(edges)])
    widths = np.concatenate([(end - start) * w for start, end in pairwise(edges)])
    weights = widths * np.exp(-np.square(learned - distance) / (2 * h))
    return np.abs(learned), np.sign(learned), weights / weights.sum()


def class_error(p: int, n1: int, n0: int, distance: float, cls: int) -> float:
    r"""Expected error in one class of the plug-in rule, covariance known (T4.3, T4.5):
    :math:`E\,\Phi\big(-\frac{\Delta C/2\mp\gamma(L-\Delta C)}{\sqrt{1+1/(n_1+n_0)}}\big)`, minus for class 1, with
    :math:`\gamma=\frac{n_0-n_1}{2(n_0+n_1)}`."""
    length, cosine, weights = direction_rule(p, distance, 1 / n1 + 1 / n0)
    gamma = (n0 - n1) / (2 * (n0 + n1)) * (1 if cls == 1 else -1)
    along = distance * cosine
    return float(weights @ ndtr(-(along / 2 - gamma * (length - along)) / np.sqrt(1 + 1 / (n1 + n0))))


def class_error_series(p: int, n1: int, n0: int, distance: float, cls: int) -> float:
    r"""As `class_error`, as a doubly noncentral F probability: a double Poisson series of incomplete beta functions.

    Notes
    -----
    With u the fresh case minus the midpoint of the learned means and v their difference, the case is called diseased iff
    :math:`u^\top v>0`. Coordinate by coordinate, :math:`uv=a y_1^2-b y_2^2` with :math:`y_1,y_2` independent normal of variance 1,
    so that :math:`P(u^\top v<0)=P(a\chi'^2_p(\lambda_1)<b\chi'^2_p(\lambda_2))`.
    """
    var_u, var_v, cov = 1 + (1 / n1 + 1 / n0) / 4, 1 / n1 + 1 / n0, -(1 / n1 - 1 / n0) / 2
    root = covariance_root([[var_u, cov], [cov, var_v]])
    scales, axes = np.linalg.eigh(root.T @ np.array([[0.0, 0.5], [0.5, 0.0]]) @ root)
    mean = np.linalg.solve(root, np.array([distance / 2 if cls == 1 else -distance / 2, distance]))
    against, towards = (axes.T @ mean) ** 2  # eigh sorts upwards: the negative scale comes first
    share = -scales[0] / (scales[1] - scales[0])
    below = _doubly_noncentral_f(p, towards, against, share)
    return below if cls == 1 else 1 - below


def _doubly_noncentral_f(p: int, towards: float, against: float, share: float) -> float:
    """P(chi'_p(towards) / (chi'_p(towards) + chi'_p(against)) < share), noncentralities summed by Poisson weights."""
    (j, of_j), (k, of_k) = _poisson(towards / 2), _poisson(against / 2)
    return float(of_j @ betainc(p / 2 + j[:, None], p / 2 + k[None, :], share) @ of_k)


def _poisson(mean: float) -> tuple[Floats, Floats]:
    spread = 12 * np.sqrt(mean) + 40
    k = np.arange(max(0, int(mean - spread)), int(mean + spread) + 1, dtype=np.float64)
    return k, np.exp(k * np.log(mean) - mean - gammaln(k + 1)) if mean > 0 else (k == 0).astype(np.float64)


def pooled_error(p: int, n: int, distance: float) -> float:
    r"""Expected error of the plug-in rule with pooled covariance, n cases per class (T4.4).

    Notes
    -----
    In the whitened space the learned direction makes with the learned mean difference an angle psi with
    :math:`\sin^2\psi\sim\mathrm{Beta}(\frac{p-1}2,\frac{\nu-p+2}2)`, :math:`\nu=2n-2`, in a uniformly random azimuth; the cosine
    to the true difference is :math:`\cos\theta\cos\psi+\sin\theta\sin\psi\cos\varphi`. This is T4.4 with :math:`(z,R,Q)` in polar form.
    """
    return _pooled_tail(p, n, distance, distance / (2 * np.sqrt(1 + 1 / (2 * n))))


def pooled_auroc(p: int, n: int, distance: float) -> float:
    r"""Expected AUROC of the rule of `pooled_error`: :math:`E\,\Phi(\Delta\cos/\sqrt2)`, the cosine being that to the best direction."""
    return 1 - _pooled_tail(p, n, distance, distance / np.sqrt(2))


def _pooled_tail(p: int, n: int, distance: float, scale: float) -> float:
    r"""Expected :math:`\Phi(-s\cos)` of the learned direction's cosine to the best one."""
    if p == 1:
        _, cosine, weights = direction_rule(p, distance, 2 / n)
        return float(weights @ ndtr(-scale * cosine))
    theta, of_theta = _angle_to_truth(p, distance, 2 / n)
    psi, of_psi = _sine_rule(p - 2, 2 * n - 1 - p, np.pi / 2, 80)
    azimuth, of_azimuth = (np.array([0.0, np.pi]), np.array([0.5, 0.5])) if p == 2 else _sine_rule(p - 3, 0, np.pi, 60)
    along, across = np.cos(theta)[:, None] * np.cos(psi), np.sin(theta)[:, None] * np.sin(psi)
    inner = ndtr(-scale * (along[..., None] + across[..., None] * np.cos(azimuth))) @ of_azimuth
    return float(of_theta @ inner @ of_psi)


def pooled_error_product(p: int, n: int, distance: float) -> float:
    r"""As `pooled_error`, by Gauss rules in the five variables of T4.4; good to 1e-5 where the degrees of freedom :math:`\nu-p+2` are not
    few."""
    if p == 1:
        z = -distance / np.sqrt(2 / n)  # the learned difference has the wrong sign with probability Phi(z)
        scale = distance / (2 * np.sqrt(1 + 1 / (2 * n)))
        return float(ndtr(-z) * ndtr(-scale) + ndtr(z) * ndtr(scale))
    scale = distance / (2 * np.sqrt(1 + 1 / (2 * n)))
    (d1, of_d1), (k, of_k) = _normal_rule(48), _chi_square_rule(p - 1, 24)
    learned = distance + np.sqrt(2 / n) * d1[:, None]
    cosine, of_cosine = (learned / np.sqrt(learned**2 + 2 / n * k)).ravel(), (of_d1[:, None] * of_k).ravel()
    (z, of_z), (q, of_q) = _normal_rule(20), _chi_square_rule(2 * n - p, 24)
    r, of_r = _chi_square_rule(p - 2, 10) if p > 2 else (np.zeros(1), np.ones(1))
    z, r, q = z[:, None, None], r[None, :, None], q[None, None, :]
    of_rest = (of_z[:, None, None] * of_r[None, :, None] * of_q[None, None, :]).ravel()
    tilt, stretch = (z / np.sqrt(q) + 0 * r).ravel(), np.sqrt(1 + (z * z + r) / q).ravel()
    sine = np.sqrt(1 - cosine**2)
    return float(sum(w * (of_rest @ ndtr(-scale * (c + s * tilt) / stretch)) for c, s, w in zip(cosine, sine, of_cosine, strict=True)))


def _normal_rule(nodes: int) -> tuple[Floats, Floats]:
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    return x, w / w.sum()


def _chi_square_rule(freedom: int, nodes: int) -> tuple[Floats, Floats]:
    from scipy.special import roots_genlaguerre

    x, w = roots_genlaguerre(nodes, freedom / 2 - 1)
    return 2 * x, w / w.sum()


def _angle_to_truth(p: int, distance: float, h: float) -> tuple[Floats, Floats]:
    """Quadrature over the angle between the learned and the true mean difference."""
    nodes = 160
    _, cosine, weights = direction_rule(p, distance, h, nodes)
    return np.arccos(cosine[:nodes]), weights.reshape(nodes, nodes).sum(axis=0)


def _sine_rule(sine_power: int, cosine_power: int, end: float, nodes: int) -> tuple[Floats, Floats]:
    """Quadrature over an angle in [0, end] with density sin^a cos^b."""
    x, w = legendre(nodes)
    angle = end * x
    log_density = sine_power * np.log(np.sin(angle)) + (cosine_power * np.log(np.abs(np.cos(angle))) if cosine_power else 0.0)
    weights = w * np.exp(log_density - log_density.max())
    return angle, weights / weights.sum()


def train_and_score(
    shift: Floats,
    covariance: Floats,
    cases: tuple[int, int],
    cov: str,
    replicates: int,
    rng: np.random.Generator,
    classes: Sequence[int] = (0, 1),
) -> Floats:
    """Train the plug-in rule on simulated training sets and score fresh cases: `shift` (p,), `covariance` (p, p); share of wrong ones
    (replicates,)."""
    root, p = covariance_root(covariance).T, len(shift)
    sets = [rng.standard_normal((replicates, n, p)) @ root + label * shift for label, n in enumerate(cases)]
    means = [images.mean(axis=1) for images in sets]
    learned = covariance if cov == "known" else _pooled(sets, means)
    direction = np.linalg.solve(np.broadcast_to(learned, (replicates, p, p)), (means[1] - means[0])[..., None])
    midpoint = ((means[0] + means[1])[:, None, :] / 2) @ direction
    wrong = []
    for label in classes:
        fresh = rng.standard_normal((replicates, FRESH_CASES // len(classes), p)) @ root + label * shift
        wrong.append(((fresh @ direction > midpoint)[..., 0]) != bool(label))
    return np.concatenate(wrong, axis=1).mean(axis=1)


def _pooled(sets: Sequence[Floats], means: Sequence[Floats]) -> Floats:
    centred = np.concatenate([images - mean[:, None, :] for images, mean in zip(sets, means, strict=True)], axis=1)
    return np.swapaxes(centred, 1, 2) @ centred / (centred.shape[1] - 2)
