"""Named parameters of a quantity: their meaning, default and possible values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from numbers import Real
from typing import Any

from see_in_pairs.errors import InputError

REQUIRED = object()


@dataclass(frozen=True)
class Parameter:
    """A parameter of a quantity."""

    name: str
    meaning: str  # a few words, with the unit
    accepts: Callable[[Any], bool]  # whether a value has the right kind; the closed form checks its range
    expected: str  # the right kind in words
    default: Any = REQUIRED  # `REQUIRED` if the user must give it

    def check(self, value: Any) -> Any:
        """The value; a value of the wrong kind is refused."""
        if not self.accepts(value):
            raise InputError(f"{self.name} = {value!r}: must be {self.expected}")
        return value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_vector(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(map(_is_number, value))


def _is_matrix(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(_is_vector(row) and len(row) == len(value) for row in value)


def number(name: str, meaning: str, default: Any = REQUIRED) -> Parameter:
    """Parameter that is one number."""
    return Parameter(name, meaning, _is_number, "a number", default)


def vector(name: str, meaning: str, default: Any = REQUIRED) -> Parameter:
    """Parameter that is a list of numbers."""
    return Parameter(name, meaning, _is_vector, "a list of numbers", default)


def matrix(name: str, meaning: str, default: Any = REQUIRED) -> Parameter:
    """Parameter that is a square matrix."""
    return Parameter(name, meaning, _is_matrix, "a square matrix as nested lists", default)


def choice(name: str, meaning: str, options: Iterable[str], default: Any = REQUIRED, or_number: bool = False) -> Parameter:
    """Parameter that is one of a few words."""
    words = tuple(options)
    expected = "one of " + ", ".join(words) + (", or a number" if or_number else "")
    return Parameter(
        name, meaning, lambda value: (isinstance(value, str) and value in words) or (or_number and _is_number(value)), expected, default
    )


def components(name: str, meaning: str, keys: Iterable[str]) -> Parameter:
    """Parameter that maps names to numbers."""
    names = tuple(keys)
    expected = "an object with exactly the keys " + ", ".join(names)
    return Parameter(
        name,
        meaning,
        lambda value: isinstance(value, Mapping) and set(value) == set(names) and all(map(_is_number, value.values())),
        expected,
    )


def grid(**values: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    """Every combination of parameter values.

    Examples
    --------
    >>> grid(d=[1], rho=[0.2, 0.4])
    ({'d': 1, 'rho': 0.2}, {'d': 1, 'rho': 0.4})
    """
    return tuple(dict(zip(values, combination, strict=True)) for combination in product(*values.values()))
