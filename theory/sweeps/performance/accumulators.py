"""Sums that are the same to the last bit for any order of the blocks, in memory that does not grow with their number.

numpy reduces each block in its own order; the results of the blocks are added in exact rational arithmetic, which does not depend on order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from theory.numerics.validation import Floats


@dataclass
class ExactSum:
    """A sum of floating-point numbers without rounding.

    Examples
    --------
    >>> total = ExactSum()
    >>> for term in (1e16, 1.0, -1e16):
    ...     total.add(term)
    >>> total.value
    1.0
    """

    total: Fraction = Fraction(0)
    overflown: bool = False  # whether an infinity or NaN was added: the sum then stays NaN

    def add(self, term: float | Fraction) -> None:
        """Add a term."""
        if isinstance(term, Fraction) or math.isfinite(term):
            self.total += Fraction(term)
        else:
            self.overflown = True

    @property
    def value(self) -> float:
        """The sum, rounded once; NaN after an overflow."""
        return math.nan if self.overflown else _rounded(self.total)


@dataclass
class RunningMoments:
    r"""Number, mean and variance of values that come block by block.

    Notes
    -----
    A block of :math:`n_b` values leaves its rounded mean c and the sums :math:`r=\sum(x-c)` and :math:`q=\sum(x-c)^2`, all in double
    precision. From there on nothing is rounded: its sums :math:`n_bc+r` and :math:`q+2cr+n_bc^2` are computed and added up in
    rationals, so that the result neither depends on the order nor cancels where the mean is large (Chan, Golub and LeVeque 1979 merge
    such sums in floating point).

    Examples
    --------
    >>> moments = RunningMoments()
    >>> moments.add(np.array([1.0, 2.0]))
    >>> moments.add(np.array([6.0]))
    >>> moments.n, moments.mean, moments.variance
    (3, 3.0, 7.0)
    """

    n: int = 0  # number of values
    total: ExactSum = field(default_factory=ExactSum)  # sum of the values
    squares: ExactSum = field(default_factory=ExactSum)  # sum of the squares of the values

    def add(self, values: Floats) -> None:
        """Add the values of a block, shape (replicates,)."""
        if not len(values):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            centre = float(np.mean(values))
            gaps = values - centre
            first, second = float(gaps.sum()), float(np.square(gaps).sum())
        self.n += len(values)
        if not all(map(math.isfinite, (centre, first, second))):
            self.total.add(math.nan)
            return
        exact, rest = Fraction(centre), Fraction(first)
        self.total.add(len(values) * exact + rest)
        self.squares.add(Fraction(second) + 2 * exact * rest + len(values) * exact**2)

    @property
    def mean(self) -> float:
        """Mean of the values; NaN where none came."""
        return self._or_nan(1, lambda: self.total.total / self.n)

    @property
    def sum_of_squares(self) -> float:
        """Sum of squared deviations from the mean; NaN where no value came."""
        return self._or_nan(1, self._sum_of_squares)

    @property
    def variance(self) -> float:
        """Sample variance, divisor n - 1; NaN below two values."""
        return self._or_nan(2, lambda: self._sum_of_squares() / (self.n - 1))

    @property
    def deviation(self) -> float:
        """Sample standard deviation; NaN below two values."""
        return math.sqrt(self.variance)

    @property
    def standard_error(self) -> float:
        """Standard error of the mean; NaN below two values."""
        return self.deviation / math.sqrt(max(self.n, 1))

    def _sum_of_squares(self) -> Fraction:
        return self.squares.total - self.total.total**2 / self.n

    def _or_nan(self, least: int, exact: Callable[[], Fraction]) -> float:
        if self.n < least or self.total.overflown or self.squares.overflown:
            return math.nan
        return _rounded(exact())


def _rounded(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:  # beyond the largest double
        return math.nan
