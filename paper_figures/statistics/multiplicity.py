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
        """One row per test: ``family, method, p, adjusted``."""
        import pandas as pd

        return pd.DataFrame({"family": self.family, "method": self.method, "p": self.p, "adjusted": self.adjusted})


def holm(p: npt.ArrayLike, family: str = "") -> AdjustedResult:
    r"""Adjust p-values to control the probability of any false rejection in the family, under any dependence.

    Parameters
    ----------
    p : array_like, shape (m,)
        The p-values of all tests of the family.
    family : str, default ''
        Name of the declared family that the tests belong to; it is carried along in the result.

    Returns
    -------
    AdjustedResult
        The adjusted p-values, in the order of `p`, to be compared with the level.

    Raises
    ------
    InputError
        When a p-value is not in [0, 1], or there is none.

    Notes
    -----
    With :math:`p_{(1)} \le \dots \le p_{(m)}`: :math:`\tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) p_{(j)})`; Holm (1979),
    Scandinavian Journal of Statistics 6:65.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03], family="arms").adjusted
    array([0.03, 0.06, 0.06])
    """
    values = _p_values(p)
    m, order = len(values), np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    # not by statsmodels, as below: `see-in-pairs compare` needs it, and would take more than a second longer to start
    adjusted[order] = np.minimum(np.maximum.accumulate((m - np.arange(m)) * values[order]), 1.0)
    return AdjustedResult(family, "holm", values, adjusted)


def benjamini_hochberg(p: npt.ArrayLike, family: str = "") -> AdjustedResult:
    r"""Adjust p-values to control the expected share of false rejections, for independent or positively dependent tests.

    Parameters
    ----------
    p : array_like, shape (m,)
        The p-values of all tests of the family.
    family : str, default ''
        Name of the declared family that the tests belong to; it is carried along in the result.

    Returns
    -------
    AdjustedResult
        The adjusted p-values, in the order of `p`, to be compared with the level.

    Raises
    ------
    InputError
        When a p-value is not in [0, 1], or there is none.

    Notes
    -----
    :math:`\tilde p_{(i)} = \min_{j \ge i} \min(1, m p_{(j)} / j)`; Benjamini and Hochberg (1995), Journal of the Royal Statistical
    Society B 57:289. Computed by statsmodels.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03], family="arms").adjusted
    array([0.03, 0.04, 0.04])
    """
    from statsmodels.stats.multitest import multipletests  # starts slowly

    values = _p_values(p)
    return AdjustedResult(family, "benjamini_hochberg", values, np.asarray(multipletests(values, method="fdr_bh")[1], dtype=np.float64))


def _p_values(p: npt.ArrayLike) -> Floats:
    values = as_scores(p, "p")
    if values.min() < 0 or values.max() > 1:
        raise InputError("p: p-values must be between 0 and 1")
    return values
