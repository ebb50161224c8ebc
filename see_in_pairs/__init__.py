"""What every command shares: input errors, atomic files, strict configs, run folders with a manifest.

It knows nothing of the three packages above it (``theory``, ``empirical``, ``paper_figures``) and imports no heavy library.
"""

__version__ = "0.1.0"
