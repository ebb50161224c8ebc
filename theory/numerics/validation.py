"""Refuse impossible parameters with one line that says which values are possible."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from see_in_pairs.errors import InputError, did_you_mean

Floats = NDArray[np.float64]


def require(condition: ArrayLike, message: str) -> None:
    """Raise `InputError` when a condition fails anywhere."""
    if not np.all(condition):
        raise InputError(message)


def finite(value: ArrayLike, name: str) -> Floats:
    """Finite numbers, in the shape in which they are given."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} = {value!r}: not a number") from None
    require(np.isfinite(array), f"{name} = {_brief(value)}: give a finite number")
    return array


def positive(value: ArrayLike, name: str) -> Floats:
    """Numbers above zero."""
    array = finite(value, name)
    require(array > 0, f"{name} = {_brief(value)}: must be above 0")
    return array


def non_negative(value: ArrayLike, name: str) -> Floats:
    """Numbers that are zero or more."""
    array = finite(value, name)
    require(array >= 0, f"{name} = {_brief(value)}: must not be negative")
    return array


def correlation(value: ArrayLike, name: str = "rho") -> Floats:
    """Correlations strictly between -1 and 1."""
    array = finite(value, name)
    require(np.abs(array) < 1, f"{name} = {_brief(value)}: must be strictly between -1 and 1, as a correlation")
    return array


def probability(value: ArrayLike, name: str) -> Floats:
    """Probabilities, both ends allowed."""
    array = finite(value, name)
    require((array >= 0) & (array <= 1), f"{name} = {_brief(value)}: must be between 0 and 1, as a probability")
    return array


def prevalence(value: ArrayLike, name: str = "pi") -> Floats:
    """Prevalences strictly between 0 and 1."""
    array = finite(value, name)
    require(
        (array > 0) & (array < 1), f"{name} = {_brief(value)}: must be strictly between 0 and 1, as a prevalence (both classes must occur)"
    )
    return array


def share(value: ArrayLike, name: str) -> Floats:
    """Shares strictly between 0 and 1."""
    array = finite(value, name)
    require((array > 0) & (array < 1), f"{name} = {_brief(value)}: must be strictly between 0 and 1")
    return array


def whole(value: ArrayLike, name: str, at_least: int) -> Floats:
    """Whole numbers not below a minimum, as floats so that formulas can use them."""
    array = finite(value, name)
    require((array == np.round(array)) & (array >= at_least), f"{name} = {_brief(value)}: must be a whole number, {at_least} or more")
    return array


def one_of(value: str, name: str, options: Iterable[str]) -> None:
    """Refuse a word that is not one of the options."""
    if value not in options:
        raise InputError(f"{name} = {value!r}: must be one of {', '.join(options)}{did_you_mean(value, options)}")


def positive_definite(value: ArrayLike, name: str) -> Floats:
    """Covariance matrix, shape (p, p)."""
    matrix = square(value, name)
    require(np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-12), f"{name}: must be symmetric, as a covariance matrix")
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        raise InputError(f"{name}: not positive definite, so it cannot be the covariance of images") from None
    return matrix


def square(value: ArrayLike, name: str) -> Floats:
    """Square matrix, shape (p, p)."""
    matrix = finite(value, name)
    require(
        matrix.ndim == 2 and matrix.shape[0] == matrix.shape[-1] and matrix.size, f"{name}: must be a square matrix (shape {matrix.shape})"
    )
    return matrix


def _brief(value: ArrayLike) -> str:
    array = np.asarray(value)
    return str(array.item()) if array.size == 1 else np.array2string(array, threshold=6)
