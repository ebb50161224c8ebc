"""The statements of the theory, T1 to T12, each with closed form, symbolic form and raw simulation.

A file is named after its statement and its subject. The file that defines ``STATEMENT`` holds the statement itself; the files beside it
with the same number carry it further (another prevalence, an operating point, the power of a test) and add their ``QUANTITIES`` to the
statement ``STATEMENT_ID``. A new file needs no other registration.

========= ================================= =====================================================================================
statement itself                            carried further in
========= ================================= =====================================================================================
T1        `t1_univariate_rules`             `t1_operating_point`
T1b       `t1b_multivariate_gain`           `t1b_operating_point`
T2        `t2_several_references`           `t2_operating_point`, `t2_unequal_references`
T3        `t3_sample_size`                  `t3_patients_needed`
T4        `t4_learning_curves`              `t4_crossover`
T5        `t5_site_shift`                   `t5_ranking`
T6        `t6_faulty_references`            `t6_aware_rule`
T7        `t7_matching`                     `t7_distance`, `t7_leak`
T8        `t8_logistic_efficiency`          `t8_unequal_priors`
T9        `t9_information`                  `t9_unequal_priors`
T10       `t10_from_logits`                 `t10_designs`, `t10_gain`
T11       `t11_rival_models`                `t11_augmentation`, `t11_controls`
T12       `t12_further_theorems`            `t12_formulas` (its closed forms), `t12_minimax`, `t12_misspecified`, `t12_power`
========= ================================= =====================================================================================

`base` says what a statement is, `parameters` what it may depend on, `linear_rule` holds the simulation that linear rules share.
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


def _modules() -> list[ModuleType]:
    names = [module.name for module in pkgutil.iter_modules(__path__) if re.match(r"t\d", module.name)]
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


def statement(identifier: str) -> Statement:
    """Look a statement up.

    Parameters
    ----------
    identifier : str
        Id of the statement, such as ``'T1b'``; upper or lower case.

    Returns
    -------
    Statement
        The statement, with the quantities of all its files.

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
