"""Where in the pictures a score comes from (claim C8): integrated gradients and occlusion, and shares on the lesion and on each picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
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


BLUR = 16
"""The baseline is the picture, blurred with a standard deviation of this part of its shorter side."""
FIRST = 4  # parts of the path of integration at the start
TOLERANCE = 0.05
"""The path is divided further until the parts' errors add to at most this share of the absolute attribution."""
FORWARD = 4  # so many times as many rows fit without gradients, since no layer keeps its inputs


@dataclass(frozen=True)
class Attribution:
    """An item's log-odds, attributed to places in each of its pictures."""

    maps: tuple[np.ndarray, ...]  # (rows, columns) of each picture, in the order of the prompt
    query: int  # which of them is the query's
    steps: int = 0  # at how many places along the path gradients were computed
    error: float = float("nan")  # error of completeness: what is missing from the sum, as a share of the absolute attribution

    def shares(self) -> dict[str, float]:
        """Share of the positive and of the absolute attribution on the query's picture and on the others; NaN without attribution."""
        found: dict[str, float] = {}
        for kind, part in (("", lambda values: np.clip(values, 0, None)), ("_absolute", np.abs)):
            sums = [float(part(values).sum()) for values in self.maps]
            total = sum(sums)
            query = sums[self.query] / total if total > 0 else float("nan")
            beside = float(sum(sums[: self.query] + sums[self.query + 1 :])) / total if total > 0 else float("nan")
            found |= {f"query_share{kind}": query, f"reference_share{kind}": beside}
        return found


@dataclass(frozen=True)
class LesionShare:
    """How much of an attribution is on the lesion."""

    share: float  # of the positive attribution
    expected: float  # share of a map that was shifted at random: the lesion's share of the picture
    p_value: float  # share of all shifts of the map (the true place included) that put at least as much on the lesion


