"""Let a formula that is worked out at one place at a time (a quadrature, a root) take arrays like any other."""

from __future__ import annotations

import functools
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from theory.numerics.validation import Floats

Scalar = TypeVar("Scalar", bound=Callable[..., float])


def elementwise(formula: Scalar) -> Scalar:
    """Broadcast a scalar formula over its numeric arguments; any other argument is passed on as it is. Numbers give a number.

    Examples
    --------
    >>> @elementwise
    ... def power(base: float, exponent: int, sign: str = "+") -> float:
    ...     return base**exponent if sign == "+" else -(base**exponent)
    >>> power([1.0, 2.0], [[2], [3]], sign="-").tolist()
    [[-1.0, -4.0], [-1.0, -8.0]]
    """

    @functools.wraps(formula)
    def _broadcast(*args: Any, **kwargs: Any) -> float | Floats:
        places = [*enumerate(args), *kwargs.items()]
        numbers = {place: np.asarray(value) for place, value in places if _is_array_of_numbers(value)}
        if not numbers:
            return formula(*args, **kwargs)
        shape = np.broadcast_shapes(*(array.shape for array in numbers.values()))
        spread = {place: np.broadcast_to(array, shape) for place, array in numbers.items()}
        values = np.empty(shape)
        for index in np.ndindex(shape):
            here = {place: array[index].item() for place, array in spread.items()}
            named = {name: here.get(name, value) for name, value in kwargs.items()}
            values[index] = formula(*(here.get(place, value) for place, value in enumerate(args)), **named)
        return values[()]

    return _broadcast  # type: ignore[return-value]


def _is_array_of_numbers(value: Any) -> bool:
    """Arrays and lists, but no single numbers: those the formula reads itself."""
    if isinstance(value, (str, Real, dict)) or value is None:
        return False
    array = np.asarray(value)
    return array.dtype.kind in "iuf" and array.ndim > 0
