"""Preflight checks of a model: that it reads several images, pads, is supervised, saved and sped up as this package takes for granted.

``inputs`` holds what goes in, ``vision`` the tower, ``paths`` different ways to the same score, ``adapters`` gradients and what is
saved; ``subject`` is the model on the couch. A check is a function from a subject to (passed, detail).
"""

from empirical.vlm.doctor.diagnosis import Check, Diagnosis, diagnose, diagnose_loaded, require

__all__ = ["Check", "Diagnosis", "diagnose", "diagnose_loaded", "require"]
