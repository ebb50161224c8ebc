"""Arms: what one item looks like to the model under each condition. Every arm is built from the same queries.

One file per arm says what is shown and which of the rival explanations of T11 (``theory.statements``) it isolates:

(i) site or scanner shared by query and reference; (ii) the observer does not know the healthy population; (iii) the paired prompt or its
tokens; (iv) pair augmentation in training; (v) the reference is known to be healthy; (vi) the operating point.
"""

from empirical.arms.build import assign_references, build_examples, build_with_draws, words_of
from empirical.arms.catalogue import ARMS
from empirical.arms.config import ArmConfig
from empirical.arms.images import file_of, picture_area, picture_source
from empirical.arms.queries import queries_of
from empirical.prompts.example import Example

__all__ = [
    "ARMS", "ArmConfig", "Example", "assign_references", "build_examples", "build_with_draws", "file_of", "picture_area",
    "picture_source", "queries_of", "words_of",
]  # fmt: skip
