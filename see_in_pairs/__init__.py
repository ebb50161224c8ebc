"""Code shared by all commands: input errors, atomic files, strict configs, run folders with a manifest.

It imports none of the three packages that use it (``theory``, ``empirical``, ``paper_figures``) and no heavy library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from see_in_pairs.errors import CheckFailed, InputError
from see_in_pairs.lazy import lazy_exports

if TYPE_CHECKING:
    from see_in_pairs.configs import StrictConfig, load_config

__all__ = ["CheckFailed", "InputError", "StrictConfig", "__version__", "load_config"]

__getattr__, __dir__ = lazy_exports(__name__, {"configs": ["StrictConfig", "load_config"]}, ["CheckFailed", "InputError", "__version__"])

__version__ = "0.1.0"
