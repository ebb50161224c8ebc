"""Why and when a healthy reference helps: closed forms, their symbolic derivation, raw simulation, and ideal observers.

Imports no torch, and neither of its sister packages. Everything here is loaded on first use, so that commands start fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theory.models.ideal_observers import Detectability, Scanning, hotelling, scanning
    from theory.paired_model import PairedModel
    from theory.statements import all_statements, statement
    from theory.verification import verify

_HOMES = {
    "PairedModel": "paired_model",
    "all_statements": "statements",
    "statement": "statements",
    "verify": "verification",
    "Detectability": "models.ideal_observers",
    "Scanning": "models.ideal_observers",
    "hotelling": "models.ideal_observers",
    "scanning": "models.ideal_observers",
}

__all__ = ["Detectability", "PairedModel", "Scanning", "all_statements", "hotelling", "scanning", "statement", "verify"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'theory' has no attribute '{name}'")
    return getattr(importlib.import_module(f"theory.{_HOMES[name]}"), name)
