"""Gemma 3 (the class of MedGemma): without ``token_type_ids`` its image tokens silently become causal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, ModelFamily

if TYPE_CHECKING:
    from empirical.vlm.families.base import Batch


def split_inputs(model: Any, batch: Batch, cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ``token_type_ids`` of the first part, and of the whole prompt for the second.

    The model builds the second part's mask over all keys, the cached ones included; with the second part's types alone it would be wrong
    without an error.
    """
    types = batch["token_type_ids"]
    return {"token_type_ids": types[:, :cut]}, {"token_type_ids": types}


def check_positions(model: Any, batch: Batch) -> str:
    """Compare the token types, which let the tokens of an image attend to each other, with the image tokens."""
    marked = batch["token_type_ids"] == 1
    correct = bool((marked == (batch["input_ids"] == model.config.image_token_id)).all())
    return "" if correct else "token_type_ids do not mark the image tokens"


FAMILIES = {
    "gemma3": ModelFamily(
        model_type="gemma3",
        lora_language=rf".*\.language_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=r".*\.vision_tower\..*layers\.\d+\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
        required_inputs=("token_type_ids",),
        split_inputs=split_inputs,
        check_positions=check_positions,
    )
}
