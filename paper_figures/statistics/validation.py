"""Checks that every test makes before it computes; each error is one line that says what is wrong."""

from __future__ import annotations

import operator

import numpy as np
import numpy.typing as npt

from see_in_pairs.errors import InputError, first_few

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]


class NotEstimable(InputError):
    """The data are valid, but not sufficient for the question (one class, one cluster). `compare_arms` gives it as a block's reason."""


def as_scores(values: npt.ArrayLike, name: str = "scores") -> Floats:
    """Check one score per item, `values` (n,): numbers, infinities allowed, NaN not."""
    try:
        scores = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: not numbers") from None
    _check_shape(scores, name)
    bad = np.flatnonzero(np.isnan(scores))
    if bad.size:
        raise InputError(f"{name}: {bad.size} are NaN (rows {first_few(bad.tolist())})")
    return scores


def as_flags(values: npt.ArrayLike, name: str = "labels") -> Bools:
    """Check one yes or no per item, `values` (n,)."""
    flags = np.asarray(values)
    _check_shape(flags, name)
    if flags.dtype != np.bool_:
        flags = as_scores(values, name)
        if not np.isin(flags, (0, 1)).all():
            raise InputError(f"{name}: give booleans, or 0 and 1")
    return flags.astype(np.bool_)


def as_codes(values: npt.ArrayLike, items: int, name: str = "clusters") -> Codes:
    """Number the clusters, `values` (n,), from 0 in the order of their sorted names, so that the order of rows does not matter."""
    names = np.asarray(values)
    if names.ndim != 1 or len(names) != items:
        raise InputError(f"{name}: give one per item ({items} items, shape {names.shape})")
    if names.dtype.kind == "f" and np.isnan(names).any():
        raise InputError(f"{name}: {int(np.isnan(names).sum())} items have none")
    if names.dtype.kind == "O":
        missing = sum(item is None or item != item for item in names)
        if missing:
            raise InputError(f"{name}: {missing} items have none")
        names = names.astype(str)
    return np.unique(names, return_inverse=True)[1].astype(np.intp)


def cluster_codes(clusters: npt.ArrayLike | None, items: int) -> Codes:
    """Number the clusters as `as_codes`; without clusters, each item is its own cluster."""
    return np.arange(items) if clusters is None else as_codes(clusters, items)


def as_count(value: object, name: str) -> int:
    """Check a count."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"{name}: give a whole number, not {value!r}") from None
    if number < 0:
        raise InputError(f"{name}: cannot be negative ({number})")
    return number


def as_level(confidence_level: float) -> float:
    """Check a confidence level."""
    if not 0 < confidence_level < 1:
        raise InputError(f"confidence_level: give a number between 0 and 1, not {confidence_level!r}")
    return float(confidence_level)


def same_length(**arrays: npt.NDArray[np.generic]) -> int:
    """Check that arrays are about the same items."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise InputError("not the same items: " + ", ".join(f"{name} has {length}" for name, length in lengths.items()))
    return next(iter(lengths.values()))


def _check_shape(array: npt.NDArray[np.generic], name: str) -> None:
    if array.ndim != 1:
        raise InputError(f"{name}: give one value per item, not an array of shape {array.shape}")
    if not array.size:
        raise InputError(f"{name}: no items")
