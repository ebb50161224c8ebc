"""Ways to run the same finetuning steps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """A way to run the same steps.

    Parameters
    ----------
    stored : bool
        Look image features up.
    checkpointing : bool
        Gradient checkpointing.
    trl : bool
        Through TRL's SFTTrainer.
    own_vision : bool
        With transformers' own vision tower; elsewhere, TRL included, with the faster one that this package puts into a model (Qwen).
    """

    stored: bool = False
    checkpointing: bool = False
    trl: bool = False
    own_vision: bool = False


VARIANTS = {
    "stored features": Variant(stored=True),
    "images every step": Variant(),
    "TRL": Variant(trl=True),
    "TRL, own vision": Variant(trl=True, own_vision=True),
    "stored features, checkpointing": Variant(stored=True, checkpointing=True),
    "TRL, checkpointing": Variant(trl=True, checkpointing=True),
}
