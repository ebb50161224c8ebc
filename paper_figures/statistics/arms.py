"""The arguments of tests of two arms: the scores of A, of B, the labels, then the clusters; further arguments by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from paper_figures.statistics.validation import as_count, as_flags, same_length
from see_in_pairs.errors import InputError

ARMS = ("scores_a", "scores_b")
Found = TypeVar("Found")


def arms_apart(arrays: int, one_curve: bool = False) -> Callable[[Callable[..., Found]], Callable[..., Found]]:
    """Let a function of ``(scores, labels, ...)`` also take ``(scores_a, scores_b, labels, ...)``, which is the signature it shows.

    `arrays` is the number of arrays that it takes by position. With `one_curve`, `scores` may be of one curve, and the number of arrays
    tells which way it was called; otherwise scores of one dimension can only be those of one of two arms.
    """

    def decorate(function: Callable[..., Found]) -> Callable[..., Found]:
        scores, *rest = inspect.signature(function).parameters.values()
        apart = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=scores.annotation) for name in ARMS]
        names = {parameter.name for parameter in rest[: arrays - 1]}

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Found:
            named = [kwargs.pop(name) for name in ARMS if name in kwargs]
            if (len(named) == 1 and not args) or (len(named) == 2 and args):
                raise InputError(f"{function.__name__}: give scores_a, scores_b and labels, in this order or by name")
            args = (*args, *named)
            complete = bool(named) or len(args) > 2 or (len(args) == 2 and "labels" in kwargs)
            if complete and np.ndim(_first(args[0])) == 0:  # one number per item: the scores of one arm, or of one curve
                count = sum(np.ndim(one) > 0 for one in args) + len(names & kwargs.keys())
                if named or not one_curve or count > arrays:
                    args = ([args[0], args[1]], *args[2:])
            return function(*args, **kwargs)

        call.__signature__ = inspect.Signature([*apart, *rest], return_annotation=inspect.signature(function).return_annotation)  # type: ignore[attr-defined]
        return call

    return decorate


def _first(values: Any) -> Any:
    """The first entry of an array or sequence; a number if there is one dimension."""
    if isinstance(values, (list, tuple)):
        return values[0] if values else 0.0
    array = np.asarray(values)
    return array[0] if array.ndim and len(array) else 0.0


def paired_counts(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike) -> tuple[int, int, int, int]:
    """Count items right in both arms, in A only, in B only, and in neither; `correct_a` and `correct_b` are (n,)."""
    a, b = as_flags(correct_a, "correct_a"), as_flags(correct_b, "correct_b")
    same_length(correct_a=a, correct_b=b)
    return int((a & b).sum()), int((a & ~b).sum()), int((b & ~a).sum()), int((~a & ~b).sum())


def discordant(first: Any, second: Any, n10: int | None, n01: int | None) -> tuple[int, int]:
    """Counts of items right in A only and in B only, from two arrays or two counts, by position or by name."""
    if first is not None and second is not None and np.ndim(first) and np.ndim(second):
        return paired_counts(first, second)[1:3]
    a, b = (one if named is None else named for one, named in ((first, n10), (second, n01)))
    return as_count(a, "n10"), as_count(b, "n01")


def clusters_and_number(clusters: Any, number: Any) -> tuple[npt.ArrayLike | None, float]:
    """Clusters and a number (for example a threshold), accepted in either order."""
    if clusters is not None and np.ndim(clusters) == 0:
        clusters, number = (None if number is None or np.ndim(number) == 0 else number), clusters
    return clusters, number
