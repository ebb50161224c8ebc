r"""From logits to predictions: variance components of patients, references and seeds, correlations, and the expected gain (T10).

Crossed design, n patients of two classes x R references x S seeds:
:math:`L_{ijs}=\alpha+\beta Y_i+P_i+R_j+S_s+(PR)_{ij}+(PS)_{is}+(RS)_{js}+\epsilon_{ijs}`. Components are estimated from the mean
squares (Searle, Casella and McCulloch 1992): unbiased, and reported as they are when negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtri, ndtr, ndtri, stdtrit

from see_in_pairs.display import Result
from see_in_pairs.errors import InputError
from theory.numerics.gaussian import auc_of, normal_density
from theory.numerics.validation import Floats, correlation, finite, non_negative, require, whole

if TYPE_CHECKING:
    import pandas as pd

COMPONENTS = ("P", "PR", "PS", "E")
ROUNDING = 1e-12  # of the scores: what subtracting their mean leaves where all are the same


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, repr=False)
class VarianceComponents(Result):
    """Variances of a logit within a class, by source.

    Parameters
    ----------
    P, PR, PS, E : float
        Variance between patients; of patient by reference (reference within patient, where references are nested); of patient by seed;
        and of the rest. An estimate may be negative.
    beta : float
        Mean logit of diseased minus healthy patients.
    """

    P: float
    PR: float
    PS: float
    E: float
    beta: float

    def auc(self, references: int, seeds: int) -> float:
        """Predict the AUROC of the logit averaged over references and seeds.

        Parameters
        ----------
        references, seeds : int
            How many of each the logit is averaged over.

        Returns
        -------
        float
            The AUROC; NaN where the components add up to a negative variance.
        """
        return float(averaged_auc(self.beta, references, seeds, {name: getattr(self, name) for name in COMPONENTS}))


def averaged_variance(R: ArrayLike, S: ArrayLike, var: dict[str, float]) -> Floats:
    r"""Variance of a logit averaged over R references and S seeds: :math:`\sigma_P^2+\sigma_{PR}^2/R+\sigma_{PS}^2/S+\sigma_E^2/(RS)`."""
    R, S = whole(R, "R", 1), whole(S, "S", 1)
    return var["P"] + var["PR"] / R + var["PS"] / S + var["E"] / (R * S)


def averaged_auc(beta: ArrayLike, R: ArrayLike, S: ArrayLike, var: dict[str, float]) -> Floats:
    r"""AUROC of a logit averaged over references and seeds that all patients share: :math:`\Phi(\beta/\sqrt{2V})`; main effects common to
    all patients cancel.

    Examples
    --------
    >>> float(averaged_auc(1.5, 4, 2, {"P": 1, "PR": 0.6, "PS": 0.2, "E": 0.4}))
    0.82388
    """
    variance = averaged_variance(R, S, var)
    with np.errstate(invalid="ignore"):
        return auc_of(finite(beta, "beta") / np.sqrt(variance))


def mean_squares(logits: ArrayLike, labels: ArrayLike) -> dict[str, Floats]:
    """Mean squares ``P, PR, PS, E`` of a crossed design after centring within class: `logits` (..., patients, references, seeds), `labels`
    (patients,)."""
    values, diseased = _checked_design(logits, labels)
    n, R, S = values.shape[-3:]
    patient, by_reference, by_seed, rest = _effects(_centred(values, diseased))  # n - 2 below: a mean of each class was subtracted
    return {
        "P": _mean_square(patient, R * S, n - 2),
        "PR": _mean_square(by_reference, S, (n - 2) * (R - 1)),
        "PS": _mean_square(by_seed, R, (n - 2) * (S - 1)),
        "E": _mean_square(rest, 1, (n - 2) * (R - 1) * (S - 1)),
    }


def nested_mean_squares(logits: ArrayLike, labels: ArrayLike) -> dict[str, Floats]:
    """As `mean_squares`, where every patient has its own references: ``PR`` is reference within patient, and ``PR`` and ``E`` have n
    instead of n - 2 degrees of freedom."""
    values, diseased = _checked_design(logits, labels)
    n, R, S = values.shape[-3:]
    patient, _, by_seed, _ = _effects(_centred(values, diseased))
    # no reference has a class mean to subtract here: each belongs to one patient, about whose own mean it varies
    _, by_reference, _, rest = _effects(values)
    return {
        "P": _mean_square(patient, R * S, n - 2),
        "PR": _mean_square(by_reference, S, n * (R - 1)),
        "PS": _mean_square(by_seed, R, (n - 2) * (S - 1)),
        "E": _mean_square(rest, 1, n * (R - 1) * (S - 1)),
    }


def _checked_design(logits: ArrayLike, labels: ArrayLike) -> tuple[Floats, np.ndarray]:
    values, diseased = finite(logits, "logits"), np.asarray(labels, dtype=bool)
    require(
        values.ndim >= 3 and values.shape[-3] == len(diseased),
        "logits: must have axes patients, references, seeds; labels: one per patient",
    )
    require(min(values.shape[-2:]) >= 2, "logits: give at least two references and two seeds, to tell the components apart")
    require(min(diseased.sum(), (~diseased).sum()) >= 2, "labels: give at least two patients of each class")
    return values, diseased


def _centred(values: Floats, diseased: np.ndarray) -> Floats:
    """Logits minus the class mean of each reference and seed."""
    centred = values.copy()
    for label in (False, True):
        centred[..., diseased == label, :, :] -= centred[..., diseased == label, :, :].mean(axis=-3, keepdims=True)
    return centred


def _effects(values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Parts of the logits within each patient: patient, reference, seed and rest."""
    patient = values.mean(axis=(-2, -1), keepdims=True)
    by_reference, by_seed = values.mean(axis=-1, keepdims=True) - patient, values.mean(axis=-2, keepdims=True) - patient
    return patient, by_reference, by_seed, values - patient - by_reference - by_seed


