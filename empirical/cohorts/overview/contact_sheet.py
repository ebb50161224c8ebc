"""A contact sheet: a random sample of a cohort's images, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.schema import QUERY_SPLITS
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

TILE, GAP, CAPTION = 128, 6, 16  # pixels
CLASS_COLOURS = {"healthy": (70, 130, 180), "diseased": (205, 92, 52)}


@dataclass(frozen=True)
class Tile:
    """One image of a contact sheet."""

    item_id: str
    role: str  # ``'healthy'`` or ``'diseased'``
    caption: str  # label, sex, age, view, where known
    image: Image.Image  # fitted into a square, a lesion's mask outlined; a gray square where the image cannot be read
    problem: str = ""  # why it cannot be read


def choose_tiles(cohort: Cohort, seed: int = 0, columns: int = 8) -> list[Tile]:
    """Sample each class, diseased first; if there are families, put each query beside its relative."""
    row_of = {item: row for row, item in enumerate(cohort.table["item_id"])}
    return [_tile(cohort, item, cohort.table.iloc[row_of[item]]) for item in _sample(cohort, seed, columns)]


def contact_sheet(cohort: Cohort, seed: int = 0, columns: int = 8) -> Image.Image:
    """Lay out the tiles of `choose_tiles`."""
    return lay_out(choose_tiles(cohort, seed, columns), columns)


def lay_out(tiles: list[Tile], columns: int) -> Image.Image:
    """Put tiles into rows, each over a bar in the colour of its class and a caption."""
    from PIL import Image, ImageDraw

    height = TILE + CAPTION + GAP
    sheet = Image.new("RGB", (columns * (TILE + GAP) + GAP, -(-len(tiles) // columns) * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for place, tile in enumerate(tiles):
        x, y = GAP + (place % columns) * (TILE + GAP), GAP + (place // columns) * height
        sheet.paste(tile.image, (x, y))
        draw.rectangle((x, y + TILE, x + TILE, y + TILE + 2), fill=CLASS_COLOURS[tile.role])
        draw.text((x, y + TILE + 3), tile.caption[:22], fill="black")
    return sheet


def fit(image: Image.Image, side: int) -> Image.Image:
    """Scale an image so that its longer side has `side` pixels."""
    from PIL import Image

    scale = side / max(image.size)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BICUBIC)


def _sample(cohort: Cohort, seed: int, columns: int) -> Iterator[str]:
    rng = np.random.default_rng(seed)
    queries = cohort.table[cohort.table["split"].isin(QUERY_SPLITS)]
    relatives = cohort.table[(cohort.table["split"] == "reference") & (cohort.table["family"] != "")].drop_duplicates("family")
    relative_of = dict(zip(relatives["family"], relatives["item_id"], strict=True))
    for label in (*cohort.info.positive, cohort.info.healthy):
        rows = queries[queries["label"] == label]
        for position in rng.permutation(len(rows))[: columns if relative_of else 2 * columns]:  # two lines of tiles either way
            row = rows.iloc[position]
            yield str(row["item_id"])
            if row["family"] in relative_of:
                yield relative_of[row["family"]]


def _tile(cohort: Cohort, item_id: str, row: pd.Series) -> Tile:
    from PIL import Image

    role = "healthy" if row["label"] == cohort.info.healthy else "diseased"
    square = Image.new("RGB", (TILE, TILE), "white")
    try:
        image, mask = cohort.image(item_id), cohort.mask(item_id)
    except InputError as error:
        return Tile(item_id, role, f"{row['label']} (unreadable)", Image.new("RGB", (TILE, TILE), "lightgray"), str(error))
    fitted = _outlined(fit(image, TILE), mask)
    square.paste(fitted, ((TILE - fitted.width) // 2, (TILE - fitted.height) // 2))
    age = row["age"]
    known = (row["label"], row["sex"], f"{age:.0f}" if isinstance(age, float) and age == age else "", row["view"])
    return Tile(item_id, role, " ".join(str(part) for part in known if part), square)


def _outlined(image: Image.Image, mask: np.ndarray | None) -> Image.Image:
    if mask is None:
        return image
    from PIL import Image, ImageChops, ImageFilter

    stencil = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).resize(image.size)
    border = ImageChops.difference(stencil.filter(ImageFilter.MaxFilter(3)), stencil)
    return Image.composite(Image.new("RGB", image.size, CLASS_COLOURS["diseased"]), image, border)
