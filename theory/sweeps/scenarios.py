"""Cells of a design: each a set of factors, identified by the hash of its content."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash

RESERVED = (
    "cell", "block", "replicate", "method", "truth", "wanted", "attempted", "done", "failed", "stopped",
    "measure", "value", "mcse", "completed", "note", "rng", "data", "replicates",
)  # fmt: skip
"""Names with another meaning in the engine, its tables or its pieces."""


@dataclass(frozen=True)
class Cell:
    """One combination of factors."""

    hash: str  # 16 hexadecimal digits: of the generator's name and the factors, in any order
    factors: Mapping[str, Any] = field(compare=False)  # name to value, the fixed ones included

    def __str__(self) -> str:
        return f"cell {self.hash} ({named(self.factors)})"


def named(factors: Mapping[str, Any]) -> str:
    """Factors as one line."""
    return ", ".join(f"{name}={value}" for name, value in factors.items())


def make_cell(generate: str, factors: Mapping[str, Any]) -> Cell:
    """Cell of a combination of factors, with the hash of its content.

    Examples
    --------
    >>> make_cell("coin", {"p": 0.5, "n": 1}).hash == make_cell("coin", {"n": 1.0, "p": 0.5}).hash
    True
    """
    content = {name: canonical(value, name) for name, value in factors.items()}
    return Cell(content_hash({"generate": generate, "factors": content}), dict(factors))


def canonical(value: Any, factor: str) -> Any:
    """The form of a factor's value for the hash: 1 and 1.0 are the same number, an infinity is not null."""
    if hasattr(value, "tolist"):  # numpy
        value = value.tolist()
    if isinstance(value, float):
        return _canonical_float(value, factor)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [canonical(item, factor) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: canonical(item, factor) for key, item in value.items()}
    raise InputError(f"factor '{factor}': {value!r} is neither a number, a text, true or false, nor a list or mapping of such")


def _canonical_float(value: float, factor: str) -> Any:
    if math.isnan(value):
        raise InputError(f"factor '{factor}': is not a number (NaN); a cell needs a value that equals itself")
    if math.isinf(value):
        return {"infinity": 1 if value > 0 else -1}
    return int(value) if value.is_integer() else value


def number_in_text(value: Any) -> tuple[str, float] | None:
    """The first text in a factor's value that reads as a number, and the number; None where there is none.

    YAML 1.1 reads ``1e-3`` and ``1.5e3`` as text, and also a number with a decimal comma, a per cent sign or quotes.

    Examples
    --------
    >>> number_in_text("1e-3"), number_in_text([2, "0,5"]), number_in_text("swap")
    (('1e-3', 0.001), ('0,5', 0.5), None)
    """
    if isinstance(value, str):
        share = value.strip().endswith("%")
        try:
            number = float(value.strip().removesuffix("%").replace(",", ".", 1))
        except ValueError:
            return None
        return value, number / 100 if share else number
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return next((found for item in inside if (found := number_in_text(item))), None)


def yaml_number(number: float) -> str:
    """A number as YAML 1.1 reads one: with a point where there is an exponent, infinity as ``.inf``.

    Examples
    --------
    >>> yaml_number(1e-20), yaml_number(0.001), yaml_number(1e22), yaml_number(float("-inf"))
    ('1.0e-20', '0.001', '1.0e+22', '-.inf')
    """
    text = str(int(number)) if math.isfinite(number) and number == int(number) and abs(number) < 1e15 else repr(number)
    if not math.isfinite(number):
        return text.replace("inf", ".inf").replace("nan", ".nan")
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def plain(value: Any) -> Any:
    """Numpy values as Python values, so that a design can be written to YAML."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return {key: plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def combine(
    generate: str, fixed: Mapping[str, Any], grid: Mapping[str, Sequence[Any]], explicit: Iterable[Mapping[str, Any]]
) -> list[Cell]:
    """The cells of a design in its order: every combination of the grid, then the explicit ones, each with the fixed factors."""
    explicit = list(explicit)
    for factor in {*fixed, *grid, *itertools.chain.from_iterable(explicit)}:
        _check_name(factor)
    empty = [factor for factor, levels in grid.items() if not levels]
    if empty:
        raise InputError(f"grid: factor '{empty[0]}' has no level, so that the grid is empty; give it a list of values")
    if not grid and not explicit and not fixed:
        raise InputError("the design has no cell: give a grid, cells, or fixed factors")
    cells: dict[str, Cell] = {}
    for factors in _all_factors(grid, explicit):
        cell = make_cell(generate, {**fixed, **factors})
        if cell.hash in cells:
            raise InputError(f"the same cell comes twice in the design ({named(cell.factors)}); take one of them out")
        cells[cell.hash] = cell
    return list(cells.values())


def _all_factors(grid: Mapping[str, Sequence[Any]], explicit: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    if grid or not explicit:
        for levels in itertools.product(*grid.values()):
            yield dict(zip(grid, levels, strict=True))
    yield from explicit


def _check_name(factor: object) -> None:
    if not isinstance(factor, str) or not factor.isidentifier():
        raise InputError(f"factor '{factor}': a factor is passed to functions by name, so write it as one (letters, digits, underscores)")
    if factor in RESERVED:
        raise InputError(f"factor '{factor}': the engine's tables use this name for something else; choose another")