def _mean_square(effect: Floats, copies: int, freedom: int) -> Floats:
    return copies * np.square(effect).sum(axis=(-3, -2, -1)) / freedom


def solve_components(squares: dict[str, Floats], R: int, S: int) -> dict[str, Floats]:
    """Components ``P, PR, PS, E`` whose expected mean squares are the given ones; unbiased, so they may be negative."""
    return {
        "P": (squares["P"] - squares["PR"] - squares["PS"] + squares["E"]) / (R * S),
        "PR": (squares["PR"] - squares["E"]) / S,
        "PS": (squares["PS"] - squares["E"]) / R,
        "E": squares["E"],
    }


def crossed_components(logits: ArrayLike, labels: ArrayLike) -> VarianceComponents:
    """Estimate the variance components of a crossed design.

    Parameters
    ----------
    logits : array_like, shape (patients, references, seeds)
        Logits of every patient with every reference and every seed.
    labels : array_like of bool, shape (patients,)
        Which patients are diseased.

    Returns
    -------
    VarianceComponents
        Unbiased estimates, which may be negative.

    Raises
    ------
    InputError
        When the design is too small.
    """
    return _components(mean_squares(logits, labels), logits, labels)


def nested_components(logits: ArrayLike, labels: ArrayLike) -> VarianceComponents:
    """Estimate the variance components where every patient has references of its own.

    Parameters
    ----------
    logits : array_like, shape (patients, references, seeds)
        Logits of every patient with each of its own references and every seed.
    labels : array_like of bool, shape (patients,)
        Which patients are diseased.

    Returns
    -------
    VarianceComponents
        The estimates; ``PR`` is the variance of references within a patient, main effects included.

    Raises
    ------
    InputError
        When the design is too small.
    """
    return _components(nested_mean_squares(logits, labels), logits, labels)


def _components(squares: dict[str, Floats], logits: ArrayLike, labels: ArrayLike) -> VarianceComponents:
    values, diseased = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=bool)
    found = solve_components(squares, *values.shape[-2:])
    beta = values[diseased].mean() - values[~diseased].mean()
    return VarianceComponents(**{name: float(found[name]) for name in COMPONENTS}, beta=float(beta))


