"""The numbered statements of the theory, each with closed form, symbolic form and raw simulation.

A file is named after its statement and its subject. The file that defines ``STATEMENT`` holds the statement itself; the files beside it
with the same number carry it further (another prevalence, an operating point, the power of a test) and add their ``QUANTITIES`` to the
statement ``STATEMENT_ID``. A new file needs no other registration.

`base` defines a statement, `parameters` its parameters; `linear_rule` has the simulation shared by linear rules.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
import re
from types import ModuleType
from typing import Any

from see_in_pairs.errors import InputError, did_you_mean
from theory.statements.base import Quantity, Statement

__all__ = ["Quantity", "Statement", "all_statements", "statement", "value"]


def __dir__() -> list[str]:
    return sorted(__all__)


def _order(identifier: str) -> tuple[int, str]:
    found = re.fullmatch(r"T(\d+)(\w*)", identifier)
    return (int(found[1]), found[2]) if found else (10**6, identifier)


@functools.cache
def all_statements() -> dict[str, Statement]:
    """Collect every statement from the files of this folder.

    Returns
    -------
    dict of str to Statement
        Statements by id, in the order of their numbers.
    """
    found = sorted((module.STATEMENT for module in _modules() if hasattr(module, "STATEMENT")), key=lambda item: _order(item.id))
    more = [(module.STATEMENT_ID, module.QUANTITIES) for module in _modules() if hasattr(module, "STATEMENT_ID")]
    added = {item.id: [quantity for owner, quantities in more if owner == item.id for quantity in quantities] for item in found}
    return {item.id: dataclasses.replace(item, quantities=(*item.quantities, *added[item.id])) for item in found}


def modules_of(identifier: str) -> list[ModuleType]:
    """Files of a statement, the one that states it first."""
    found = _modules()
    first = [module for module in found if hasattr(module, "STATEMENT") and module.STATEMENT.id == identifier]
    return [*first, *(module for module in found if getattr(module, "STATEMENT_ID", None) == identifier)]


def _modules() -> list[ModuleType]:
    names = [module.name for module in pkgutil.iter_modules(__path__) if re.match(r"t\d", module.name)]
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


def statement(identifier: str) -> Statement:
    """Look a statement up.

    Parameters
    ----------
    identifier : str
        Id of the statement, for example ``'T1b'``; upper or lower case.

    Returns
    -------
    Statement
        The statement, with the quantities of all its files.

    Raises
    ------
    InputError
        When there is no such statement; the message lists the known ones.

    Examples
    --------
    >>> statement("t1").quantity("error").value(d=1, rho=0.7, rule="optimal")
    0.24192
    """
    for name, found in all_statements().items():
        if name.lower() == identifier.lower():
            return found
    raise InputError(f"no statement '{identifier}' (there are {', '.join(all_statements())}){did_you_mean(identifier, all_statements())}")


def value(identifier: str, quantity: str, **parameters: Any) -> float:
    """Compute a closed-form value of a statement, as ``see-in-pairs theory value`` prints it.

    Parameters
    ----------
    identifier : str
        Id of the statement, for example ``'T1b'``; upper or lower case.
    quantity : str
        Name of the quantity, for example ``'auc'``.
    **parameters : object
        Parameters of the quantity by name, for example ``d``, ``rho``, ``m`` and ``rule``.

    Returns
    -------
    float
        The value of the closed form.

    Raises
    ------
    InputError
        For an unknown statement, quantity or parameter, or a value that is not possible.

    Examples
    --------
    >>> value("T1", "auc", d=1, rho=0.7, rule="optimal")
    0.8389
    """
    return statement(identifier).quantity(quantity).value(**parameters)
