"""Refuse impossible parameters, in one line that says what is possible."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from see_in_pairs.errors import InputError

Floats = NDArray[np.float64]


def require(condition: ArrayLike, message: str) -> None:
    """Raise when a condition fails anywhere.

    Parameters
    ----------
    condition : array_like of bool
        What must hold, elementwise.
    message : str
        One line: what is wrong, and what is possible.

    Raises
    ------
    InputError
        With `message`, when any element is false.
    """
    if not np.all(condition):
        raise InputError(message)


def finite(value: ArrayLike, name: str) -> Floats:
    """Read numbers that are finite.

    Parameters
    ----------
    value : array_like
        The numbers.
    name : str
        What they are called, for the error line.

    Returns
    -------
    ndarray of float64
        The numbers, in the shape they came.

    Raises
    ------
    InputError
        When they are no numbers, or not finite.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} = {value!r}: not a number") from None
    require(np.isfinite(array), f"{name} = {_shown(value)}: give a finite number")
    return array


def positive(value: ArrayLike, name: str) -> Floats:
    """Read numbers above zero.

    Parameters
    ----------
    value : array_like
        The numbers.
    name : str
        What they are called, for the error line.

    Returns
    -------
    ndarray of float64
        The numbers.

    Raises
    ------
    InputError
        When one is not above zero.
    """
    array = finite(value, name)
    require(array > 0, f"{name} = {_shown(value)}: must be above 0")
    return array


def non_negative(value: ArrayLike, name: str) -> Floats:
    """Read numbers that are zero or more.

    Parameters
    ----------
    value : array_like
        The numbers.
    name : str
        What they are called, for the error line.

    Returns
    -------
    ndarray of float64
        The numbers.

    Raises
    ------
    InputError
        When one is negative.
    """
    array = finite(value, name)
    require(array >= 0, f"{name} = {_shown(value)}: must not be negative")
    return array


def correlation(value: ArrayLike, name: str = "rho") -> Floats:
    """Read correlations strictly between -1 and 1.

    Parameters
    ----------
    value : array_like
        The correlations.
    name : str, default 'rho'
        What they are called, for the error line.

    Returns
    -------
    ndarray of float64
        The correlations.

    Raises
    ------
    InputError
        When one is -1 or less, or 1 or more.
    """
    array = finite(value, name)
    require(np.abs(array) < 1, f"{name} = {_shown(value)}: a correlation here lies strictly between -1 and 1")
    return array


def probability(value: ArrayLike, name: str) -> Floats:
    """Read probabilities, both ends allowed.

    Parameters
    ----------
    value : array_like
        The probabilities.
    name : str
        What they are called, for the error line.

    Returns
    -------
    ndarray of float64
        The probabilities.

    Raises
    ------
    InputError
        When one is outside [0, 1].
    """
    array = finite(value, name)
    require((array >= 0) & (array <= 1), f"{name} = {_shown(value)}: a probability lies between 0 and 1")
    return array


def prevalence(value: ArrayLike, name: str = "pi") -> Floats:
    """Read prevalences strictly between 0 and 1.

    Parameters
    ----------
    value : array_like
        The prevalences.
    name : str, default 'pi'
        What they are called, for the error line.

    Returns
    -------
    ndarray of float64
        The prevalences.

    Raises
    ------
    InputError
        When one is 0 or less, or 1 or more.
    """
    array = finite(value, name)
    require((array > 0) & (array < 1), f"{name} = {_shown(value)}: a prevalence lies strictly between 0 and 1 (both classes must occur)")
    return array


def share(value: ArrayLike, name: str) -> Floats:
    """Read shares strictly between 0 and 1.

    Parameters
    ----------
    value : array_like
        The shares.
    name : str
        What they are called, for the error line.

    Returns
    -------
    ndarray of float64
        The shares.

    Raises
    ------
    InputError
        When one is 0 or less, or 1 or more.
    """
    array = finite(value, name)
    require((array > 0) & (array < 1), f"{name} = {_shown(value)}: must lie strictly between 0 and 1")
    return array


def whole(value: ArrayLike, name: str, at_least: int) -> Floats:
    """Read whole numbers not below a minimum.

    Parameters
    ----------
    value : array_like
        The numbers.
    name : str
        What they are called, for the error line.
    at_least : int
        The smallest that is possible.

    Returns
    -------
    ndarray of float64
        The numbers, as floats so that formulas can use them.

    Raises
    ------
    InputError
        When one is not whole, or below `at_least`.
    """
    array = finite(value, name)
    require((array == np.round(array)) & (array >= at_least), f"{name} = {_shown(value)}: must be a whole number, {at_least} or more")
    return array


def positive_definite(value: ArrayLike, name: str) -> Floats:
    """Read a covariance matrix.

    Parameters
    ----------
    value : array_like, shape (p, p)
        The matrix.
    name : str
        What it is called, for the error line.

    Returns
    -------
    ndarray of float64, shape (p, p)
        The matrix.

    Raises
    ------
    InputError
        When it is not square, not symmetric, or not positive definite.
    """
    matrix = square(value, name)
    require(np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-12), f"{name}: a covariance matrix is symmetric")
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        raise InputError(f"{name}: not positive definite, so no images have this covariance") from None
    return matrix


def square(value: ArrayLike, name: str) -> Floats:
    """Read a square matrix.

    Parameters
    ----------
    value : array_like, shape (p, p)
        The matrix.
    name : str
        What it is called, for the error line.

    Returns
    -------
    ndarray of float64, shape (p, p)
        The matrix.

    Raises
    ------
    InputError
        When it is not a square matrix of finite numbers.
    """
    matrix = finite(value, name)
    require(
        matrix.ndim == 2 and matrix.shape[0] == matrix.shape[-1] and matrix.size, f"{name}: must be a square matrix (shape {matrix.shape})"
    )
    return matrix


def _shown(value: ArrayLike) -> str:
    array = np.asarray(value)
    return str(array.item()) if array.size == 1 else np.array2string(array, threshold=6)
