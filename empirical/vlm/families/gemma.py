"""Gemma 3 (the class of MedGemma): without ``token_type_ids`` its image tokens become causal in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, ModelFamily

if TYPE_CHECKING:
    from empirical.vlm.families.base import Batch


def prefix(model: Any, batch: Batch, cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the second part the token types of the whole: with its own alone the attention mask would be wrong in silence.

    Returns ``token_type_ids`` of the first part, and of the whole.
    """
    types = batch["token_type_ids"]
    return {"token_type_ids": types[:, :cut]}, {"token_type_ids": types}


def positions(model: Any, batch: Batch) -> str:
    """Hold the token types, which make image tokens see each other, against the image tokens."""
    marked = batch["token_type_ids"] == 1
    return (
        "" if bool((marked == (batch["input_ids"] == model.config.image_token_id)).all()) else "token_type_ids do not mark the image tokens"
    )


FAMILIES = {
    "gemma3": ModelFamily(
        model_type="gemma3",
        lora_language=rf".*\.language_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=r".*\.vision_tower\..*layers\.\d+\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
        required_inputs=("token_type_ids",),
        prefix=prefix,
        positions=positions,
    )
}
