r"""Evidence before a study: a correlation, variance components, or the scores of a pilot.

Each yields `theory.power.analysis.Separations` with their uncertainty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from see_in_pairs.errors import InputError
from theory.models.variance_components import COMPONENTS, averaged_variance, sampling_moments
from theory.numerics.validation import Floats, correlation, finite, non_negative, one_of, positive, require, whole
from theory.power.analysis import EffectMeasure, Separations
from theory.statements.t2_several_references import mean_variance
from theory.statements.t13_leak_law import leaked_separation, leaked_weight

RULES = ("optimal", "difference")
NAN = float("nan")
ASSUMED = "assumed, not measured: no interval"
NOTHING_LEFT = "rho, rho_rr, m: with these values the references would determine a healthy query exactly"
_Z = float(ndtri(0.975))
_WHOLE_LEAK = 0.999  # a plan needs references that do not carry the whole signal, or its opposite


def correlation_from_variances(shared: float, own: float, noise: float = 0.0, seeds: int = 1) -> float:
    r"""Correlation of query and reference from variances of single-image scores: :math:`\rho=\frac{A}{A+E+\mathcal N/S}`; noise attenuates
    it (T10).

    Examples
    --------
    >>> correlation_from_variances(3.0, 1.0, noise=1.0)
    0.6
    """
    total = (
        non_negative(shared, "shared variance")
        + non_negative(own, "own variance")
        + non_negative(noise, "noise") / whole(seeds, "seeds", 1)
    )
    require(total > shared, "own variance: query and reference would be identical; give an own variance or noise above 0")
    return float(shared / total)


@dataclass(frozen=True)
class Known:
    """Separations that are taken as they are."""

    separations: Separations

    def interval(self, measure: EffectMeasure) -> tuple[float, float, str]:
        """NaN twice: nothing was measured."""
        return NAN, NAN, ASSUMED

    def spread(self, quantity: Callable[[Separations], Floats]) -> tuple[float, float]:
        """NaN twice."""
        return NAN, NAN


def known_components(
    d: float, beta: float, components: Mapping[str, float], m: int = 1, seeds: int = 1, score_correlation: float = NAN
) -> Known:
    r"""Take the separation of the pair from the variance components of its logits.

    Parameters
    ----------
    d : float
        Separation of the single-image score.
    beta : float
        Mean paired logit of diseased minus healthy patients.
    components : mapping of str to float
        Variances ``P``, ``PR``, ``PS``, ``E`` of the paired logit, as from `theory.models.variance_components.crossed_components`.
    m, seeds : int, default 1
        Numbers of references and of seeds that the logit is averaged over.
    score_correlation : float, optional
        Correlation of single and paired score within a class; without it no number of patients can be given.

    Returns
    -------
    Known
        :math:`D_2=\beta/\sqrt{\sigma_P^2+\sigma_{PR}^2/m+\sigma_{PS}^2/S+\sigma_E^2/(mS)}` (T10).

    Raises
    ------
    InputError
        When a component is missing or they add up to no variance.
    """
    if set(components) != set(COMPONENTS):
        raise InputError(f"components: give exactly {', '.join(COMPONENTS)}")
    require(not any(isinstance(value, bool) for value in components.values()), "components: give numbers, not true or false")
    var = {name: float(finite(value, f"components.{name}")) for name, value in components.items()}
    total = float(averaged_variance(m, seeds, var))
    require(total > 0, "components: must add up to a positive variance")
    return Known(Separations(d, float(positive(beta, "beta")) / np.sqrt(total), score_correlation))


@dataclass(frozen=True, kw_only=True)
class Correlation:
    r"""A correlation of query and reference, measured or assumed (T1, T2, T10).

    Parameters
    ----------
    d : float
        Separation of the single-image score, above 0.
    rho : float
        Correlation of query and reference scores within a class.
    m, rho_rr : int, default 1, and float, optional
        Number of references, and their correlation with each other (`rho` when not given).
    rule : {'optimal', 'difference'}
        Whether the references are given their best weight or subtracted.
    measured : tuple of int, optional
        Diseased and healthy patients on whom `d` and `rho` were measured.
    rho_interval : tuple of float, optional
        95 % interval of `rho`, where it was measured otherwise.
    leak : float, default 0
        Share of the signal that references carry (T13), strictly between -1 and 1; 0 where A2 holds.
    leak_interval : tuple of float, optional
        95 % interval of the leak, where it was measured; the part of it between -1 and 1 is used.

    Raises
    ------
    InputError
        When no images can have these parameters.

    Notes
    -----
    Where `d` and `rho` were measured, the interval of the gain is the delta method's (T10) with the covariance
    :math:`-d\rho(1-\rho^2)/(2\nu)`. It degenerates near :math:`\rho=0` (with a leak, near :math:`\rho=s`). Where the interval of rho
    contains that value, its ends are mapped through the gain instead. The same is done for a given `rho_interval`, and for the patients
    needed.

    A leak without an interval is held fixed. One with an interval is taken as measured independently of d and rho: the distance of each
    end from the gain is the root of the sum of squares of the distance due to d and rho (the leak fixed) and that due to the leak (d and
    rho fixed), as Zou and Donner (2008), *Statistics in Medicine* 27:1693, combine intervals; no end lies beyond what both intervals
    allow together. The range of the patients needed is over both intervals.
    """

    d: float
    rho: float
    m: int = 1
    rho_rr: float | None = None
    rule: str = "optimal"
    measured: tuple[int, int] | None = None
    rho_interval: tuple[float, float] | None = None
    leak: float = 0.0
    leak_interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        positive(self.d, "d")
        one_of(self.rule, "rule", RULES)
        require(np.abs(finite(self.leak, "leak")) < 1, f"leak = {self.leak}: must be strictly between -1 and 1")
        g = mean_variance(self.m, self._between_references(correlation(self.rho)), self.rho)
        require(self._variance(self.rho, g, self._weight(self.rho, g)) > 1e-9, NOTHING_LEFT)
        if self.measured is not None:
            whole(self.measured, "measured", 3)
        if self.rho_interval is not None:
            require(self.measured is None, "rho interval: give it, or the patients it was measured on, not both")
            low, high = correlation(self.rho_interval, "rho interval")
            require(low <= self.rho <= high, f"rho interval: {low} to {high} does not contain rho = {self.rho}")
        if self.leak_interval is not None:
            low, high = self.leak_interval
            require(low <= self.leak <= high, f"leak interval: {low} to {high} does not contain the leak = {self.leak}")

    @property
    def separations(self) -> Separations:
        """Separations at the given d and rho."""
        return self._at(self.rho)

    def _between_references(self, rho: ArrayLike) -> ArrayLike:
        return rho if self.rho_rr is None else self.rho_rr

    def _weight(self, rho: ArrayLike, g: Floats, leak: ArrayLike | None = None) -> Floats:
        return leaked_weight(rho, self.leak if leak is None else leak, np.maximum(g, np.square(rho) + 1e-300), self.rule)

    @staticmethod
    def _variance(rho: ArrayLike, g: Floats, weight: Floats) -> Floats:
        return 1 - 2 * weight * np.asarray(rho) + np.square(weight) * g

    def _at(self, rho: ArrayLike, leak: ArrayLike | None = None) -> Separations:
        g = mean_variance(self.m, self._between_references(rho), rho)
        weight = self._weight(rho, g, leak)
        v = self._variance(rho, g, weight)
        pair = leaked_separation(self.d, rho, self.leak if leak is None else leak, self.rule, self.m, self.rho_rr)
        return Separations(self.d + 0 * v, pair, np.clip((1 - weight * np.asarray(rho)) / np.sqrt(v), -1, 1))

    def ends(self) -> tuple[float, float] | None:
        r"""Compute the interval of rho.

        Returns
        -------
        tuple of float or None
            Ends as given, or :math:`\tanh(\mathrm{atanh}\,\rho\pm z/\sqrt{\nu-2})` with :math:`\nu=n_1+n_0-2` (T10).
        """
        if self.measured is None:
            return self.rho_interval
        half = _Z / np.sqrt(sum(self.measured) - 4) if sum(self.measured) > 4 else np.inf
        low, high = np.tanh(np.arctanh(self.rho) + np.array([-half, half]))
        return float(low), float(high)

    def interval(self, measure: EffectMeasure) -> tuple[float, float, str]:
        """Bound the gain.

        Parameters
        ----------
        measure : EffectMeasure
            Measure in which the gain is expressed, for example AUROC.

        Returns
        -------
        tuple of float, float, str
            Ends of the 95 % interval, NaN where nothing was measured, and the method.
        """
        rho, leak, gain = self.ends(), self._leak_ends(), float(measure.gain(self.separations))
        if rho is None and leak is None:
            return NAN, NAN, ASSUMED
        fixed = f" (leak {self.leak:.3f} held fixed)" if self.leak and leak is None else ""
        low, high, how = gain, gain, "rho assumed"
        by_delta = None  # patients of the delta method, where it is used
        if rho is not None:
            # the delta method fails where the gain may be at its minimum, rho = leak
            reached = (self.leak, self.leak) if leak is None else leak
            by_delta = self.measured if self.rule == "difference" or rho[1] < reached[0] or reached[1] < rho[0] else None
            if by_delta is not None:
                half = _Z * self.standard_error(measure)
                low, high = gain - half, gain + half
                how = f"delta method, {by_delta[0]} diseased and {by_delta[1]} healthy{fixed}"
            else:
                low, high = self._range(measure.gain, rho, None)
                how = f"rho from {rho[0]:.3f} to {rho[1]:.3f} mapped through the gain, d held fixed{fixed}"
        if leak is None:
            return low, high, how
        by_leak, widest = self._range(measure.gain, None, leak), self._range(measure.gain, rho, leak)
        bottom, top = gain - float(np.hypot(gain - low, gain - by_leak[0])), gain + float(np.hypot(high - gain, by_leak[1] - gain))
        if by_delta is None:  # the delta method lets d vary too; these two intervals do not
            bottom, top = max(bottom, widest[0]), min(top, widest[1])
        return bottom, top, f"{how}, and the leak from {leak[0]:.3f} to {leak[1]:.3f}"

    def spread(self, quantity: Callable[[Separations], Floats]) -> tuple[float, float]:
        """Bound any function of the separations over the intervals of rho and of the leak.

        Parameters
        ----------
        quantity : callable
            Function of a `Separations`, vectorised over its values.

        Returns
        -------
        tuple of float
            Smallest and largest value over the possible part of the intervals, the leak included where it lies in that of rho; NaN without
            an interval.
        """
        rho, leak = self.ends(), self._leak_ends()
        return (NAN, NAN) if rho is None and leak is None else self._range(quantity, rho, leak)

    def _leak_ends(self) -> tuple[float, float] | None:
        """Interval of the leak, as far as it lies between -1 and 1."""
        if self.leak_interval is None:
            return None
        low, high = self.leak_interval
        return max(low, -_WHOLE_LEAK), min(high, _WHOLE_LEAK)

    def _range(
        self, quantity: Callable[[Separations], Floats], rho: tuple[float, float] | None, leak: tuple[float, float] | None
    ) -> tuple[float, float]:
        """Range of a function over an interval of rho, of the leak, or of both."""
        # not only the ends: a gain has its minimum at rho = leak, which can lie inside
        fine = 401 if rho is None or leak is None else 81
        rhos = np.array([self.rho]) if rho is None else np.unique(np.append(np.linspace(*rho, fine), self.rho))
        leaks = np.array([self.leak]) if leak is None else np.unique(np.append(np.linspace(*leak, fine), self.leak))
        equal = np.unique(np.concatenate([rhos, leaks]))
        equal = equal[(equal >= rhos[0]) & (equal <= rhos[-1]) & (equal >= leaks[0]) & (equal <= leaks[-1])]
        grid = np.stack(np.meshgrid(rhos, leaks)).reshape(2, -1)
        found = self._possible(*np.hstack([grid, np.stack([equal, equal])]))
        values = quantity(self._at(*found))
        return float(np.min(values)), float(np.max(values))

    def _possible(self, rho: Floats, leak: Floats) -> tuple[Floats, Floats]:
        """Pairs of correlation and leak that images can have (T2.4), where the references do not determine a healthy query."""
        between = np.broadcast_to(self._between_references(rho), rho.shape)
        g = (1 + (self.m - 1) * between) / self.m
        kept = (g - np.square(rho) > 1e-6) & (np.abs(rho) < 1) & (g - rho * leak > 1e-6)
        return rho[kept], leak[kept]

    def standard_error(self, measure: EffectMeasure) -> float:
        r"""Compute the delta-method standard error of the gain.

        Parameters
        ----------
        measure : EffectMeasure
            Measure in which the gain is expressed, for example AUROC.

        Returns
        -------
        float
            From :math:`\mathrm{Var}(\hat d)`, :math:`\mathrm{Var}(\hat\rho)` and their covariance (T10), on the patients of `measured`.

        Raises
        ------
        InputError
            When `measured` was not given.

        Examples
        --------
        >>> from theory.power.analysis import StudyDesign, measures
        >>> Correlation(d=1.0, rho=0.6, measured=(100, 100)).standard_error(measures(StudyDesign())["auc"])
        0.01017
        """
        if self.measured is None:
            raise InputError("measured: say on how many patients d and rho were measured")
        n1, n0 = self.measured
        var_d, var_rho, cov = sampling_moments(self.d, self.rho, n1, n0)
        by_d, by_rho = self._gradient(measure)
        return float(np.sqrt(by_d**2 * var_d + by_rho**2 * var_rho + 2 * by_d * by_rho * cov))

    def _gradient(self, measure: EffectMeasure) -> tuple[float, float]:
        g = mean_variance(self.m, self._between_references(self.rho), self.rho)
        weight, pair = float(self._weight(self.rho, g)), float(self.separations.pair)
        # of v = 1 - 2 w rho + w^2 g by rho; at the best weight its own change does not count (T2.2)
        slope = -2 * weight + weight**2 * ((self.m - 1) / self.m if self.rho_rr is None else 0.0)
        by_rho = measure.slope(pair) * -pair * slope / (2 * float(self._variance(self.rho, g, np.asarray(weight))))
        return float(measure.slope(pair) * pair / self.d - measure.slope(self.d)), float(by_rho)
