"""Checks of a model before use: that several images, padding, labels, saving and the faster paths work as this package assumes.

A check is a function of a `ModelUnderTest` that returns an `Outcome`, (passed, detail); ``diagnosis`` lists them by name and runs them.
``inputs`` checks what goes into the model, ``vision`` the fast vision tower, ``scoring_paths`` that different ways to a score agree,
``adapters`` gradients and saved adapters. ``model_under_test`` has the test images and the tolerance, ``arithmetic`` computes in float32.
"""

from empirical.vlm.doctor.diagnosis import Check, Diagnosis, diagnose, diagnose_loaded, require

__all__ = ["Check", "Diagnosis", "diagnose", "diagnose_loaded", "require"]


def __dir__() -> list[str]:
    return sorted(__all__)
