"""The design of a simulation study, from YAML or Python: generator, methods, cells and replicates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import yaml
from pydantic import ConfigDict, Field, ModelWrapValidatorHandler, field_validator, model_validator

from see_in_pairs.configs import Count, StrictConfig, load_config
from see_in_pairs.display import plural
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_text
from theory.sweeps.packaged import packaged_studies
from theory.sweeps.registry import Piece, find_file, load_pieces, piece, piece_of
from theory.sweeps.scenarios import Cell, combine, plain


class BlockLimits(StrictConfig):
    """Limits of a block of replicates.

    Parameters
    ----------
    seconds : float, optional
        Wall-clock time, a millisecond or more. A block that takes longer fails as a whole.
    megabytes : float, optional
        Memory beyond what the process holds when the block begins, above 0 (Linux only). An allocation beyond it raises
        `MemoryError` in the replicate that asked.
    """

    seconds: Annotated[float, Field(ge=1e-3, le=1e8)] | None = None
    megabytes: Annotated[float, Field(gt=0, le=1e9)] | None = None


class Stop(StrictConfig):
    """When a cell has enough replicates.

    Parameters
    ----------
    measure : str
        The performance measure that decides, for example ``'bias'``.
    mcse : float
        Monte Carlo standard error of that measure, above 0, at or below which a cell is finished; every method must reach it.
    cap : int
        Number of replicates at which a cell is finished in any case.
    """

    measure: str
    mcse: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    cap: Count


class MethodUse(StrictConfig):
    """A method as a study uses it: under a name, with some parameters fixed (every key but ``name`` and ``use``).

    Parameters
    ----------
    name : str
        Label of the method in results and tables.
    use : str
        Name under which the method is registered.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    use: str

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters that the study fixes, by name."""
        return dict(self.model_extra or {})


class Study(StrictConfig):
    """The design of a simulation study.

    Parameters
    ----------
    name : str
        Name of the study, at least one character; a folder of results belongs to one name.
    generate : str or callable
        The generator, by its registered name or as a function.
    methods : list
        The methods, at least one: each a name, a function, or a mapping with ``name``, ``use`` and fixed parameters.
    aims : str
        The question in plain words; shown by ``sweep list`` and used nowhere else.
    pieces : list of str
        Modules, and files ending in ``.py`` (beside the YAML file or in the working folder), that register pieces.
    estimand : str, callable, float, optional
        The true value in a cell: a registered name, a function of the factors, or one number for all cells.
    fixed : dict
        Factors that have the same value in every cell.
    grid : dict
        Factor to its list of levels; every combination is a cell.
    cells : list of dict
        Further cells beside the grid's, each a mapping of factors to values.
    replicates : int
        Replicates per cell, 1 or more; with `stop`, those before the first look.
    block : int
        Replicates per block, 1 or more; a block is run, timed and limited as a unit.
    entropy : int
        Seed of all random streams, 0 or more.
    stop : Stop, optional
        Rule by which a cell has enough replicates; without it every cell gets `replicates`.
    limits : BlockLimits
        Time and memory that one block may use.
    max_failures : int
        Failed replicates a cell may have; one more stops it.
    null : float, optional
        Value of the estimand under the null hypothesis, for power and type-I error.

    Examples
    --------
    >>> def throw(*, rng, p, n):
    ...     return rng.random(n) < p
    >>> def mean(data):
    ...     return {"estimate": data.mean()}
    >>> study = Study(name="coins", generate=throw, methods=[mean], estimand=0.5, fixed={"p": 0.5}, grid={"n": [10, 20]}, replicates=4)
    >>> [cell.factors for cell in study.all_cells]
    [{'p': 0.5, 'n': 10}, {'p': 0.5, 'n': 20}]
    """

    name: Annotated[str, Field(min_length=1)]
    generate: str
    methods: Annotated[list[MethodUse], Field(min_length=1)]
    aims: str = ""
    pieces: list[str] = Field(default_factory=list)
    estimand: float | str | None = None
    fixed: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    cells: list[dict[str, Any]] = Field(default_factory=list)
    replicates: Count = 1000
    block: Count = 100
    entropy: Annotated[int, Field(ge=0)] = 0
    stop: Stop | None = None
    limits: BlockLimits = BlockLimits()
    max_failures: Annotated[int, Field(ge=0)] = 50
    null: float | None = None

    any_integer: ClassVar[tuple[str, ...]] = ("entropy",)
    _folder: ClassVar[Path | None] = None
    _given: ClassVar[Mapping[tuple[str, str], Piece]] = {}
    # Both are set in the instance's __dict__, beside the fields of pydantic: copies keep them, and neither is ever saved.

    @model_validator(mode="wrap")
    @classmethod
    def _functions_for_names(cls, content: Any, make: ModelWrapValidatorHandler[Study]) -> Study:
        """Accept functions as pieces: the fields contain their names, and the study keeps the functions beside them."""
        if not isinstance(content, dict):
            return make(content)
        named = {"null" if key is None else key: value for key, value in content.items()}  # an unquoted null is None in YAML
        given: dict[tuple[str, str], Piece] = {}
        for key, kind in (("generate", "generator"), ("estimand", "estimand")):
            named |= {key: _name_of(kind, named[key], given)} if key in named else {}
        if isinstance(named.get("methods"), (list, tuple)):
            named["methods"] = [_method_use(entry, given) for entry in named["methods"]]
        study = make(named)
        study.__dict__["_given"] = given
        return study

    @field_validator("grid", "fixed", "cells", mode="before")
    @classmethod
    def _without_numpy(cls, value: Any) -> Any:
        return plain(value)

    def __repr__(self) -> str:
        grid = " x ".join(f"{name} ({len(levels)})" for name, levels in self.grid.items())
        cells = (math.prod(map(len, self.grid.values())) if self.grid else not self.cells) + len(self.cells)
        methods = ", ".join(use.name for use in self.methods)
        replicates = f"{plural(self.replicates, 'replicate')} each in blocks of {self.block:,}"
        return f"Study '{self.name}': {plural(cells, 'cell')}{f' from {grid}' if grid else ''}; methods {methods}; {replicates}"

    __str__ = __repr__

    @classmethod
    def load(cls, path: Path | str, changes: Sequence[str] = ()) -> Study:
        """Read a study from YAML.

        Parameters
        ----------
        path : Path or str
            The YAML file, whose folder is searched first for files of pieces; or the name of a packaged study, for example ``'gain'``.
        changes : sequence of str
            Changes to the file's keys, each as ``key=value`` or ``outer.inner=value``.

        Returns
        -------
        Study
            The design with the changes made; its pieces are not loaded yet.

        Raises
        ------
        InputError
            When the file is missing or does not make a study.

        Examples
        --------
        >>> Study.load("gain", ["replicates=200"]).replicates
        200
        """
        path = path if Path(path).is_file() else packaged_studies().get(str(path), path)
        study = load_config(cls, path, changes)
        study.__dict__["_folder"] = Path(path).resolve().parent
        return study

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Study:
        """Copy the study, changing some fields.

        Parameters
        ----------
        update : mapping, optional
            Field to new value, which is not validated.
        deep : bool, default False
            Whether to copy lists and mappings of the fields too.

        Returns
        -------
        Study
            A study with the same functions instead of names; its cells are computed again.
        """
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("all_cells", None)  # the cached cells are of the old grid
        return copied

    @cached_property
    def all_cells(self) -> list[Cell]:
        """The cells, in the order of the design."""
        return combine(self.generate, self.fixed, self.grid, self.cells)

    @property
    def most_replicates(self) -> int:
        """Largest number of replicates that a cell may get."""
        return self.stop.cap if self.stop else self.replicates

    def with_replicates(self, replicates: int) -> Study:
        """Copy the study with another number of replicates.

        Parameters
        ----------
        replicates : int
            Replicates per cell, 1 or more.

        Returns
        -------
        Study
            A study that is otherwise the same.

        Raises
        ------
        InputError
            When `replicates` is below 1.
        """
        if replicates < 1:
            raise InputError(f"replicates {replicates}: ask for 1 or more")
        return self.model_copy(update={"replicates": replicates})

    def piece(self, kind: str, name: str) -> Piece:
        """The piece of a name: one given as a function, else a registered one."""
        return self._given.get((kind, name)) or piece(kind, name)

    def load_pieces(self) -> None:
        """Import the modules and files under `pieces`."""
        load_pieces(self.pieces, self._folder)

    def check_consistency(self) -> None:
        """Refuse a design that contradicts itself, before its pieces are resolved."""
        labels = [use.name for use in self.methods]
        twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
        if twice:
            raise InputError(f"two methods are called '{twice[0]}'; give each a 'name' of its own")
        if self.stop is not None and self.stop.cap < self.replicates:
            raise InputError(
                f"stop.cap is {self.stop.cap}, below 'replicates' ({self.replicates}), the number before the first look; raise it"
            )

    def to_dict(self) -> dict[str, Any]:
        """Content of the study from which it can be loaded again in any folder.

        Returns
        -------
        dict
            Fields that differ from their defaults, as plain values; under ``pieces`` the modules and the absolute paths of files.
        """
        content = self.model_dump(exclude={"pieces"}, exclude_defaults=True)  # not as JSON, which has no infinity
        return {"name": self.name, "pieces": self._sources(), **content}

    def _sources(self) -> list[str]:
        given = [str(find_file(source, self._folder)) if source.endswith(".py") else source for source in self.pieces]
        if given:
            return given
        used = [("generator", self.generate), *(("method", use.use) for use in self.methods)]
        used += [("estimand", self.estimand)] if isinstance(self.estimand, str) else []
        return list(dict.fromkeys(source for kind, name in used if (source := self.piece(kind, name).home)))

    def save(self, path: Path | str) -> None:
        """Write the study as YAML, atomically.

        Parameters
        ----------
        path : Path or str
            The YAML file to write or replace.
        """
        write_text(path, yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))


def _method_use(entry: Any, given: dict[tuple[str, str], Piece]) -> Any:
    """The mapping that a method's name or function stands for."""
    name = _name_of("method", entry, given)
    return {"name": name, "use": name} if isinstance(name, str) else name


def _name_of(kind: str, entry: Any, given: dict[tuple[str, str], Piece]) -> Any:
    """Name of a function, which is entered into `given`; anything else is returned as it is."""
    if not callable(entry):
        return entry
    found = piece_of(kind, entry)
    if given.get((kind, found.name), found).function is not entry:
        raise InputError(f"two functions are called '{found.name}'; name one with the decorator, as in @{kind}('another name')")
    given[kind, found.name] = found
    return found.name
