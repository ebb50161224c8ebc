"""What the templates of the API pages ask about the packages."""

from __future__ import annotations

import importlib


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
    offered = (getattr(module, name) for name in getattr(module, "__all__", []))
    return [f"{value.__module__}.{value.__qualname__}" for value in offered if callable(value) and hasattr(value, "__qualname__")]
