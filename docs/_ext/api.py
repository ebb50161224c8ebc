"""What the API pages ask about the packages."""

from __future__ import annotations

import importlib
import inspect
import pkgutil


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
