"""Cochran's Q: whether three or more arms are right equally often on the same items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.result import Result
from paper_figures.statistics.validation import as_flags, same_length
from see_in_pairs.errors import InputError


@dataclass(frozen=True, repr=False)
class CochranQResult(Result):
    """Cochran's test that several arms are right equally often."""

    statistic: float  # chi-squared with `df` degrees of freedom under the null hypothesis, for many items
    df: int
    p: float  # upper tail of the chi-squared distribution; 1 if no item separates the arms
    arms: int


def cochran_q(*correct: npt.ArrayLike) -> CochranQResult:
    r"""Test whether several arms are right equally often on the same, independent items.

    Parameters
    ----------
    *correct : array_like of bool, shape (n,)
        Whether each item is right, one array per arm, in the same order of items.

    Returns
    -------
    CochranQResult
        The statistic, its degrees of freedom and p-value.

    Raises
    ------
    InputError
        When there are fewer than two arms, or inputs do not fit.

    Notes
    -----
    With k arms, :math:`G_j` right in arm j and :math:`L_i` arms right on item i:

    .. math:: Q = \frac{(k - 1) [k \sum_j G_j^2 - (\sum_j G_j)^2]}{k \sum_i L_i - \sum_i L_i^2} \sim \chi^2_{k-1}

    For two arms it is McNemar's statistic. Computed by statsmodels. Items that share a patient are not independent; this test ignores it.

    References
    ----------
    Cochran (1950), Biometrika 37:256.

    Examples
    --------
    >>> cochran_q([1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0])
    CochranQResult
      statistic  3
      df         2
      p          0.2231
      arms       3
    """
    if len(correct) < 2:
        raise InputError("Cochran's Q compares two or more arms")
    flags = [as_flags(arm, f"arm {number}") for number, arm in enumerate(correct)]
    same_length(**{f"arm {number}": arm for number, arm in enumerate(flags)})
    table = np.stack(flags, axis=1)  # (items, arms)
    arms = table.shape[1]
    if (table == table[:, :1]).all():  # no item separates the arms: the statistic would be 0 / 0
        return CochranQResult(0.0, arms - 1, 1.0, arms)
    from statsmodels.stats.contingency_tables import cochrans_q  # starts slowly

    found = cochrans_q(table.astype(np.float64))
    return CochranQResult(float(found.statistic), arms - 1, float(found.pvalue), arms)
