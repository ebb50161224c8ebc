"""What every command shares: input errors, atomic files, strict configs, run folders with a manifest.

It knows nothing of the three packages above it (``theory``, ``empirical``, ``paper_figures``) and imports no heavy library.
"""

from see_in_pairs.errors import CheckFailed, InputError

__all__ = ["CheckFailed", "InputError", "__version__"]

__version__ = "0.1.0"
