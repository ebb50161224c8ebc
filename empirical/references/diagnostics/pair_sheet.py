"""A sheet of queries beside their references, for a person to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from empirical.cohorts import Cohort
    from empirical.references.assignment import Assignment

TILE, CAPTION, GAP = 224, 48, 8
COLOURS = {"healthy": (70, 130, 180), "diseased": (205, 92, 52)}  # as on the contact sheet of a cohort


def pair_sheet(cohort: Cohort, assignment: Assignment, seed: int = 0, rows: int = 4) -> Image.Image:
    """Lay out some queries, diseased ones on the left half and healthy ones on the right, each beside its references.

    Returns under each picture what is known of it, and under a reference how it was found. A line in the class's colour (blue: healthy,
    orange: diseased) stands under the picture; no selector has seen it.
    """
    from PIL import Image

    items, references = cohort.table.set_index("item_id"), assignment.references()
    notes = {(row.item_id, row.reference_id): str(row.note) for row in assignment.table.itertuples()}
    halves = [_drawn(items, list(references), healthy, cohort.info.healthy, seed, rows) for healthy in (False, True)]
    longest = 1 + max(len(references[item]) for half in halves for item in half)
    width, height = longest * TILE + GAP, TILE + CAPTION + GAP
    sheet = Image.new("RGB", (2 * width + 2 * GAP, max(map(len, halves)) * height), "white")
    for side, half in enumerate(halves):
        for place, query in enumerate(half):
            shown = [(query, "query"), *((reference, notes[query, reference]) for reference in references[query])]
            for column, (item, words) in enumerate(shown):
                tile = _tile(cohort.image(item), items.loc[[item]].iloc[0], cohort.info.healthy, words)
                sheet.paste(tile, (side * (width + 2 * GAP) + column * TILE, place * height))
    return sheet


def _drawn(items: pd.DataFrame, queries: list[str], wanted: bool, healthy: str, seed: int, rows: int) -> list[str]:
    of_class = [query for query in queries if (items.loc[query, "label"] == healthy) == wanted]
    order = np.random.default_rng(seed).permutation(len(of_class))[:rows]
    return [of_class[place] for place in order]


def _tile(picture: Image.Image, row: pd.Series, healthy: str, words: str) -> Image.Image:
    from PIL import Image, ImageDraw

    tile = Image.new("RGB", (TILE, TILE + CAPTION), "white")
    inside = TILE - 6
    scale = inside / max(picture.size)
    resized = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BICUBIC)
    tile.paste(resized, ((TILE - resized.width) // 2, (inside - resized.height) // 2))
    draw = ImageDraw.Draw(tile)
    draw.rectangle((3, inside + 1, TILE - 4, inside + 4), fill=COLOURS["healthy" if row["label"] == healthy else "diseased"])
    age = "" if np.isnan(row["age"]) else f"{row['age']:.0f}"
    known = " ".join(str(part) for part in (row["label"], row["sex"], age, row["view"], row["site"]) if part)
    for line, text in enumerate((known, *_wrapped(words))):
        draw.text((4, inside + 6 + 14 * line), text, fill="black")
    return tile


def _wrapped(words: str, width: int = 36) -> list[str]:
    import textwrap

    return textwrap.wrap(words, width)[:2]
