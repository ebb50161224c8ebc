"""Pickling of pieces for workers, which may not be able to import them."""

from __future__ import annotations

import hashlib
import inspect
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from see_in_pairs.errors import InputError
from theory.sweeps.resolved import ResolvedStudy


@dataclass(frozen=True)
class SharedPayload:
    """The shared data of all cells of a study, pickled once."""

    content: bytes
    digest: str  # its hash, by which workers recognise it
    parent: int | None = None  # the process that started the workers, if any: they end with it


def pickled(resolved: ResolvedStudy, common: Any, parent: int | None = None) -> SharedPayload:
    """Pickle the shared data: functions of importable modules by name, those of a file, script or notebook as code."""
    import cloudpickle  # type: ignore[import-untyped]

    named = [(f"method '{method.label}'", method.piece) for method in resolved.methods]
    for name, piece in [(f"generator '{resolved.generate.name}'", resolved.generate), *named]:
        _pickle_by_value_if_needed(inspect.getmodule(piece.function))
        try:
            cloudpickle.dumps(piece)
        except Exception as error:  # pickling raises many exceptions
            advice = "write it as a plain function in a module or file, or run with one worker"
            raise InputError(f"{name} cannot be sent to a worker ({error}); {advice}") from None
    content = cloudpickle.dumps(common)
    return SharedPayload(content, hashlib.sha256(content).hexdigest(), parent)


def _pickle_by_value_if_needed(module: ModuleType | None) -> None:
    import cloudpickle

    if module is not None and module.__name__ != "__main__" and not importable(module):
        cloudpickle.register_pickle_by_value(module)
        # pickle assigns numpy's ufuncs to the first module that has them, which must not be this one
        sys.modules[module.__name__] = sys.modules.pop(module.__name__)


def importable(module: ModuleType) -> bool:
    """Whether another process would find a module by its name."""
    path: Any = None
    parts = module.__name__.split(".")
    for depth in range(len(parts)):
        name = ".".join(parts[: depth + 1])
        found = next((spec for finder in sys.meta_path if (spec := finder.find_spec(name, path)) is not None), None)
        if found is None:
            return False
        path = found.submodule_search_locations
    return found is not None and found.origin == getattr(module.__spec__, "origin", None)
