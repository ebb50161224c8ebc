"""Idefics3 and SmolVLM: images may be split into tiles; the chat template ends in ``Assistant:``, so an answer begins with a space."""

from __future__ import annotations

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, Family

FAMILIES = {
    name: Family(
        model_type=name,
        lora_language=rf".*\.text_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=r".*\.vision_model\..*layers\.\d+\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
        answer_prefix=" ",
        required_inputs=("pixel_attention_mask",),
        image_processor_settings={"do_image_splitting": False},  # 5 tiles against 1 depending on size would confound arms with resolution
    )
    for name in ("idefics3", "smolvlm")
}
