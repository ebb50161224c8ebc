"""Arms: what one item looks like to the model under each condition; all are built from the same queries.

`catalogue` holds every arm and its settings, `build` makes examples of them, `images` the images that are not items of the cohort.
"""

from empirical.arms.build import assign_references, build_examples
from empirical.arms.catalogue import ARMS, ArmConfig

__all__ = ["ARMS", "ArmConfig", "assign_references", "build_examples"]


def __dir__() -> list[str]:
    return sorted(__all__)
