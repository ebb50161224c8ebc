"""Pieces of simulation studies: functions registered by name that generate data, analyse them, or know the true value.

A piece is registered by a decorator because it may be the user's own, in a file that the package has never seen. The design names the file
under ``pieces``; importing it registers what it holds, and the rest of the design refers to the names::

    # my_pieces.py
    from theory.sweeps import generator, method

    @generator("coin")
    def coin(*, rng, p, n):
        return rng.random(n) < p

    @method("mean")
    def mean(data):
        return {"estimate": data.mean()}

    # study.yaml
    pieces: [my_pieces.py]
    generate: coin
    methods: [mean]

Copy this registry where users add their own pieces. The product's own catalogues (arms, cohort readers, model families, figures) are plain
dictionaries from name to entry, in one file each. So their whole content can be read in one place, nothing has to be imported to register
it, and a repeated name shows in the diff.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from see_in_pairs.errors import InputError, did_you_mean
from see_in_pairs.source_code import source_hash

Function = TypeVar("Function", bound=Callable[..., Any])

FILE_MODULE = "sweep_pieces_"
"""First part of the module name under which a file of pieces is loaded."""

FROM_ENGINE = ("rng", "data", "replicates")
"""Parameters that the engine fills; every other one is a factor."""


@dataclass(frozen=True)
class Piece:
    """A registered function."""

    kind: str  # 'generator', 'method' or 'estimand'
    name: str  # in designs
    function: Callable[..., Any]
    vectorised: bool = False  # whether one call handles a whole block of replicates
    parameters: tuple[str, ...] = ()  # the factors it can take
    required: tuple[str, ...] = ()  # those of them without a default
    texts: tuple[str, ...] = ()  # those annotated as text
    any_factor: bool = False  # whether it takes all factors (``**factors``)
    wants_rng: bool = False  # whether it takes a random stream
    source: str | None = None  # as from `source_hash`

    def takes(self, name: str) -> bool:
        """Whether the function takes a factor."""
        return self.any_factor or name in self.parameters

    @property
    def home(self) -> str | None:
        """The module or file that registers it; None where it was typed in."""
        module = getattr(self.function, "__module__", None) or ""
        if module != "__main__" and not module.startswith(FILE_MODULE):
            return module or None
        file = getattr(getattr(inspect.unwrap(self.function), "__code__", None), "co_filename", "")
        return str(Path(file).resolve()) if file.endswith(".py") else None

    def arguments(self, factors: Mapping[str, Any]) -> dict[str, Any]:
        """The factors that this piece takes, to pass by name."""
        return dict(factors) if self.any_factor else {name: factors[name] for name in self.parameters if name in factors}


_REGISTRY: dict[tuple[str, str], Piece] = {}


def generator(name: str, *, vectorised: bool = False) -> Callable[[Function], Function]:
    """Register a function that generates the data of one replicate.

    Parameters
    ----------
    name : str
        Name by which designs refer to it.
    vectorised : bool, default False
        Whether it takes ``replicates`` too and generates a whole block at once, replicates along the first axis of its arrays.

    Returns
    -------
    callable
        A decorator that leaves the function as it is. The function takes ``rng``, a `numpy.random.Generator`, and factors by name; it
        returns the data, anything but None.

    Examples
    --------
    >>> @generator("coin")
    ... def coin(*, rng, p):
    ...     return rng.random() < p
    """
    return _decorator("generator", name, vectorised)


def method(name: str, *, vectorised: bool = False) -> Callable[[Function], Function]:
    """Register a function that analyses data.

    Parameters
    ----------
    name : str
        Name by which designs refer to it, and by which results list it.
    vectorised : bool, default False
        Whether it takes a whole block and returns arrays, one entry per replicate.

    Returns
    -------
    callable
        A decorator that leaves the function as it is. The function takes the data first, then factors by name, and returns a mapping of
        names to numbers (by convention ``estimate``, ``se``, ``lower``, ``upper``, ``p``, or some of them; others are kept). With a
        parameter ``rng`` it gets a random stream of its own.

    Examples
    --------
    >>> @method("as is")
    ... def as_is(data):
    ...     return {"estimate": float(data)}
    """
    return _decorator("method", name, vectorised)


def estimand(name: str) -> Callable[[Function], Function]:
    """Register a function that computes the true value in a cell.

    Parameters
    ----------
    name : str
        Name by which designs refer to it.

    Returns
    -------
    callable
        A decorator that leaves the function as it is. The function takes factors by name and returns a finite number.

    Examples
    --------
    >>> @estimand("chance")
    ... def chance(*, p):
    ...     return p
    """
    return _decorator("estimand", name, False)


def _decorator(kind: str, name: str, vectorised: bool) -> Callable[[Function], Function]:
    def register_it(function: Function) -> Function:
        register(kind, name, function, vectorised)
        return function

    return register_it


def register(kind: str, name: str, function: Callable[..., Any], vectorised: bool = False) -> Piece:
    """Register a function under a name that no other function has."""
    if not name or not isinstance(name, str):
        raise InputError(f"{kind}: give it a name, as in @{kind}('two_groups')")
    piece = _describe(kind, name, function, vectorised)
    known = _REGISTRY.get((kind, name))
    if known is not None and _home(known.function) != _home(function):
        places = f"{_home(known.function)} and {_home(function)}"
        raise InputError(f"{kind} '{name}': two functions are registered under this name ({places}); rename one")
    _REGISTRY[kind, name] = piece
    return piece


def _home(function: Callable[..., Any]) -> str:
    """The place of a function: the same file and name may be registered again (a reloaded module, a notebook's cell)."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    place = code.co_filename if code is not None and not code.co_filename.startswith("<") else getattr(function, "__module__", "")
    return f"{place}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def _describe(kind: str, name: str, function: Callable[..., Any], vectorised: bool) -> Piece:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise InputError(f"{kind} '{name}': is not a function whose parameters can be read") from None
    parameters = list(signature.parameters.values())
    if kind == "method":
        if not parameters or parameters[0].kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
            raise InputError(f"method '{name}': its first parameter is the data, as in def {name}(data, *, n)")
        parameters = parameters[1:]
    if any(p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL) for p in parameters):
        raise InputError(f"{kind} '{name}': factors are passed by name; write its parameters as keywords")
    takes = {p.name for p in parameters}
    if kind == "generator" and "rng" not in takes:
        raise InputError(f"generator '{name}': it must take its random stream, as in def {name}(*, rng, n)")
    if kind == "generator" and vectorised != ("replicates" in takes):
        raise InputError(f"generator '{name}': 'replicates' belongs to a vectorised one (vectorised=True), and to no other")
    factors = [p for p in parameters if p.kind is not p.VAR_KEYWORD and p.name not in FROM_ENGINE]
    return Piece(
        kind=kind,
        name=name,
        function=function,
        vectorised=vectorised,
        parameters=tuple(p.name for p in factors),
        required=tuple(p.name for p in factors if p.default is p.empty),
        texts=tuple(p.name for p in factors if "str" in re.findall(r"\w+", str(p.annotation))),
        any_factor=any(p.kind is p.VAR_KEYWORD for p in parameters),
        wants_rng="rng" in takes,
        source=source_hash(function),
    )


