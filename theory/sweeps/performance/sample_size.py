r"""Number of replicates for a wanted Monte Carlo standard error: the formulas of the MCSEs, inverted.

Every MCSE is :math:`\sqrt{V/n}` for large n, with a unit variance V that depends on the measure:

========================= ====================================================== =================================
measure                   V                                                      what it needs
========================= ====================================================== =================================
bias                      :math:`S^2`                                            `sd`
relative_bias             :math:`S^2/\theta^2`                                   `sd`, `truth`
empirical_se              :math:`S^2(\kappa-1)/4`                                `sd`, [`kurtosis`]
mse                       :math:`S^4(\kappa-1)+4b\gamma S^3+4b^2S^2`             `sd`, [`bias, skewness, kurtosis`]
rmse                      V of the MSE / (4 MSE)                                 the same
coverage and other shares :math:`p(1-p)`                                         [`share`]
model_se                  :math:`M^2c^2/4`                                       `model_se`, `cv`
relative_se_error         :math:`(M/S)^2(c^2+\kappa-1)/4`                        [`ratio, cv, kurtosis`]
relative_precision        :math:`4g^2(1-r^2)` (normal)                           [`ratio, correlation`]
========================= ====================================================== =================================

S is the standard deviation of the estimates, b their bias, :math:`\gamma` and :math:`\kappa` their skewness and kurtosis (0 and 3 unless
given: the normal's), M the model SE, c the coefficient of variation of the *squared* standard errors (:math:`\sqrt{2/\nu}` on
:math:`\nu` degrees of freedom), g a ratio of variances, r the correlation of two methods. These are Morris, White and Crowther's (2019)
formulas with the kurtosis left open. A share that is not given is taken as one half, the worst case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError, did_you_mean
from theory.numerics.validation import finite, positive
from theory.sweeps.performance.measures import MEASURES

if TYPE_CHECKING:
    import pandas as pd

SHARES = ("coverage", "bias_eliminated_coverage", "power", "type_1_error")
NORMAL = {"bias": 0.0, "skewness": 0.0, "kurtosis": 3.0, "share": 0.5, "ratio": 1.0, "cv": 0.0, "correlation": 0.0}
POSITIVE = ("sd", "model_se", "ratio", "kurtosis")


@dataclass(frozen=True)
class Needed:
    """The number of replicates for one measure, and its assumptions."""

    measure: str
    mcse: float
    replicates: int  # per cell
    assumed: Mapping[str, float]  # what was assumed, defaults included


def _mse_variance(sd: float, bias: float, skewness: float, kurtosis: float) -> float:
    return sd**4 * (kurtosis - 1) + 4 * bias * skewness * sd**3 + 4 * bias**2 * sd**2


def _rmse_variance(sd: float, bias: float, skewness: float, kurtosis: float) -> float:
    return _mse_variance(sd, bias, skewness, kurtosis) / (4 * (sd**2 + bias**2))


_UNIT_VARIANCE: dict[str, tuple[tuple[str, ...], Callable[..., float]]] = {
    "bias": (("sd",), lambda sd: sd**2),
    "relative_bias": (("sd", "truth"), lambda sd, truth: (sd / truth) ** 2),
    "empirical_se": (("sd", "kurtosis"), lambda sd, kurtosis: sd**2 * (kurtosis - 1) / 4),
    "mse": (("sd", "bias", "skewness", "kurtosis"), _mse_variance),
    "rmse": (("sd", "bias", "skewness", "kurtosis"), _rmse_variance),
    **{name: (("share",), lambda share: share * (1 - share)) for name in SHARES},
    "model_se": (("model_se", "cv"), lambda model_se, cv: (model_se * cv) ** 2 / 4),
    "relative_se_error": (("ratio", "cv", "kurtosis"), lambda ratio, cv, kurtosis: ratio**2 * (cv**2 + kurtosis - 1) / 4),
    "relative_precision": (("ratio", "correlation"), lambda ratio, correlation: 4 * ratio**2 * (1 - correlation**2)),
}


def replicates_needed(measure: str, mcse: float, **assumed: float) -> Needed:
    """Compute the replicates per cell that give a wanted Monte Carlo standard error (MCSE).

    Parameters
    ----------
    measure : str
        A performance measure, for example ``'coverage'``.
    mcse : float
        The wanted MCSE of the measure, above 0, in the measure's own unit.
    **assumed : float
        Values that the measure's variance depends on, for example ``sd`` of the estimates or ``share`` of intervals that cover; the table
        in `theory.sweeps.performance.sample_size` lists the names and defaults.

    Returns
    -------
    Needed
        With ``replicates``, the smallest number for which the MCSE is at most `mcse`, and at least the minimum of the measure.

    Raises
    ------
    InputError
        When the measure is unknown, or an assumption is missing, not used by the measure, or impossible.

    Examples
    --------
    >>> replicates_needed("coverage", 0.005, share=0.95).replicates
    1900
    >>> replicates_needed("power", 0.005).replicates
    10000
    """
    if measure not in _UNIT_VARIANCE:
        raise InputError(f"measure '{measure}': unknown; there are {', '.join(_UNIT_VARIANCE)}{did_you_mean(measure, _UNIT_VARIANCE)}")
    names, variance = _UNIT_VARIANCE[measure]
    values = _checked(measure, names, assumed)
    wanted = float(positive(mcse, "mcse"))
    try:
        count = math.ceil(round(variance(**values) / wanted**2, 6))  # 1900.0000000000002 is 1900
    except (OverflowError, ZeroDivisionError, ValueError):  # the square of a number beyond 1e154, or below 1e-162
        raise InputError(f"mcse {wanted:g}: the number of replicates would be too large to compute; give a larger MCSE") from None
    return Needed(measure, wanted, max(count, MEASURES[measure].least), values)


def _checked(measure: str, names: tuple[str, ...], assumed: Mapping[str, float]) -> dict[str, float]:
    unknown = [name for name in assumed if name not in names]
    if unknown:
        raise InputError(f"{unknown[0]}: '{measure}' does not depend on it (it takes {', '.join(names)}){did_you_mean(unknown[0], names)}")
    values = {name: assumed.get(name, NORMAL.get(name, math.nan)) for name in names}
    missing = [name for name in names if name not in assumed and name not in NORMAL]
    if missing:
        raise InputError(f"'{measure}' needs {', '.join(f'{name}=...' for name in missing)}: assume a value, or give a pilot")
    return {name: _possible(name, value) for name, value in values.items()}


def _possible(name: str, value: float) -> float:
    number = float(positive(value, name) if name in POSITIVE else finite(value, name))
    bounds = {"share": (0, 1), "correlation": (-1, 1), "cv": (0, math.inf), "kurtosis": (1, math.inf)}.get(name)
    if bounds and not bounds[0] <= number <= bounds[1]:
        raise InputError(f"{name} = {number:g}: lies between {bounds[0]} and {bounds[1]}")
    if name == "truth" and number == 0:
        raise InputError("truth = 0: a bias relative to it does not exist; plan for 'bias'")
    return number


def replicates_from_pilot(measured: pd.DataFrame, measure: str, mcse: float) -> pd.DataFrame:
    r"""Compute the replicates that give a wanted MCSE, from a study with few replicates.

    Parameters
    ----------
    measured : pandas.DataFrame
        Performance of the pilot, as from `theory.sweeps.performance.performance`.
    measure : str
        The measure to estimate precisely; one of those in the table.
    mcse : float
        The wanted MCSE of the measure, above 0, in the measure's own unit.

    Returns
    -------
    pandas.DataFrame
        The rows of that measure with ``replicates`` and its 95 % interval ``replicates_low, replicates_high``; missing where the pilot has
        no MCSE.

    Notes
    -----
    :math:`n = n_0(\mathrm{MCSE}_0/\mathrm{MCSE})^2`, since every MCSE falls with the root of the number. The pilot knows its own MCSE
    only roughly. For shares the interval is that of :math:`p(1-p)` over Wilson's interval of p; for the others that of a variance on
    :math:`n_0-1` degrees of freedom, which holds for normal scores and is too narrow for heavy-tailed ones.
    """
    rows = measured[measured["measure"] == measure]
    if not len(rows):
        raise InputError(f"measure '{measure}': not in the pilot (there are {', '.join(dict.fromkeys(measured['measure']))})")
    wanted = float(positive(mcse, "mcse"))
    found = [_from_row(row, wanted) for row in rows.to_dict("records")]
    names = ("replicates", "replicates_low", "replicates_high")
    return rows.assign(**{name: [item[place] for item in found] for place, name in enumerate(names)})


def _from_row(row: Mapping[Any, Any], wanted: float) -> tuple[float, float, float]:
    if not math.isfinite(row["mcse"]):
        return math.nan, math.nan, math.nan
    n0, unit = row["completed"], row["completed"] * row["mcse"] ** 2
    low, high = _share_range(row["value"], n0) if row["measure"] in SHARES else _variance_range(unit, n0)
    return tuple(float(max(math.ceil(round(v / wanted**2, 6)), MEASURES[row["measure"]].least)) for v in (unit, low, high))  # type: ignore[return-value]


def _share_range(share: float, n: int) -> tuple[float, float]:
    """Smallest and largest p (1 - p) over Wilson's 95 % interval."""
    from scipy.stats import binomtest

    low, high = binomtest(round(share * n), n).proportion_ci(0.95, "wilson")
    ends = [p * (1 - p) for p in (low, high)]
    return min(ends), (0.25 if low <= 0.5 <= high else max(ends))


def _variance_range(variance: float, n: int) -> tuple[float, float]:
    from scipy.special import chdtri

    freedom = n - 1
    return variance * freedom / float(chdtri(freedom, 0.025)), variance * freedom / float(chdtri(freedom, 0.975))
