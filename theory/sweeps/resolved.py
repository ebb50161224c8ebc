"""A study with its pieces found, and the check that pieces and factors fit together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from see_in_pairs.errors import InputError, did_you_mean, first_few
from theory.sweeps.registry import Piece
from theory.sweeps.scenarios import Cell, number_in_text, yaml_number
from theory.sweeps.study import Study


@dataclass(frozen=True)
class Method:
    """A method in a study."""

    label: str  # its name in results
    piece: Piece
    parameters: Mapping[str, Any]  # those fixed by the study

    def arguments(self, factors: Mapping[str, Any]) -> dict[str, Any]:
        """The named arguments in a cell: the factors that the method takes, and its fixed parameters."""
        return self.piece.arguments({**factors, **self.parameters})


@dataclass(frozen=True)
class ResolvedStudy:
    """A study with its pieces found."""

    study: Study
    generate: Piece
    methods: tuple[Method, ...]
    estimand: Piece | None  # if the true value is a function and not a number

    def check(self) -> None:
        """Check that pieces and factors fit together."""
        for method in self.methods:
            if method.piece.vectorised and not self.generate.vectorised:
                raise InputError(
                    f"method '{method.label}' takes whole blocks, but generator '{self.generate.name}' makes one replicate at a time"
                )
            self._check_parameters(method)
            self._refuse_numbers_in_text(method.parameters, f"method '{method.label}', parameter", (method.piece,))
        self._check_factors()
        for cell in self.study.all_cells:
            self._refuse_numbers_in_text(cell.factors, "factor", self._pieces)
            self._check_cell(cell)

    def _check_parameters(self, method: Method) -> None:
        unknown = [name for name in method.parameters if not method.piece.takes(name)]
        if unknown:
            known = ", ".join(method.piece.parameters) or "none"
            raise InputError(
                f"method '{method.label}': {method.piece.name} has no parameter '{unknown[0]}' (known: {known})"
                f"{did_you_mean(unknown[0], method.piece.parameters)}"
            )

    def _refuse_numbers_in_text(self, factors: Mapping[str, Any], what: str, pieces: Sequence[Piece]) -> None:
        """Refuse text that looks like a number, since every replicate would fail, unless a piece declares the parameter as text."""
        for name, value in factors.items():
            found = number_in_text(value)
            if found is not None and not any(name in piece.texts for piece in pieces):
                raise InputError(
                    f"{what} '{name}': {found[0]!r} is text; write {yaml_number(found[1])} for the number, or, where text is meant, "
                    f"'{name}: str' in the piece's parameters"
                )

    @property
    def _pieces(self) -> list[Piece]:
        return [self.generate, *(method.piece for method in self.methods), *([self.estimand] if self.estimand else [])]

    def _check_factors(self) -> None:
        factors = dict.fromkeys(name for cell in self.study.all_cells for name in cell.factors)
        unknown = [name for name in factors if not any(piece.takes(name) for piece in self._pieces)]
        if unknown:
            known = list(dict.fromkeys(name for piece in self._pieces for name in piece.parameters))
            raise InputError(
                f"unknown factor {first_few([repr(name) for name in unknown])}: no piece of the study takes it "
                f"(known: {', '.join(known) or 'none'}){did_you_mean(unknown[0], known)}"
            )

    def _check_cell(self, cell: Cell) -> None:
        users: list[tuple[Piece, Mapping[str, Any]]] = [(self.generate, {}), *((m.piece, m.parameters) for m in self.methods)]
        for user, given in users + ([(self.estimand, {})] if self.estimand else []):
            missing = [name for name in user.required if name not in cell.factors and name not in given]
            if missing:
                raise InputError(
                    f"{user.kind} '{user.name}' needs '{missing[0]}', which {cell} does not give; add it to fixed, grid or cells"
                )

    def truth(self, cell: Cell) -> float:
        """The true value in a cell; NaN where the study names no estimand."""
        if self.estimand is None:
            return float("nan") if self.study.estimand is None else float(self.study.estimand)
        try:
            value = float(self.estimand.function(**self.estimand.arguments(cell.factors)))
        except (Exception, SystemExit) as error:  # a user's function may raise any exception
            raise InputError(f"estimand '{self.estimand.name}' fails in {cell}: {type(error).__name__}: {error}") from error
        if not math.isfinite(value):
            raise InputError(f"estimand '{self.estimand.name}' gives {value} in {cell}; a true value is a finite number")
        return value


def resolve(study: Study) -> ResolvedStudy:
    """Find the pieces of a study, and check that they and the factors fit together."""
    study.load_pieces()
    study.check_consistency()
    if isinstance(study.estimand, str) and (found := number_in_text(study.estimand)):
        raise InputError(f"estimand: {found[0]!r} is text; write {yaml_number(found[1])}")
    methods = tuple(Method(use.name, study.piece("method", use.use), use.parameters) for use in study.methods)
    truth = study.piece("estimand", study.estimand) if isinstance(study.estimand, str) else None
    resolved = ResolvedStudy(study, study.piece("generator", study.generate), methods, truth)
    resolved.check()
    return resolved