def piece(kind: str, name: str) -> Piece:
    """The registered piece of a kind and name."""
    if (kind, name) not in _REGISTRY:
        known = sorted(other for of, other in _REGISTRY if of == kind)
        where = "is the module or file that registers it under 'pieces'?"
        raise InputError(f"no {kind} is called '{name}' (known: {', '.join(known) or 'none'}); {where}{did_you_mean(name, known)}")
    return _REGISTRY[kind, name]


def piece_of(kind: str, function: Callable[..., Any]) -> Piece:
    """The piece of a function: as registered, or under its own name if it is not registered."""
    for (of, _), known in _REGISTRY.items():
        if of == kind and known.function is function:
            return known
    return _describe(kind, getattr(function, "__name__", type(function).__name__), function, vectorised=False)


def load_pieces(sources: Iterable[str], beside: Path | None = None) -> None:
    """Import the modules and files that register pieces; files are looked for beside the design, then in the working folder."""
    for source in sources:
        try:
            if source.endswith(".py"):
                _load_file(find_file(source, beside))
            else:
                importlib.import_module(source)
        except InputError:
            raise
        except (Exception, SystemExit) as error:  # a user's file may raise any exception during import
            raise InputError(f"pieces: {source}: cannot be imported ({type(error).__name__}: {error})") from error


def find_file(source: str, beside: Path | None) -> Path:
    """The absolute path of a file of pieces."""
    for folder in (beside, Path()):
        if folder is not None and (folder / source).is_file():
            return (folder / source).resolve()
    raise InputError(f"pieces: {source}: no such file, neither beside the design nor in the working folder")


def _load_file(path: Path) -> ModuleType:
    name = f"{FILE_MODULE}{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:  # under its own name, so that workers and replays find the same functions
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"pieces: {path}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
