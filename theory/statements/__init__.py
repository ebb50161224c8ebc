"""One file per statement of the theory (T1, T1b, T2, ...), each with closed form, symbolic form and raw simulation.

A file named ``t<number>_<words>.py`` that defines ``STATEMENT`` is a statement; one named ``more_t<number>_<words>.py`` adds its
``QUANTITIES`` to the statement ``STATEMENT_ID``. Nothing else needs to be told about either.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
import re
from types import ModuleType

from see_in_pairs.errors import InputError
from theory.statements.base import Quantity, Statement

__all__ = ["Quantity", "Statement", "all_statements", "statement"]


def _order(identifier: str) -> tuple[int, str]:
    found = re.fullmatch(r"T(\d+)(\w*)", identifier)
    return (int(found[1]), found[2]) if found else (10**6, identifier)


@functools.cache
def all_statements() -> dict[str, Statement]:
    """Find every statement.

    Returns
    -------
    dict of str to Statement
        By id, in the order of THEORY.md.
    """
    found = sorted((module.STATEMENT for module in _modules(r"t\d")), key=lambda item: _order(item.id))
    more = [(module.STATEMENT_ID, module.QUANTITIES) for module in _modules(r"more_t\d")]
    added = {item.id: [quantity for owner, quantities in more if owner == item.id for quantity in quantities] for item in found}
    return {item.id: dataclasses.replace(item, quantities=(*item.quantities, *added[item.id])) for item in found}


def _modules(pattern: str) -> list[ModuleType]:
    names = [module.name for module in pkgutil.iter_modules(__path__) if re.match(pattern, module.name)]
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


def statement(identifier: str) -> Statement:
    """Look a statement up.

    Parameters
    ----------
    identifier : str
        Its id, such as ``'T1b'``; upper or lower case.

    Returns
    -------
    Statement
        The statement.

    Raises
    ------
    InputError
        When there is none, listing those there are.

    Examples
    --------
    >>> statement("t1").quantity("error").value(d=1, rho=0.7, rule="optimal")
    0.24192
    """
    for name, found in all_statements().items():
        if name.lower() == identifier.lower():
            return found
    raise InputError(f"no statement '{identifier}' (there are {', '.join(all_statements())})")
