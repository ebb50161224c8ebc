"""The phantom: chest images from a stated Gaussian model, so that the performance of an ideal observer is known exactly.

`config` has the settings, `template` draws the anatomy, `model` derives the covariances from it, `draws` samples a family of images, `make`
writes a cohort, and `truth` is the model that is saved beside it.
"""

from empirical.cohorts.phantom.config import LesionConfig, PhantomConfig, Shares
from empirical.cohorts.phantom.make import make_phantom
from empirical.cohorts.phantom.truth import PhantomTruth

__all__ = ["LesionConfig", "PhantomConfig", "PhantomTruth", "Shares", "make_phantom"]


def __dir__() -> list[str]:
    return sorted(__all__)
