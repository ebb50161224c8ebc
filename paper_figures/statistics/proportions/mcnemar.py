"""McNemar's test of two paired proportions: exact, mid-p, asymptotic, continuity-corrected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.statistics.arms import discordant
from paper_figures.statistics.distributions import chi_squared_p
from paper_figures.statistics.result import Result


@dataclass(frozen=True, repr=False)
class McNemarResult(Result):
    """Four p-values of the hypothesis that both arms are right equally often."""

    n10: int  # items right in A only
    n01: int  # items right in B only
    exact: float  # exact conditional (binomial) p-value, two-sided. Never too small, often too large
    mid_p: float  # mid-p version of `exact`; close to nominal, the one to report for independent items
    asymptotic: float  # from the chi-squared distribution
    corrected: float  # with Edwards's continuity correction


def mcnemar(
    correct_a: npt.ArrayLike | None = None, correct_b: npt.ArrayLike | None = None, *, n10: int | None = None, n01: int | None = None
) -> McNemarResult:
    r"""Test whether two arms are right equally often on the same, independent items.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Whether each item is right in A, and in B. Two whole numbers are read as `n10` and `n01`.
    n10, n01 : int, optional
        Number of items right in A only, and of items right in B only, instead of the arrays.

    Returns
    -------
    McNemarResult
        The four p-values; all 1 when there is no discordant item.

    Raises
    ------
    InputError
        When arrays are not of the same items, or a count is not a whole number, or negative.

    Notes
    -----
    Given the :math:`n = n_{10} + n_{01}` discordant items, :math:`n_{10}` is binomial(n, 1/2) under the null hypothesis:

    1. exact: :math:`2 P(X \le \min(n_{10}, n_{01}))`, at most 1;
    2. mid-p: exact minus :math:`P(X = \min(n_{10}, n_{01}))` (1 when the counts are equal);
    3. asymptotic: :math:`(n_{10} - n_{01})^2 / n` against :math:`\chi^2_1`;
    4. corrected: :math:`(|n_{10} - n_{01}| - 1)^2 / n`, not below 0.

    Items that share a patient are not independent: then use `obuchowski` or `clustered_difference`.

    References
    ----------
    McNemar (1947), Psychometrika 12:153. Edwards (1948), Psychometrika 13:185. Fagerland, Lydersen and Laake (2013), BMC Medical
    Research Methodology 13:91 (mid-p).

    Examples
    --------
    >>> mcnemar([1, 1, 1, 1, 0, 1], [1, 0, 0, 0, 0, 0]).n10
    4
    >>> mcnemar(n10=1, n01=7)
    McNemarResult
      n10         1
      n01         7
      exact       0.07031
      mid_p       0.03906
      asymptotic  0.03389
      corrected   0.0771
    """
    return _mcnemar(*discordant(correct_a, correct_b, n10, n01))


def _mcnemar(n10: int, n01: int) -> McNemarResult:
    # scipy's tails, not statsmodels' test: that has no mid-p, and importing it would make `see-in-pairs compare` start a second later
    n, low, gap = n10 + n01, min(n10, n01), abs(n10 - n01)
    if gap == 0:
        return McNemarResult(n10, n01, 1.0, 1.0, 1.0, 1.0)
    tail = float(special.bdtr(low, n, 0.5))
    exact = min(1.0, 2 * tail)
    mid_p = 2 * tail - _half_binomial(low, n)
    return McNemarResult(n10, n01, exact, mid_p, chi_squared_p(gap**2 / n), chi_squared_p((gap - 1) ** 2 / n))


def _half_binomial(k: int, n: int) -> float:
    """Binomial(n, 1/2) probability of k."""
    return float(np.exp(-special.betaln(k + 1, n - k + 1) - np.log(n + 1) - n * np.log(2)))
