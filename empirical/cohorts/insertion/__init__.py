"""Lesions in real anatomy: healthy images of any cohort, half of them with a lesion of stated detectability.

`config` has the settings, `lesions` draws a lesion and finds where it fits, `calibration` makes its contrast from its detectability, `make`
writes the cohort.
"""

from empirical.cohorts.insertion.config import InsertConfig
from empirical.cohorts.insertion.make import insert_lesions

__all__ = ["InsertConfig", "insert_lesions"]


def __dir__() -> list[str]:
    return sorted(__all__)
