"""Adjusted p-values for a declared family of tests: Holm, and Benjamini and Hochberg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.result import Result
from paper_figures.statistics.validation import Floats, as_scores
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class AdjustedResult(Result):
    """The p-values of a family of tests, adjusted for their number.

    Shapes: `p` (m,), `adjusted` (m,).
    """

    family: str  # the family's name: every adjusted p-value belongs to one
    method: str  # ``holm`` (controls the family-wise error) or ``benjamini_hochberg`` (the false discovery rate)
    p: Floats
    adjusted: Floats  # in the same order; compare them with the level

    def to_frame(self) -> pd.DataFrame:
        """Give the family as a table."""
        import pandas as pd

        return pd.DataFrame({"family": self.family, "method": self.method, "p": self.p, "adjusted": self.adjusted})


def holm(p: npt.ArrayLike, family: str = "") -> AdjustedResult:
    r"""Adjust p-values so that the chance of any false rejection in the family is held, under any dependence.

    Parameters
    ----------
    p : array_like, shape (m,)
        The p-values of all tests of the family.
    family : str, default ''
        The family's name.

    Returns
    -------
    AdjustedResult
        Adjusted p-values.

    Raises
    ------
    InputError
        When a value is not in [0, 1].

    Notes
    -----
    With :math:`p_{(1)} \le \dots \le p_{(m)}`: :math:`\tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) p_{(j)})`; Holm (1979),
    Scandinavian Journal of Statistics 6:65.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03], family="arms").adjusted
    array([0.03, 0.06, 0.06])
    """
    values, order = _sorted(p)
    m = len(values)
    return AdjustedResult(family, "holm", values, _unsort(np.maximum.accumulate((m - np.arange(m)) * values[order]), order))


def benjamini_hochberg(p: npt.ArrayLike, family: str = "") -> AdjustedResult:
    r"""Adjust p-values so that the expected share of false rejections is held, for independent or positively dependent tests.

    Parameters
    ----------
    p : array_like, shape (m,)
        The p-values of all tests of the family.
    family : str, default ''
        The family's name.

    Returns
    -------
    AdjustedResult
        Adjusted p-values.

    Raises
    ------
    InputError
        When a value is not in [0, 1].

    Notes
    -----
    :math:`\tilde p_{(i)} = \min_{j \ge i} \min(1, m p_{(j)} / j)`; Benjamini and Hochberg (1995), Journal of the Royal Statistical
    Society B 57:289.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03], family="arms").adjusted
    array([0.03, 0.04, 0.04])
    """
    values, order = _sorted(p)
    m = len(values)
    scaled = m * values[order] / np.arange(1, m + 1)
    return AdjustedResult(family, "benjamini_hochberg", values, _unsort(np.minimum.accumulate(scaled[::-1])[::-1], order))


def _sorted(p: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.intp]]:
    values = as_scores(p, "p")
    if values.min() < 0 or values.max() > 1:
        raise InputError("p: p-values lie between 0 and 1")
    return values, np.argsort(values, kind="stable")


def _unsort(adjusted: Floats, order: npt.NDArray[np.intp]) -> Floats:
    result = np.empty_like(adjusted)
    result[order] = np.minimum(adjusted, 1.0)
    return result
