"""LLaVA-OneVision: tiles a lone image but not two, so a single image would get about five times the tokens of one in a pair."""

from __future__ import annotations

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, Family

FAMILIES = {
    "llava_onevision": Family(
        model_type="llava_onevision",
        lora_language=rf".*\.language_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=r".*\.vision_tower\..*layers\.\d+\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
        required_inputs=("image_sizes", "batch_num_images"),
    )
}
