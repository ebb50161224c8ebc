"""Arrays for formulas that compute one value at a time (a quadrature, a root)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from theory.numerics.validation import Floats

Scalar = TypeVar("Scalar", bound=Callable[..., float])


def elementwise(formula: Scalar, *, vectors: tuple[str, ...] = ()) -> Scalar:
    """Broadcast a scalar formula over its numeric arguments; any other argument, and `vectors`, are passed on as they are.

    Numbers give a number.

    Examples
    --------
    >>> @elementwise
    ... def power(base: float, exponent: int, sign: str = "+") -> float:
    ...     return base**exponent if sign == "+" else -(base**exponent)
    >>> power([1.0, 2.0], [[2], [3]], sign="-").tolist()
    [[-1.0, -4.0], [-1.0, -8.0]]
    """

    names = list(inspect.signature(formula).parameters)
    kept = {*vectors, *(names.index(name) for name in vectors)}

    @functools.wraps(formula)
    def _broadcast(*args: Any, **kwargs: Any) -> float | Floats:
        given = [(key, value) for key, value in [*enumerate(args), *kwargs.items()] if key not in kept]  # keyed by position or name
        numbers = {key: np.asarray(value) for key, value in given if _is_array_of_numbers(value)}
        if not numbers:
            return formula(*args, **kwargs)
        shape = np.broadcast_shapes(*(array.shape for array in numbers.values()))
        broadcast = {key: np.broadcast_to(array, shape) for key, array in numbers.items()}
        values = np.empty(shape)
        for index in np.ndindex(shape):
            at = {key: array[index].item() for key, array in broadcast.items()}
            named = {name: at.get(name, value) for name, value in kwargs.items()}
            values[index] = formula(*(at.get(position, value) for position, value in enumerate(args)), **named)
        return values[()]

    return _broadcast  # type: ignore[return-value]


def _is_array_of_numbers(value: Any) -> bool:
    """Arrays and lists, but not single numbers, which the formula reads itself."""
    if isinstance(value, (str, Real, dict)) or value is None:
        return False
    array = np.asarray(value)
    return array.dtype.kind in "iuf" and array.ndim > 0
