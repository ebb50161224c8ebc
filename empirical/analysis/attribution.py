"""Where in the query a score comes from (claim C8): integrated gradients and occlusion, and the share that falls on the lesion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.prompts.example import Example
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.scoring import answer_log_probabilities, to_device

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from empirical.vlm.inference.encoder import Batch


SMOOTH = "smooth"  # name of the baseline picture
BLUR = 16
"""The baseline is the picture, blurred with a standard deviation of this part of its shorter side."""


@dataclass(frozen=True)
class LesionShare:
    """How much of an attribution lies on the lesion."""

    share: float  # of the positive attribution
    expected: float  # share of a map that was shifted at random: the lesion's share of the picture
    p_value: float  # share of shifts of the map, the true place among them, that put at least as much on the lesion


def integrated_gradients(
    vlm: VisionLanguageModel, encoder: Encoder, example: Example, answers: tuple[str, str], *, steps: int = 32, batch_size: int = 4
) -> np.ndarray:
    r"""Attribute an item's log-odds to the pixels of its query.

    Returns (height, width), as the vision tower sees the query (in pixels, or in patches for some families). The sum is the log-odds minus
    those of the baseline, a query without its details.

    Notes
    -----
    :math:`(x-x')\int_0^1 \partial z/\partial x\,(x'+t(x-x'))\,dt` by the midpoint rule (Sundararajan, Taly and Yan 2017), :math:`x'` the
    query, blurred with a standard deviation of a sixteenth of its side (our choice), so that what is attributed is what stands out from
    its surroundings. From a baseline of the picture's mean colour a bright lesion in a dark lung would count against the finding: it is
    brighter than the lung, and darker than the mean. The reference image is left as it is.
    """
    import torch

    place = [part.kind for part in example.parts if part.kind != "text"].index("query")
    blurred = _smooth(encoder.image_of(example.images[place]))
    source = Encoder(encoder.processor, encoder.family, lambda name: blurred if name == SMOOTH else encoder.image_of(name))
    batch = to_device(encoder.prompts([example]), vlm.model)
    pixels = batch["pixel_values"].float()
    smooth = to_device(source.prompts([_instead(example, place, SMOOTH)]), vlm.model)["pixel_values"].float()
    tokens = [encoder.answer_ids(answer)[0] for answer in answers]
    total = torch.zeros_like(pixels)
    with _without_weight_gradients(vlm.model):
        for ts in torch.arange(0.5, steps, device=pixels.device).div(steps).split(batch_size):
            many = len(ts)
            rows = batch if many == 1 else to_device(encoder.prompts([example] * many), vlm.model)
            each = (many, *[1] * pixels.dim())  # copies are stacked along the first axis, whatever a family's layout
            at = (smooth + ts.reshape(each) * (pixels - smooth)).flatten(0, 1).detach().requires_grad_(True)
            odds = _log_odds(vlm, rows | {"pixel_values": at.to(vlm.model.dtype)}, tokens)
            (gradient,) = torch.autograd.grad(odds.sum(), at)
            total += gradient.unflatten(0, (many, len(pixels))).sum(dim=0)
    values = (pixels - smooth) * total / steps
    mine = values.flatten()[_places(vlm, batch, place)]
    return vlm.family.pixel_map(batch, place, mine).detach().cpu().double().numpy()


def occlusion(
    vlm: VisionLanguageModel, encoder: Encoder, example: Example, answers: tuple[str, str], *, grid: int = 8, batch_size: int = 16
) -> np.ndarray:
    """Attribute an item's log-odds to squares of its query, by painting over one after the other.

    Returns (grid, grid): how much the log-odds fall when the square takes the mean of what surrounds it.
    """
    place = [part.kind for part in example.parts if part.kind != "text"].index("query")
    picture = encoder.image_of(example.images[place])
    squares = [(row, column) for row in range(grid) for column in range(grid)]
    changed = {f"square-{row}-{column}": _painted(picture, row, column, grid) for row, column in squares}
    source = Encoder(encoder.processor, encoder.family, lambda name: changed[name] if name in changed else encoder.image_of(name))
    rows = [_instead(example, place, name) for name in ("", *changed)]
    scores = np.concatenate(
        [
            answer_log_probabilities(vlm.model, source, rows[start : start + batch_size], answers)
            for start in range(0, len(rows), batch_size)
        ]
    )
    odds = scores[:, 0] - scores[:, 1]
    return (odds[0] - odds[1:]).reshape(grid, grid)


def lesion_share(attribution: np.ndarray, mask: np.ndarray) -> LesionShare:
    """Compare an attribution with a lesion's mask, and with the same map shifted around the edges.

    Shapes: `attribution` (rows, columns), `mask` (height, width). Returns share, what a random map would give, and how many of all shifts
    around the edges do as well.

    Examples
    --------
    >>> attribution, mask = np.zeros((4, 4)), np.zeros((8, 8), dtype=bool)
    >>> attribution[1, 1], mask[2:4, 2:4] = 1.0, True
    >>> lesion_share(attribution, mask)
    LesionShare(share=1.0, expected=0.0625, p_value=0.0625)
    """
    weights = np.clip(attribution, 0, None)
    lesion = _coarse(mask, *attribution.shape)
    if weights.sum() == 0:
        return LesionShare(float("nan"), float(lesion.mean()), 1.0)
    weights = weights / weights.sum()
    shifts = np.array([(np.roll(weights, (down, right), (0, 1)) * lesion).sum() for down, right in np.ndindex(*weights.shape)])
    return LesionShare(float(shifts[0]), float(lesion.mean()), float((shifts >= shifts[0] - 1e-12).mean()))


@contextmanager
def _without_weight_gradients(model: torch.nn.Module) -> Iterator[None]:
    """Compute gradients of pixels only: for those of weights, every layer would keep its inputs until the backward pass."""
    wanted = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in wanted:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in wanted:
            weight.requires_grad_(True)


def _log_odds(vlm: VisionLanguageModel, batch: Batch, tokens: list[int]) -> torch.Tensor:
    logits = vlm.model(**batch, logits_to_keep=1, use_cache=False).logits[:, -1].float()
    return logits[:, tokens[0]] - logits[:, tokens[1]]


def _places(vlm: VisionLanguageModel, batch: Batch, place: int) -> torch.Tensor:
    """Find one image's entries among all: number them, let the family select, and see which come out."""
    import torch

    pixels = batch["pixel_values"]
    numbers = torch.arange(1, pixels.numel() + 1, device=pixels.device, dtype=torch.float64).reshape(pixels.shape)  # none is 0: no padding
    return vlm.family.image_pixels(batch | {"pixel_values": numbers})[place].long() - 1


