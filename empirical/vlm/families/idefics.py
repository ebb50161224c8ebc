"""Idefics3 and SmolVLM: they may tile images; their chat template ends in ``Assistant:``, so an answer begins with a space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, ModelFamily

if TYPE_CHECKING:
    import torch

    from empirical.vlm.families.base import Batch


def image_pixels(batch: Batch) -> list[torch.Tensor]:
    """Split ``pixel_values`` of shape (rows, images, ...) into images; rows with fewer images are padded with zeros."""
    images = batch["pixel_values"].flatten(0, 1)
    return [image for image in images if (image != 0).any()]  # the model itself recognises padding this way


FAMILIES = {
    name: ModelFamily(
        model_type=name,
        lora_language=rf".*\.text_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=r".*\.vision_model\..*layers\.\d+\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
        answer_prefix=" ",
        required_inputs=("pixel_attention_mask",),
        image_processor_settings={"do_image_splitting": False},  # 1 or 5 tiles, depending on size, would confound arms with resolution
        image_pixels=image_pixels,
    )
    for name in ("idefics3", "smolvlm")
}
