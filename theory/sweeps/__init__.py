"""An engine for simulation studies: registered pieces, a design, replicates in blocks with streams of their own, results that survive.

``pieces`` (generate, method, estimand) and ``design`` (the study) say what; ``streams`` and ``block`` run one block; ``runner``,
``schedule`` and ``backends`` run many; ``store`` keeps what is finished and ``results`` reads it. Everything is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theory.sweeps.execution.runner import run
    from theory.sweeps.registry import estimand, generator, method
    from theory.sweeps.storage.results import Results
    from theory.sweeps.study import Study

_HOMES = {
    "Study": "study",
    "Results": "storage.results",
    "estimand": "registry",
    "generator": "registry",
    "method": "registry",
    "run": "execution.runner",
}

__all__ = ["Results", "Study", "estimand", "generator", "method", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'theory.sweeps' has no attribute '{name}'")
    return getattr(importlib.import_module(f"theory.sweeps.{_HOMES[name]}"), name)
