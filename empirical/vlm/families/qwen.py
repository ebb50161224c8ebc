"""Qwen2-VL, Qwen2.5-VL, Qwen3-VL: three-dimensional positions, computed from ``mm_token_type_ids`` and ``image_grid_thw``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from empirical.vlm.families.base import LANGUAGE_PROJECTIONS, ModelFamily

if TYPE_CHECKING:
    import torch

    from empirical.vlm.families.base import Batch

MERGE = 2  # patches that become one token lie in squares of so many by so many, in all three

VISION_LAYERS = {
    "qwen2_vl": "(qkv|proj|fc1|fc2)",
    "qwen2_5_vl": "(qkv|proj|gate_proj|up_proj|down_proj)",
    "qwen3_vl": "(qkv|proj|linear_fc1|linear_fc2)",
}


def pixels(batch: Batch) -> list[torch.Tensor]:
    """Cut a batch's patches into images of (time x height x width) patches each.

    Returns one per image, in the order of the prompts.
    """
    return list(batch["pixel_values"].split(batch["image_grid_thw"].prod(-1).tolist()))


def layout(batch: Batch, image: int, values: torch.Tensor) -> torch.Tensor:
    """Lay an image's patches out as the picture lies: they come in blocks of two by two.

    Shapes: `values` (patches, values). Returns (height, width): Added up within patches.
    """
    _, height, width = batch["image_grid_thw"][image].tolist()
    blocks = values.sum(dim=-1).reshape(-1, height // MERGE, width // MERGE, MERGE, MERGE).sum(dim=0)
    return blocks.transpose(1, 2).reshape(height, width)


def rope_index(model: Any, batch: Batch) -> torch.Tensor:
    """Let the model compute the positions of whole prompts.

    Returns (3, rows, tokens): Time, height and width.
    """
    given = {name: batch[name] for name in ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")}
    rows = len(given["input_ids"])
    if rows > 1 and len(given["image_grid_thw"]) % rows == 0 and all(_rows_alike(value, rows) for value in given.values()):
        one = {name: value[: len(value) // rows] for name, value in given.items()}
        return model.model.get_rope_index(**one)[0].repeat(1, rows, 1)  # the model would count them in a loop over rows
    return model.model.get_rope_index(**given)[0]


def _rows_alike(values: torch.Tensor, rows: int) -> bool:
    first = values[: len(values) // rows]
    return bool((values.reshape(rows, *first.shape) == first).all())


def prefix(model: Any, batch: Batch, cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give both parts their share of the positions of the whole: left to itself the model would count the second part from anew.

    Returns ``position_ids`` of the first part and of the second.
    """
    positions = rope_index(model, batch)
    return {"position_ids": positions[:, :, :cut]}, {"position_ids": positions[:, :, cut:]}


def positions(model: Any, batch: Batch) -> str:
    """Hold the model's positions against the rule, counted token by token.

    A text token stands one after the largest position so far, in all three axes. An image of ``h x w`` merged patches starts there too;
    its tokens share the time, and count rows and columns.
    """
    found = rope_index(model, batch)
    merge = model.config.vision_config.spatial_merge_size
    grids = iter(batch["image_grid_thw"].tolist())
    for row in range(len(batch["input_ids"])):
        real = batch["attention_mask"][row].bool()
        wanted = _positions_by_hand(batch["mm_token_type_ids"][row, real].tolist(), grids, merge)
        if found[:, row, real].T.tolist() != wanted:
            return f"row {row}: the positions of image and text tokens are not those of the rule"
    return ""


def fast_vision(model: Any, on: bool) -> int:
    """Let the vision tower attend within all windows, or images, of one length at once; see `empirical.vlm.families.qwen_vision`.

    Returns how many layers that changed.
    """
    from empirical.vlm.families import qwen_vision

    return qwen_vision.fast_vision(model, on)


def _positions_by_hand(kinds: list[int], grids: Any, merge: int) -> list[list[int]]:
    places: list[list[int]] = []
    while len(places) < len(kinds):
        start = max((max(place) for place in places), default=-1) + 1
        if kinds[len(places)] == 0:
            places.append([start] * 3)
            continue
        _, height, width = next(grids)
        places += [[start, start + row, start + column] for row in range(height // merge) for column in range(width // merge)]
    return places


FAMILIES = {
    name: ModelFamily(
        model_type=name,
        lora_language=rf".*\.language_model\.layers\..*\.{LANGUAGE_PROJECTIONS}",
        lora_vision=rf".*\.visual\..*blocks\.\d+\..*\.{layers}",
        required_inputs=("image_grid_thw", "mm_token_type_ids"),  # Qwen2.5-VL without the latter falls back to 1-D positions in silence
        pixels=pixels,
        layout=layout,
        prefix=prefix,
        positions=positions,
        fast_vision=fast_vision,
    )
    for name, layers in VISION_LAYERS.items()
}
