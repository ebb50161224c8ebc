"""Arms: what one item looks like to the model under each condition; all are built from the same queries.

`catalogue` holds every arm and its settings, `build` makes examples of them, `images` the pictures that are no items.
"""

from empirical.arms.build import assign_references, build_examples, build_with_draws, queries_of, words_of
from empirical.arms.catalogue import ARMS, ArmConfig
from empirical.arms.images import file_of, picture_area, picture_source

__all__ = [
    "ARMS", "ArmConfig", "assign_references", "build_examples", "build_with_draws", "file_of", "picture_area",
    "picture_source", "queries_of", "words_of",
]  # fmt: skip