def _smooth(picture: Image) -> Image:
    """Blur away what is smaller than a tenth of the picture, and leave the anatomy around it."""
    from PIL import ImageFilter

    return picture.filter(ImageFilter.GaussianBlur(min(picture.size) / BLUR))


def _painted(picture: Image, row: int, column: int, grid: int) -> Image:
    """Paint over a square with the mean of what surrounds it."""
    from PIL import Image

    array = np.array(picture)
    height, width = array.shape[:2]
    top, bottom, left, right = row * height // grid, (row + 1) * height // grid, column * width // grid, (column + 1) * width // grid
    margin = max(1, min(bottom - top, right - left) // 4)
    around = np.zeros((height, width), dtype=bool)
    around[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin] = True
    around[top:bottom, left:right] = False
    array[top:bottom, left:right] = array[around].mean(axis=0).round().astype(array.dtype)
    return Image.fromarray(array)


def _instead(example: Example, place: int, name: str) -> Example:
    images = example.images if not name else (*example.images[:place], name, *example.images[place + 1 :])
    return Example(example.item_id, example.parts, images, example.answer, example.reference_ids)


def _coarse(mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Average a mask over the cells of a grid, which may be finer than the mask: a small picture is enlarged before the tower sees it."""
    down, across = (_covered(cells, size) for cells, size in zip((rows, columns), mask.shape, strict=True))
    return down @ mask.astype(float) @ across.T


def _covered(cells: int, size: int) -> np.ndarray:
    """How much of each cell along a side each of its pixels covers: (cells, pixels)."""
    edges, pixels = np.linspace(0, size, cells + 1), np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.clip(overlap, 0, None) * cells / size