def integrated_gradients(
    vlm: VisionLanguageModel, encoder: Encoder, example: Example, answers: tuple[str, str], *, steps: int = 32, batch_size: int = 4
) -> Attribution:
    r"""Attribute an item's log-odds to the pixels of its pictures.

    The maps are as the vision tower sees each picture (in pixels, or in patches for some families). Their sum is the log-odds minus those
    of the baseline, the same pictures without their details, up to the error that is returned. At most `steps` gradients are computed.

    Notes
    -----
    :math:`(x-x')\int_0^1 \partial z/\partial x\,(x'+t(x-x'))\,dt` (Sundararajan, Taly and Yan 2017), :math:`x'` the pictures, blurred with
    a standard deviation of a sixteenth of their side (our choice), so that attribution goes to what stands out from its surroundings.
    From a baseline of the picture's mean colour a bright lesion in a dark lung would count against the finding: it is brighter than the
    lung, and darker than the mean. All pictures come from the baseline together, or their parts of the log-odds would not add up.

    The integral uses the midpoint rule, on parts of the path that get smaller where needed. The rise of :math:`z` over a
    part is known from its ends; the part with the largest error is cut in three, until the errors add to a twentieth of the
    absolute attribution. A model that answers smoothly needs four gradients; one that compares two pictures may jump.
    """
    batch = to_device(encoder.prompts([example]), vlm.model)
    source = Encoder(encoder.processor, encoder.family, lambda name: _smooth(encoder.image_of(name)))
    pixels, smooth = (values.float() for values in (batch["pixel_values"], to_device(source.prompts([example]), vlm.model)["pixel_values"]))
    path = _Path(vlm, batch, smooth, pixels, [encoder.answer_ids(answer)[0] for answer in answers], batch_size)
    kinds = [part.kind for part in example.parts if part.kind != "text"]
    first = min(FIRST, steps)
    ends = np.linspace(0, 1, first + 1)
    with _without_weight_gradients(vlm.model):
        levels = path.log_odds(ends)
        low, high, below, above = ends[:-1], ends[1:], levels[:-1], levels[1:]
        maps = path.attributions((low + high) / 2)  # (parts, places in all pictures), per unit of the path
        while True:
            total = (high - low) @ maps
            errors = np.abs((high - low) * maps.sum(axis=1) - (above - below))
            allowed = TOLERANCE * float(np.abs(total).sum())
            if errors.sum() <= allowed or len(low) + 2 > steps or not np.isfinite(total).all():
                break
            order = np.argsort(-errors, kind="stable")
            enough = int((errors.sum() - np.cumsum(errors[order]) > allowed / 2).sum()) + 1
            cut = np.isin(np.arange(len(low)), order[: min(enough, (steps - len(low)) // 2)])
            third = (high[cut] - low[cut]) / 3
            left, right = low[cut] + third, high[cut] - third
            at_left, at_right = np.split(path.log_odds(np.concatenate([left, right])), 2)
            first_maps, last_maps = np.split(path.attributions(np.concatenate([left - third / 2, right + third / 2])), 2)
            low, high = (
                np.concatenate([those[~cut], *parts]) for those, parts in ((low, (low[cut], left, right)), (high, (left, right, high[cut])))
            )
            below, above = (
                np.concatenate([those[~cut], *parts])
                for those, parts in ((below, (below[cut], at_left, at_right)), (above, (at_left, at_right, above[cut])))
            )
            maps = np.concatenate([maps[~cut], first_maps, maps[cut], last_maps])  # the middle third has the middle of the whole
    weight = float(np.abs(total).sum())
    error = abs(float(total.sum() - (levels[-1] - levels[0]))) / weight if weight > 0 else float("nan")
    return Attribution(path.pictures(total), kinds.index("query"), len(low), error)


@dataclass(frozen=True)
class _Path:
    """The straight line from smooth pictures (0) to the pictures (1), and a model that reads the pictures on it."""

    vlm: VisionLanguageModel
    batch: Batch  # the prompt with its pictures, once
    smooth: torch.Tensor
    pixels: torch.Tensor
    tokens: list[int]
    batch_size: int

    @cached_property
    def places(self) -> list[torch.Tensor]:
        """Where each picture's entries are among all."""
        return _places(self.vlm, self.batch)

    def log_odds(self, ts: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad():  # not inference_mode: tensors that a model keeps for later calls are also used in calls with gradients
            found = [_log_odds(self.vlm, self._rows(self._at(few)), self.tokens) for few in self._batches(ts, FORWARD * self.batch_size)]
        return torch.cat(found).cpu().double().numpy()

    def attributions(self, ts: np.ndarray) -> np.ndarray:
        """Attribute the slope of the log-odds along the path: (ts, places in all pictures)."""
        import torch

        rows = []
        for few in self._batches(ts, self.batch_size):
            at = self._at(few).detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(_log_odds(self.vlm, self._rows(at), self.tokens).sum(), at)
            values = (self.pixels - self.smooth) * gradient.unflatten(0, (len(few), len(self.pixels)))
            rows += [np.concatenate([picture.ravel() for picture in self._maps(one)]) for one in values]
        return np.stack(rows)

    def pictures(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        """Cut a row of `attributions` into the maps of the pictures."""
        shapes = [one.shape for one in self._maps(self.pixels)]
        parts = np.split(values, np.cumsum([height * width for height, width in shapes])[:-1])
        return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))

    def _maps(self, values: torch.Tensor) -> list[np.ndarray]:
        family, flat = self.vlm.family, values.flatten()
        return [family.pixel_map(self.batch, image, flat[where]).cpu().double().numpy() for image, where in enumerate(self.places)]

    def _batches(self, ts: np.ndarray, size: int) -> tuple[torch.Tensor, ...]:
        import torch

        return torch.as_tensor(ts, dtype=torch.float32, device=self.pixels.device).split(size)

    def _at(self, ts: torch.Tensor) -> torch.Tensor:
        """Pictures along the path, one copy after the other along the first axis, for any family's layout."""
        along = ts.reshape(len(ts), *[1] * self.pixels.dim())
        return (self.smooth + along * (self.pixels - self.smooth)).flatten(0, 1)

    def _rows(self, at: torch.Tensor) -> Batch:
        number = len(at) // len(self.pixels)
        rows = {name: value.repeat(number, *[1] * (value.dim() - 1)) for name, value in self.batch.items() if name != "pixel_values"}
        return rows | {"pixel_values": at.to(self.vlm.model.dtype)}


def occlusion(
    vlm: VisionLanguageModel, encoder: Encoder, example: Example, answers: tuple[str, str], *, grid: int = 8, batch_size: int = 16
) -> Attribution:
    """Attribute an item's log-odds to squares of its pictures, by painting over one after the other.

    Each map is (grid, grid): how much the log-odds fall when the square is filled with the mean of its surroundings.
    """
    pictures = [encoder.image_of(name) for name in example.images]
    known = dict(zip(example.images, pictures, strict=True))  # otherwise each picture would be read once for every square
    squares = {f"square {place}": square for place, square in enumerate(np.ndindex(len(pictures), grid, grid))}

    def shown(name: str) -> Image:
        if name not in squares:
            return known[name]
        picture, row, column = squares[name]
        return _painted(pictures[picture], row, column, grid)

    source = Encoder(encoder.processor, encoder.family, shown)
    rows = [example, *(_instead(example, square[0], name) for name, square in squares.items())]
    scores = np.concatenate(
        [
            answer_log_probabilities(vlm.model, source, rows[start : start + batch_size], answers)
            for start in range(0, len(rows), batch_size)
        ]
    )
    odds = scores[:, 0] - scores[:, 1]
    falls = (odds[0] - odds[1:]).reshape(len(pictures), grid, grid)
    return Attribution(tuple(falls), [part.kind for part in example.parts if part.kind != "text"].index("query"))


def lesion_share(attribution: np.ndarray, mask: np.ndarray) -> LesionShare:
    """Compare an attribution with a lesion's mask, and with the same map shifted around the edges.

    Shapes: `attribution` (rows, columns), `mask` (height, width). Returns the share, the share of a random map, and the share of all shifts
    around the edges that reach at least as much.

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
    share = float((weights * lesion).sum())
    # what each shift of the map puts on the lesion is their circular correlation
    shifts = np.fft.ifft2(np.fft.fft2(lesion) * np.fft.fft2(weights).conj()).real
    shifts[0, 0] = share
    return LesionShare(share, float(lesion.mean()), float((shifts >= share - 1e-12).mean()))


@contextmanager
def _without_weight_gradients(model: torch.nn.Module) -> Iterator[None]:
    """Compute gradients of pixels only: gradients of weights would make every layer keep its inputs until the backward pass."""
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


def _places(vlm: VisionLanguageModel, batch: Batch) -> list[torch.Tensor]:
    """Find the entries of each image: number all entries, let the family select, and see which come out."""
    import torch

    pixels = batch["pixel_values"]
    numbers = torch.arange(1, pixels.numel() + 1, device=pixels.device, dtype=torch.float64).reshape(pixels.shape)  # none is 0: no padding
    return [image.long() - 1 for image in vlm.family.image_pixels(batch | {"pixel_values": numbers})]


def _smooth(picture: Image) -> Image:
    """Blur away details smaller than a tenth of the picture, and keep the anatomy around them."""
    from PIL import ImageFilter

    return picture.filter(ImageFilter.GaussianBlur(min(picture.size) / BLUR))


def _painted(picture: Image, row: int, column: int, grid: int) -> Image:
    """Paint over a square with the mean of its surroundings."""
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
    images = (*example.images[:place], name, *example.images[place + 1 :])
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
