"""How many patients a paired comparison of accuracies needs, from the discordance and the correlation within patients."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from paper_figures.statistics.result import Result
from see_in_pairs.errors import InputError

FAR = 30.0  # with a larger noncentrality the power is 1 to the last digit


@dataclass(frozen=True, repr=False)
class PlanResult(Result):
    """Power and size of a paired comparison of accuracies."""

    patients: int
    items: int  # items of all of them
    power: float  # chance to reject equality at the level
    design_effect: float  # variance divided by that of the same number of independent items
    difference: float
    discordance: float  # share of items on which exactly one arm is right


def paired_power(
    patients: int,
    difference: float,
    discordance: float,
    images: float = 1.0,
    correlation: float = 0.0,
    size_variation: float = 0.0,
    alpha: float = 0.05,
) -> PlanResult:
    r"""Compute the power of a paired comparison of accuracies.

    Parameters
    ----------
    patients : int
        Number of patients, K, at least 2.
    difference : float
        True difference of the accuracies, A minus B.
    discordance : float
        Share of items on which exactly one arm is right; at least the size of `difference`.
    images : float, default 1
        Mean number of items per patient.
    correlation : float, default 0
        Correlation of the *differences* (1, 0, -1) of two items of a patient; difficulty that both arms share does not count.
    size_variation : float, default 0
        Coefficient of variation of the number of items per patient.
    alpha : float, default 0.05
        Two-sided level of the test.

    Returns
    -------
    PlanResult
        The power, with the number of items and the design effect.

    Raises
    ------
    InputError
        When the numbers do not fit each other.

    Notes
    -----
    With the variance of one item's difference under the alternative, :math:`\psi - \delta^2`, the design effect
    :math:`1 + [(1 + c^2)\, m - 1] \rho` (Kish; m items per patient with coefficient of variation c), the power is
    :math:`P(|T| > t_{1 - \alpha/2})` for t with K - 1 degrees of freedom and noncentrality
    :math:`\delta / \sqrt{(\psi - \delta^2)\, \mathrm{deff} / (K m)}`. A test compares it with the error-rate study's power of the
    cluster-robust t test; the sign-flip test has about the same with ten patients or more.

    Examples
    --------
    >>> round(paired_power(100, 0.1, 0.25, images=3, correlation=0.2).power, 2)
    0.84
    """
    _check(difference, discordance, images, correlation, size_variation, alpha)
    if patients < 2:
        raise InputError(f"patients: give at least 2, not {patients}")
    effect = 1 + ((1 + size_variation**2) * images - 1) * correlation
    error = math.sqrt((discordance - difference**2) * max(effect, 0.0) / (patients * images))
    noncentrality = abs(difference) / error if error else math.inf
    critical = float(special.stdtrit(patients - 1, 1 - alpha / 2))
    tails = [float(special.nctdtr(patients - 1, sign * min(noncentrality, FAR), -critical)) for sign in (1, -1)]
    power = 1.0 if noncentrality > FAR else sum(tails)
    return PlanResult(patients, round(patients * images), min(power, 1.0), effect, difference, discordance)


def patients_needed(
    difference: float,
    discordance: float,
    images: float = 1.0,
    correlation: float = 0.0,
    size_variation: float = 0.0,
    power: float = 0.8,
    alpha: float = 0.05,
) -> PlanResult:
    """Find the fewest patients with which a paired comparison of accuracies reaches a power.

    Parameters
    ----------
    difference, discordance : float
        True difference of the accuracies, not 0, and the share of items on which exactly one arm is right.
    images, correlation, size_variation : float
        Mean number of items per patient, correlation of two differences of a patient, and coefficient of variation of the number of
        items; by default 1, 0 and 0. See `paired_power`.
    power : float, default 0.8
        The power to reach, above `alpha` and below 1.
    alpha : float, default 0.05
        Two-sided level of the test.

    Returns
    -------
    PlanResult
        The number of patients, and the power that they give.

    Raises
    ------
    InputError
        When the numbers do not fit each other, or there is no difference to find.

    Examples
    --------
    >>> patients_needed(0.05, 0.2).patients
    622
    """
    _check(difference, discordance, images, correlation, size_variation, alpha)
    if difference == 0 or not alpha < power < 1:
        raise InputError(f"give a difference that is not 0 and a power between {alpha} and 1 (difference {difference}, power {power})")
    low, high = 1, 2
    plan = lambda patients: paired_power(patients, difference, discordance, images, correlation, size_variation, alpha)
    while plan(high).power < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if plan(middle).power >= power else (middle, high)
    return plan(high)


def _check(difference: float, discordance: float, images: float, correlation: float, size_variation: float, alpha: float) -> None:
    if not abs(difference) <= discordance <= 1 or discordance <= 0:
        raise InputError(f"discordance: give a share between |difference| and 1 (difference {difference!r}, discordance {discordance!r})")
    if not images >= 1 or not -1 <= correlation <= 1 or not size_variation >= 0 or not 0 < alpha < 1:
        raise InputError(
            f"give images of at least 1, a correlation in [-1, 1], size_variation not below 0 and a level between 0 and 1 "
            f"({images!r}, {correlation!r}, {size_variation!r}, {alpha!r})"
        )
