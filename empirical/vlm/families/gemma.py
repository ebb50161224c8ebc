"""Gemma 3 (the class of MedGemma): without ``token_type_ids`` its image tokens become causal in silence."""

from __future__ import annotations

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, Family

FAMILIES = {
    "gemma3": Family(
        model_type="gemma3",
        lora_language=rf".*\.language_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=r".*\.vision_tower\..*layers\.\d+\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
        required_inputs=("token_type_ids",),
    )
}
