"""LLaVA-OneVision: it tiles a single image but not two, so a single image would get about five times the tokens of one in a pair.

Here no image is tiled: the processor sees all images of a batch as those of one prompt, and treats each as one of several (padded to a
square, resized, one newline token at its end).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, ModelFamily
from empirical.vlm.families.base import process as process_rows

if TYPE_CHECKING:
    from empirical.vlm.families.base import Batch

PER_IMAGE = ("pixel_values", "image_sizes")


def process(processor: Any, texts: list[str], images: list[list[Any]], options: dict[str, Any]) -> Batch:
    """Call the processor so that it tiles no image: ``batch_num_images`` has one entry for the whole batch, of at least 2."""
    flat = [image for row in images for image in row]
    if len(flat) != 1:
        return process_rows(processor, texts, [flat], options)
    doubled = process_rows(processor, texts * 2, [flat * 2], options)  # a single image is processed with a copy, which is then removed
    return {
        name: value if name == "batch_num_images" else value[: 1 if name in PER_IMAGE else len(texts)] for name, value in doubled.items()
    }


FAMILIES = {
    "llava_onevision": ModelFamily(
        model_type="llava_onevision",
        lora_language=rf".*\.language_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=r".*\.vision_tower\..*layers\.\d+\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
        required_inputs=("image_sizes", "batch_num_images"),
        process=process,
    )
}
