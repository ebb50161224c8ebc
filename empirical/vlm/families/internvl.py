"""InternVL (the port in transformers): it cuts a square image into five tiles unless told otherwise at every call."""

from __future__ import annotations

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, ModelFamily

FAMILIES = {
    "internvl": ModelFamily(
        model_type="internvl",
        lora_language=rf".*\.language_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=r".*\.vision_tower\..*layer\.\d+\..*\.(q_proj|k_proj|v_proj|projection_layer|fc1|fc2)",
        processor_options={"images_kwargs": {"crop_to_patches": False}},  # ignored as a setting of the image processor
    )
}
