"""Qwen2-VL, Qwen2.5-VL, Qwen3-VL: three-dimensional positions, computed from ``mm_token_type_ids`` and ``image_grid_thw``."""

from __future__ import annotations

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, Family

VISION_LAYERS = {
    "qwen2_vl": "(qkv|proj|fc1|fc2)",
    "qwen2_5_vl": "(qkv|proj|gate_proj|up_proj|down_proj)",
    "qwen3_vl": "(qkv|proj|linear_fc1|linear_fc2)",
}

FAMILIES = {
    name: Family(
        model_type=name,
        lora_language=rf".*\.language_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=rf".*\.visual\..*blocks\.\d+\..*\.{layers}",
        required_inputs=("image_grid_thw", "mm_token_type_ids"),  # Qwen2.5-VL without the latter falls back to 1-D positions in silence
    )
    for name, layers in VISION_LAYERS.items()
}
