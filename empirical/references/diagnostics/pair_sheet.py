"""A sheet of queries beside their references, for visual inspection."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from empirical.cohorts.overview.contact_sheet import CLASS_COLOURS, fit
from empirical.references.aligned import read_image, shown_references

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from empirical.cohorts import Cohort
    from empirical.references.assignment import Assignment
    from empirical.references.config import ReferenceConfig

TILE, CAPTION, GAP = 224, 48, 8  # pixels


def pair_sheet(cohort: Cohort, assignment: Assignment, seed: int = 0, rows: int = 4, config: ReferenceConfig | None = None) -> Image.Image:
    """Lay out some queries, diseased ones on the left half and healthy ones on the right, each beside its references.

    Under each image are a line in the colour of its class (blue: healthy, orange: diseased; no selector has seen the class), known facts
    about the item, and, for a reference, how it was found. Where `config` asks for it, references are aligned to their queries.
    """
    from PIL import Image

    items, references = cohort.table.set_index("item_id"), assignment.references()
    notes = {(row.item_id, row.reference_id): str(row.note) for row in assignment.table.itertuples()}
    halves = [_sample(items, list(references), healthy, cohort.info.healthy, seed, rows) for healthy in (False, True)]
    longest = 1 + max(len(references[item]) for half in halves for item in half)
    width, height = longest * TILE + GAP, TILE + CAPTION + GAP
    sheet = Image.new("RGB", (2 * width + 2 * GAP, max(map(len, halves)) * height), "white")
    for side, half in enumerate(halves):
        for place, query in enumerate(half):
            shown = [(query, "query"), *((reference, notes[query, reference]) for reference in references[query])]
            for column, (item, words) in enumerate(shown):
                image = item if column == 0 else shown_references(query, [item], config)[0]
                tile = _tile(read_image(cohort, image), items.loc[[item]].iloc[0], cohort.info.healthy, words)
                sheet.paste(tile, (side * (width + 2 * GAP) + column * TILE, place * height))
    return sheet


def _sample(items: pd.DataFrame, queries: list[str], wanted: bool, healthy: str, seed: int, rows: int) -> list[str]:
    of_class = [query for query in queries if (items.loc[query, "label"] == healthy) == wanted]
    order = np.random.default_rng(seed).permutation(len(of_class))[:rows]
    return [of_class[place] for place in order]


def _tile(image: Image.Image, row: pd.Series, healthy: str, words: str) -> Image.Image:
    from PIL import Image, ImageDraw

    tile = Image.new("RGB", (TILE, TILE + CAPTION), "white")
    inside = TILE - 6
    fitted = fit(image, inside)
    tile.paste(fitted, ((TILE - fitted.width) // 2, (inside - fitted.height) // 2))
    draw = ImageDraw.Draw(tile)
    draw.rectangle((3, inside + 1, TILE - 4, inside + 4), fill=CLASS_COLOURS["healthy" if row["label"] == healthy else "diseased"])
    age = "" if np.isnan(row["age"]) else f"{row['age']:.0f}"
    known = " ".join(str(part) for part in (row["label"], row["sex"], age, row["view"], row["site"]) if part)
    for line, text in enumerate((known, *textwrap.wrap(words, 36)[:2])):
        draw.text((4, inside + 6 + 14 * line), text, fill="black")
    return tile
