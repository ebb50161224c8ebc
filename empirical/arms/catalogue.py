"""All arms."""

from __future__ import annotations

from empirical.arms import blank, diseased, duplicate, fixed, multi, noise, pair, reversed, single, text, unlabelled, wrong_modality
from empirical.arms.base import Arm

_MODULES = (single, pair, multi, duplicate, blank, noise, fixed, diseased, wrong_modality, reversed, unlabelled, text)
ARMS: dict[str, Arm] = {module.ARM.name: module.ARM for module in _MODULES}
"""By name, the three arms of the claim first, then the nine controls."""
