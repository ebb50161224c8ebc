"""All arms, and a page about them."""

from __future__ import annotations

from empirical.arms import blank, diseased, duplicate, fixed, multi, noise, pair, reversed, single, text, unlabelled, wrong_modality
from empirical.arms.base import Arm

_MODULES = (single, pair, multi, duplicate, blank, noise, fixed, diseased, wrong_modality, reversed, unlabelled, text)
ARMS: dict[str, Arm] = {module.ARM.name: module.ARM for module in _MODULES}
"""By name, the three arms of the claim first, then the nine controls."""


def arms_text() -> str:
    """Describe every arm in a line or two, for ``--help``.

    Returns
    -------
    str
        What it shows, and which explanation of T11 it isolates.
    """
    return "\n\n".join(f"{arm.name}: {arm.shows}. {arm.isolates[0].upper()}{arm.isolates[1:]}." for arm in ARMS.values())
