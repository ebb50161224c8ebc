"""A random handful of a cohort's pictures, side by side."""

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
SHOWN = {"healthy": (70, 130, 180), "diseased": (205, 92, 52)}  # colours of the captions' bars


@dataclass(frozen=True)
class Tile:
    """One picture of a contact sheet."""

    item_id: str
    role: str
    caption: str  # label, sex, age, view, as far as they are known
    picture: Image.Image  # fitted into a square, a lesion's mask outlined; where the image cannot be read a gray square
    problem: str = ""  # why it cannot be read; ``''`` where it can


def choose_tiles(cohort: Cohort, seed: int = 0, columns: int = 8) -> list[Tile]:
    """Choose a random handful of each class, and where there are families each query beside its relative.

    Returns what is to be detected first.
    """
    place = {item: row for row, item in enumerate(cohort.table["item_id"])}
    return [_tile(cohort, item, cohort.table.iloc[place[item]]) for item in _chosen(cohort, seed, columns)]


def contact_sheet(cohort: Cohort, seed: int = 0, columns: int = 8) -> Image.Image:
    """Lay out what `choose_tiles` chooses.

    Returns the bar under a picture is blue for healthy and orange for diseased.
    """
    return lay_out(choose_tiles(cohort, seed, columns), columns)


def lay_out(tiles: list[Tile], columns: int) -> Image.Image:
    """Put tiles into rows."""
    from PIL import Image, ImageDraw

    height = TILE + CAPTION + GAP
    sheet = Image.new("RGB", (columns * (TILE + GAP) + GAP, -(-len(tiles) // columns) * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for place, tile in enumerate(tiles):
        x, y = GAP + (place % columns) * (TILE + GAP), GAP + (place // columns) * height
        sheet.paste(tile.picture, (x, y))
        draw.rectangle((x, y + TILE, x + TILE, y + TILE + 2), fill=SHOWN[tile.role])
        draw.text((x, y + TILE + 3), tile.caption[:22], fill="black")
    return sheet


def _chosen(cohort: Cohort, seed: int, columns: int) -> Iterator[str]:
    stream = np.random.default_rng(seed)
    queries = cohort.table[cohort.table["split"].isin(QUERY_SPLITS)]
    relatives = cohort.table[(cohort.table["split"] == "reference") & (cohort.table["family"] != "")].drop_duplicates("family")
    relative_of = dict(zip(relatives["family"], relatives["item_id"], strict=True))
    for label in (*cohort.info.positive, cohort.info.healthy):
        rows = queries[queries["label"] == label]
        room = columns if relative_of else 2 * columns
        for position in stream.permutation(len(rows))[:room]:
            row = rows.iloc[position]
            yield str(row["item_id"])
            if row["family"] in relative_of:
                yield relative_of[row["family"]]


def _tile(cohort: Cohort, item_id: str, row: pd.Series) -> Tile:
    from PIL import Image

    role = "healthy" if row["label"] == cohort.info.healthy else "diseased"
    square = Image.new("RGB", (TILE, TILE), "white")
    try:
        picture, mask = cohort.image(item_id), cohort.mask(item_id)
    except InputError as error:
        return Tile(item_id, role, f"{row['label']} (unreadable)", Image.new("RGB", (TILE, TILE), "lightgray"), str(error))
    scale = TILE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    fitted = _outlined(picture.resize(size, Image.Resampling.BICUBIC), mask)
    square.paste(fitted, ((TILE - size[0]) // 2, (TILE - size[1]) // 2))
    return Tile(item_id, role, _caption(row), square)


def _caption(row: pd.Series) -> str:
    age = row["age"]
    parts = (row["label"], row["sex"], f"{age:.0f}" if isinstance(age, float) and age == age else "", row["view"])
    return " ".join(str(part) for part in parts if part)


def _outlined(picture: Image.Image, mask: np.ndarray | None) -> Image.Image:
    if mask is None:
        return picture
    from PIL import Image, ImageChops, ImageFilter

    stencil = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).resize(picture.size)
    border = ImageChops.difference(stencil.filter(ImageFilter.MaxFilter(3)), stencil)
    return Image.composite(Image.new("RGB", picture.size, SHOWN["diseased"]), picture, border)
