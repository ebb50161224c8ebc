"""What the API pages ask about the packages."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path


def surface(package: str) -> list[str]:
    """List the names that a package offers to its users.

    Parameters
    ----------
    package : str
        A package, for example ``'theory'``.

    Returns
    -------
    list of str
        The classes and functions in its ``__all__``, each where it is defined, so that it is documented once.
    """
    module = importlib.import_module(package)
    offered = (_unwrapped(getattr(module, name), name) for name in getattr(module, "__all__", []))
    return [f"{value.__module__}.{value.__qualname__}" for value in offered if callable(value) and hasattr(value, "__qualname__")]


def uncover_modules(package: str) -> None:
    """Let ``package.name`` mean the module where a package offers a function of the same name (``statistics.delong``).

    Sphinx would document the function twice, and nothing else of the module.

    Parameters
    ----------
    package : str
        A package; its inner packages are treated too.
    """
    outer = importlib.import_module(package)
    for found in pkgutil.iter_modules(outer.__path__):
        name = f"{package}.{found.name}"
        if found.ispkg:
            uncover_modules(name)
        elif not inspect.ismodule(outer.__dict__.get(found.name, outer)):
            setattr(outer, found.name, importlib.import_module(name))


def _unwrapped(value: object, name: str) -> object:
    return getattr(value, name) if inspect.ismodule(value) else value


def forget_pages(folder: Path) -> None:
    """Remove the pages of modules that are no more, which would be warned about for ever.

    Parameters
    ----------
    folder : Path
        Holds a page ``MODULE.rst`` for each module, from this or an earlier build.
    """
    for page in folder.glob("*.rst"):
        if not _exists(page.stem):
            page.unlink()


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is gone, too
        return False