def bootstrap_components(
    logits: ArrayLike, labels: ArrayLike, replicates: int = 2000, seed: int | np.random.Generator = 0, level: float = 0.95
) -> dict[str, Interval]:
    """Percentile intervals of ``P, PR, PS, E`` by resampling patients within class; references and seeds are held fixed. `logits`
    (patients, references, seeds), `labels` (patients,).

    Notes
    -----
    Among :math:`n_c` patients drawn with replacement from a class, some are drawn twice. Their expected variance about their mean is
    :math:`1 - 1/n_c` of the variance in the class. So their logits are stretched by the root of the inverse of this factor. Without that,
    the variance would be 2 % too low with 50 patients of each class.
    """
    values, diseased = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=bool)
    estimate, rng = crossed_components(values, diseased), np.random.default_rng(seed)
    healthy, sick = np.flatnonzero(~diseased), np.flatnonzero(diseased)
    order = np.concatenate([np.zeros(len(healthy), bool), np.ones(len(sick), bool)])
    stretch = np.sqrt(np.concatenate([np.full(n, n / (n - 1)) for n in (len(healthy), len(sick))]))[:, None, None]
    drawn: dict[str, list[float]] = {name: [] for name in COMPONENTS}
    for _ in range(replicates):
        chosen = np.concatenate([rng.choice(healthy, len(healthy)), rng.choice(sick, len(sick))])
        for name, value in solve_components(mean_squares(stretch * values[chosen], order), *values.shape[-2:]).items():
            drawn[name].append(float(value))
    tails = ((1 - level) / 2, (1 + level) / 2)
    return {name: Interval(getattr(estimate, name), *(float(q) for q in np.quantile(drawn[name], tails))) for name in COMPONENTS}


def logits_of(table: pd.DataFrame, value: str = "logit") -> tuple[Floats, np.ndarray]:
    """Long table of logits as a crossed design: logits (patients, references, seeds), and which patients are diseased."""
    keys = ["patient_id", "reference_id", "seed"]
    missing = [name for name in (*keys, "label", value) if name not in table.columns]
    require(not missing, f"table of logits: has no column {', '.join(missing)}")
    ordered = table.sort_values(keys)
    shape = tuple(ordered[key].nunique() for key in keys)
    if len(ordered) != np.prod(shape) or ordered.duplicated(keys).any():
        raise InputError(
            f"table of logits: {len(ordered)} rows for {' x '.join(map(str, shape))} patients x references x seeds; each must occur once"
        )
    labels = ordered["label"].to_numpy(dtype=bool).reshape(shape)
    require(labels == labels[:, :1, :1], "table of logits: a patient has two different labels")
    return ordered[value].to_numpy(dtype=np.float64).reshape(shape), labels[:, 0, 0]


def paired_correlation(
    query: ArrayLike, reference: ArrayLike, labels: ArrayLike, level: float = 0.95, references: ArrayLike | None = None
) -> Interval:
    r"""Within-class correlation of query and reference scores, with interval :math:`\tanh(\mathrm{atanh}\,\hat\rho\pm z/\sqrt{\nu-2})` on
    :math:`\nu=n-2` degrees of freedom; wider where queries share `references`, given by the images' ids (T10.3a)."""
    scores, diseased = np.stack([finite(query, "query"), finite(reference, "reference")]), np.asarray(labels, dtype=bool)
    require(
        scores.shape[1] >= 5 and min(diseased.sum(), (~diseased).sum()) >= 2,
        "labels: give at least five pairs, and at least two of each class",
    )
    magnitude = np.abs(scores).max(axis=1)
    for label in (False, True):
        scores[:, diseased == label] -= scores[:, diseased == label].mean(axis=1, keepdims=True)
    spread = np.sqrt(np.square(scores).sum(axis=1))
    require(spread > ROUNDING * magnitude, "query, reference: scores do not vary within class, so they have no correlation")
    estimate = float(np.clip(scores[0] @ scores[1] / spread.prod(), -1, 1))
    half = float(ndtri((1 + level) / 2)) / np.sqrt(scores.shape[1] - 4)  # nu - 2, where nu = n - 2: each class has its own mean
    if references is not None:
        half = _shared_half(scores / spread[:, None], estimate, np.unique(np.asarray(references), return_inverse=True)[1], level, half)
    with np.errstate(divide="ignore"):  # a correlation of 1 has the interval [1, 1]
        return Interval(estimate, *(float(np.tanh(np.arctanh(estimate) + side * half)) for side in (-1, 1)))


