"""What becomes of queries that cannot be matched as asked: one rule for all strategies."""

from __future__ import annotations

from collections.abc import Iterable

from empirical.references.assignment import Choice
from empirical.references.config import ReferenceConfig
from see_in_pairs.errors import InputError, first_few


def resolve_unmatched(choices: Iterable[Choice], config: ReferenceConfig, advice: str) -> list[Choice]:
    """Let unmatched queries stop the run, unless leaving them out was asked for."""
    settled = list(choices)
    lost = [choice for choice in settled if not choice.references]
    if lost and (config.unmatched != "leave_out" or len(lost) == len(settled)):
        names = first_few([f"{choice.item_id} ({choice.unmatched})" for choice in lost])
        raise InputError(f"{config.strategy} references: {len(lost)} of {len(settled)} queries cannot be matched: {names}; {advice}")
    return settled
