"""Qwen2-VL, Qwen2.5-VL, Qwen3-VL: three-dimensional positions, computed from ``mm_token_type_ids`` and ``image_grid_thw``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, ModelFamily

if TYPE_CHECKING:
    import torch

    from empirical.vlm.families.base import Batch

MERGE = 2  # MERGE x MERGE patches become one token, in all three

VISION_LAYERS = {
    "qwen2_vl": "(qkv|proj|fc1|fc2)",
    "qwen2_5_vl": "(qkv|proj|gate_proj|up_proj|down_proj)",
    "qwen3_vl": "(qkv|proj|linear_fc1|linear_fc2)",
}


def image_pixels(batch: Batch) -> list[torch.Tensor]:
    """Split the patches of a batch, (patches, values), into images of time x height x width patches."""
    return list(batch["pixel_values"].split(batch["image_grid_thw"].prod(-1).tolist()))


def pixel_map(batch: Batch, image: int, values: torch.Tensor) -> torch.Tensor:
    """Sum values within patches, (patches, values), and arrange them as (height, width): they come in blocks of MERGE x MERGE."""
    _, height, width = batch["image_grid_thw"][image].tolist()
    blocks = values.sum(dim=-1).reshape(-1, height // MERGE, width // MERGE, MERGE, MERGE).sum(dim=0)
    return blocks.transpose(1, 2).reshape(height, width)


def rope_index(model: Any, batch: Batch) -> torch.Tensor:
    """Compute the positions of whole prompts, (3, rows, tokens): time, height and width."""
    given = {name: batch[name] for name in ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")}
    rows = len(given["input_ids"])
    if rows > 1 and len(given["image_grid_thw"]) % rows == 0 and all(_rows_equal(value, rows) for value in given.values()):
        # the model counts positions in a Python loop over rows; equal rows (a prefix shared by a batch) need it once
        first = {name: value[: len(value) // rows] for name, value in given.items()}
        return model.model.get_rope_index(**first)[0].repeat(1, rows, 1)
    return model.model.get_rope_index(**given)[0]


def _rows_equal(values: torch.Tensor, rows: int) -> bool:
    first = values[: len(values) // rows]
    return bool((values.reshape(rows, *first.shape) == first).all())


def split_inputs(model: Any, batch: Batch, cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ``position_ids`` of both parts, cut from those of the whole prompt: the model would count the second part from 0."""
    positions = rope_index(model, batch)
    return {"position_ids": positions[:, :, :cut]}, {"position_ids": positions[:, :, cut:]}


def check_positions(model: Any, batch: Batch) -> str:
    """Compare the model's positions with `_expected_positions`; '' when they agree."""
    found = rope_index(model, batch)
    merge = model.config.vision_config.spatial_merge_size
    grids = iter(batch["image_grid_thw"].tolist())
    for row in range(len(batch["input_ids"])):
        real = batch["attention_mask"][row].bool()
        expected = _expected_positions(batch["mm_token_type_ids"][row, real].tolist(), grids, merge)
        if found[:, row, real].T.tolist() != expected:
            return f"row {row}: the positions of image and text tokens do not follow the rule"
    return ""


def fast_vision(model: Any, on: bool) -> int:
    """Switch the fast vision tower on or off (`empirical.vlm.families.qwen_vision`); returns how many layers changed."""
    from empirical.vlm.families import qwen_vision  # needs torch, which takes long to import

    return qwen_vision.fast_vision(model, on)


def _expected_positions(token_types: list[int], grids: Any, merge: int) -> list[list[int]]:
    """Count the positions (time, height, width) of one row token by token; type 0 is text.

    Deliberately not the model's own way: ``get_rope_index`` falls back to 1-D positions without an error if an input is missing, and
    no shape shows it. A text token is one after the largest position so far, on all three axes. An image of ``h x w`` merged
    patches starts there too; its tokens share the time, and count rows and columns.
    """
    positions: list[list[int]] = []
    while len(positions) < len(token_types):
        start = max((max(position) for position in positions), default=-1) + 1
        if token_types[len(positions)] == 0:
            positions.append([start] * 3)
            continue
        _, height, width = next(grids)
        positions += [[start, start + row, start + column] for row in range(height // merge) for column in range(width // merge)]
    return positions


FAMILIES = {
    name: ModelFamily(
        model_type=name,
        lora_language=rf".*\.language_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=rf".*\.visual\..*blocks\.\d+\..*\.{layers}",
        required_inputs=("image_grid_thw", "mm_token_type_ids"),  # Qwen2.5-VL without the latter silently falls back to 1-D positions
        image_pixels=image_pixels,
        pixel_map=pixel_map,
        split_inputs=split_inputs,
        check_positions=check_positions,
        fast_vision=fast_vision,
    )
    for name, layers in VISION_LAYERS.items()
}
