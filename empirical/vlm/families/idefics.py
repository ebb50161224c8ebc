"""Idefics3 and SmolVLM: images may be split into tiles; the chat template ends in ``Assistant:``, so an answer begins with a space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, ModelFamily

if TYPE_CHECKING:
    import torch

    from empirical.vlm.families.base import Batch


def pixels(batch: Batch) -> list[torch.Tensor]:
    """Take a batch's images out of rows that are padded with black images to equal numbers.

    Returns one per image, in the order of the prompts.
    """
    images = batch["pixel_values"].flatten(0, 1)
    return [image for image in images if (image != 0).any()]  # as the model itself tells a padding image


FAMILIES = {
    name: ModelFamily(
        model_type=name,
        lora_language=rf".*\.text_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=r".*\.vision_model\..*layers\.\d+\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
        answer_prefix=" ",
        required_inputs=("pixel_attention_mask",),
        image_processor_settings={"do_image_splitting": False},  # 5 tiles against 1 depending on size would confound arms with resolution
        pixels=pixels,
    )
    for name in ("idefics3", "smolvlm")
}
