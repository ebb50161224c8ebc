"""The phantom: chest pictures made by a stated Gaussian model, so that what an ideal observer can reach is known exactly.

``config`` what is varied, ``template`` the anatomy, ``model`` the covariances from the anatomy, ``draws`` a family of images, ``make`` a
cohort on disk, ``truth`` what is left beside it.
"""

from empirical.cohorts.phantom.config import LesionConfig, PhantomConfig, Shares
from empirical.cohorts.phantom.make import make_phantom
from empirical.cohorts.phantom.truth import PhantomTruth

__all__ = ["LesionConfig", "PhantomConfig", "PhantomTruth", "Shares", "make_phantom"]