def _shared_half(scores: Floats, estimate: float, codes: np.ndarray, level: float, half: float) -> float:
    """Half the interval of atanh rho with shared references: the variance of sums over each reference, and Student's t on their effective
    number (of equally used references) minus one. It is at least `half`, the value where each query has its own references."""
    used = np.bincount(codes)
    if used.max() == 1:
        return half
    effective = codes.size**2 / np.square(used).sum()
    influence = scores.prod(axis=0) - estimate * np.square(scores).sum(axis=0) / 2
    inflation = np.square(np.bincount(codes, influence)).sum() / max(np.square(influence).sum(), ROUNDING**2) * used.size / (used.size - 1)
    wider = stdtrit(max(effective - 1, 1.0), (1 + level) / 2) * np.sqrt(max(inflation, 1.0) / (codes.size - 4))
    return max(half, float(wider))


def intraclass_correlation(groups: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats, Floats]:
    r"""Intraclass correlation of groups of k scores, shape (..., groups, k), with its exact interval (Donner 1986; Shrout and Fleiss 1979):
    :math:`\frac{MSB-MSW}{MSB+(k-1)MSW}`, and for the ends the same with F divided by its upper and lower quantile."""
    scores = finite(groups, "groups")
    require(scores.ndim >= 2 and min(scores.shape[-2:]) >= 2, "groups: give at least two groups of at least two scores")
    count, k = scores.shape[-2:]
    means = scores.mean(axis=-1)
    ratio = k * means.var(axis=-1, ddof=1) / (scores.var(axis=-1, ddof=1).mean(axis=-1))
    upper, lower = (fdtri(count - 1, count * (k - 1), quantile) for quantile in ((1 + level) / 2, (1 - level) / 2))

    def _transform(f: Floats) -> Floats:
        return (f - 1) / (f + k - 1)

    return _transform(ratio), _transform(ratio / upper), _transform(ratio / lower)


def auc_gain(d: ArrayLike, rho: ArrayLike) -> Floats:
    r"""Gain in AUROC of the ideal observer from a reference:
    :math:`G=\Phi\big(\frac d{\sqrt{2(1-\rho^2)}}\big)-\Phi\big(\frac d{\sqrt2}\big)`.

    Examples
    --------
    >>> float(auc_gain(1.0, 0.6))
    0.05137
    """
    d, rho = non_negative(d, "d"), correlation(rho)
    return ndtr(d / np.sqrt(2 * (1 - rho) * (1 + rho))) - ndtr(d / np.sqrt(2))


def sampling_moments(d: ArrayLike, rho: ArrayLike, n1: ArrayLike, n0: ArrayLike) -> tuple[Floats, Floats, Floats]:
    r"""First-order :math:`\mathrm{Var}(\hat d)`, :math:`\mathrm{Var}(\hat\rho)` and their covariance, n1 diseased and n0 healthy (T10)."""
    d, rho, n1, n0 = (np.asarray(value, dtype=np.float64) for value in (d, rho, n1, n0))
    left, freedom = (1 - rho) * (1 + rho), n1 + n0 - 2
    return 1 / n1 + 1 / n0 + d**2 / (2 * freedom), left**2 / freedom, -d * rho * left / (2 * freedom)


def gain_standard_error(d: ArrayLike, rho: ArrayLike, n1: ArrayLike, n0: ArrayLike) -> Floats:
    r"""Delta-method standard error of the plug-in gain, from the gradient of G and the covariance of :math:`(\hat d,\hat\rho)`, which is
    not diagonal: both contain the query variance.

    Examples
    --------
    >>> float(gain_standard_error(1.0, 0.6, 100, 100))
    0.01017
    """
    d, rho, n1, n0 = non_negative(d, "d"), correlation(rho), whole(n1, "n1", 2), whole(n0, "n0", 2)
    left = (1 - rho) * (1 + rho)
    u = d / np.sqrt(2 * left)
    by_d = normal_density(u) / np.sqrt(2 * left) - normal_density(d / np.sqrt(2)) / np.sqrt(2)
    by_rho = normal_density(u) * d * rho / (np.sqrt(2) * left**1.5)
    var_d, var_rho, cov = sampling_moments(d, rho, n1, n0)
    return np.sqrt(by_d**2 * var_d + by_rho**2 * var_rho + 2 * by_d * by_rho * cov)
