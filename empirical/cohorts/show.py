"""Looking at a cohort: a contact sheet and a page of counts."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from empirical.cohorts.cohort import QUERY_SPLITS, SPLITS, Cohort
from see_in_pairs.files import atomic_path, write_text

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

TILE, GAP, CAPTION = 128, 6, 16  # pixels
SHOWN = {"healthy": (70, 130, 180), "diseased": (205, 92, 52)}  # colours of the captions' bars


def contact_sheet(cohort: Cohort, seed: int = 0, columns: int = 8) -> Image.Image:
    """Lay out a random handful of each class, and where there are families each query beside its relative.

    Parameters
    ----------
    cohort : Cohort
        What to show.
    seed : int, default 0
        Of the choice.
    columns : int, default 8
        Pictures in a row.

    Returns
    -------
    PIL.Image.Image
        Two rows of each class; the bar under a picture is blue for healthy and orange for diseased, and a mask is outlined.
    """
    from PIL import Image

    items = _chosen(cohort, seed, columns)
    height = TILE + CAPTION + GAP
    sheet = Image.new("RGB", (columns * (TILE + GAP) + GAP, -(-len(items) // columns) * height + GAP), "white")
    for place, item in enumerate(items):
        sheet.paste(_tile(cohort, item), (GAP + (place % columns) * (TILE + GAP), GAP + (place // columns) * height))
    return sheet


def summary_tables(cohort: Cohort) -> dict[str, pd.DataFrame]:
    """Count what a cohort holds.

    Parameters
    ----------
    cohort : Cohort
        The cohort.

    Returns
    -------
    dict of str to pandas.DataFrame
        By title: items and patients by split and label; the same by sex, site and view where known; age by split; missing values;
        what befell how many rows while importing.
    """
    import pandas as pd

    order = [split for split in SPLITS if (cohort.table["split"] == split).any()]
    table = cohort.table.assign(split=pd.Categorical(cohort.table["split"], order))
    groups = table.groupby(["split", "label"], observed=True)
    tables = {"Items and patients": groups.agg(items=("item_id", "size"), patients=("patient_id", "nunique")).reset_index()}
    for column in ("sex", "site", "view"):
        if (table[column] != "").any():
            counts = pd.crosstab([table["split"], table["label"]], table[column].replace("", "(missing)"))
            tables[f"Items by {column}"] = counts.reset_index().rename_axis(columns=None)
    if table["age"].notna().any():
        quantiles = groups["age"].describe()[["count", "min", "25%", "50%", "75%", "max"]].reset_index()
        tables["Age in years"] = quantiles.rename(columns={"count": "known", "50%": "median"})
    empty = {
        column: int(table[column].isna().sum() if column == "age" else (table[column] == "").sum())
        for column in ("age", "sex", "site", "view")
    }
    tables["Missing values"] = pd.DataFrame(empty.items(), columns=["column", "items without"])
    if cohort.info.counts:
        spoken = [(name.replace("_", " "), number) for name, number in cohort.info.counts.items()]
        tables["Counted while making the cohort"] = pd.DataFrame(spoken, columns=["what", "how many"])
    return tables


def write_overview(cohort: Cohort, out: Path, seed: int = 0) -> None:
    """Write ``contact_sheet.png`` and ``index.html``.

    Parameters
    ----------
    cohort : Cohort
        What to show.
    out : Path
        The folder.
    seed : int, default 0
        Of the choice of pictures.
    """
    from jinja2 import Environment, PackageLoader

    sheet = contact_sheet(cohort, seed)
    with atomic_path(out / "contact_sheet.png") as temporary:
        sheet.save(temporary)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    tables = {title: table.to_html(index=False, border=0, float_format="{:.1f}".format) for title, table in summary_tables(cohort).items()}
    page = Environment(loader=PackageLoader("empirical", "cohorts"), autoescape=True).get_template("overview.jinja")
    picture = base64.b64encode(buffer.getvalue()).decode()
    write_text(out / "index.html", page.render(info=asdict(cohort.info), tables=tables, picture=picture, items=len(cohort.table)))


def _chosen(cohort: Cohort, seed: int, columns: int) -> list[str]:
    stream = np.random.default_rng(seed)
    queries = cohort.table[cohort.table["split"].isin(QUERY_SPLITS)]
    relatives = cohort.table[(cohort.table["split"] == "reference") & (cohort.table["family"] != "")].drop_duplicates("family")
    relative_of = dict(zip(relatives["family"], relatives["item_id"], strict=True))
    items: list[str] = []
    for label in (*cohort.info.positive, cohort.info.healthy):
        rows = queries[queries["label"] == label]
        room = columns if relative_of else 2 * columns
        for position in stream.permutation(len(rows))[:room]:
            row = rows.iloc[position]
            items += [row["item_id"], *([relative_of[row["family"]]] if row["family"] in relative_of else [])]
    return items


def _tile(cohort: Cohort, item_id: str) -> Image.Image:
    from PIL import Image, ImageDraw

    row = cohort.table.loc[cohort.table["item_id"] == item_id].iloc[0]
    picture = cohort.image(item_id)
    scale = TILE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    tile = Image.new("RGB", (TILE, TILE + CAPTION), "white")
    tile.paste(
        _outlined(picture.resize(size, Image.Resampling.BICUBIC), cohort.mask(item_id)), ((TILE - size[0]) // 2, (TILE - size[1]) // 2)
    )
    draw = ImageDraw.Draw(tile)
    draw.rectangle((0, TILE, TILE, TILE + 2), fill=SHOWN["healthy" if row["label"] == cohort.info.healthy else "diseased"])
    draw.text((0, TILE + 3), _caption(row), fill="black")
    return tile


def _caption(row: pd.Series) -> str:
    age = row["age"]
    parts: Sequence[object] = (row["label"], row["sex"], f"{age:.0f}" if isinstance(age, float) and age == age else "", row["view"])
    return " ".join(str(part) for part in parts if part)[:22]


def _outlined(picture: Image.Image, mask: np.ndarray | None) -> Image.Image:
    if mask is None:
        return picture
    from PIL import Image, ImageChops, ImageFilter

    stencil = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).resize(picture.size)
    border = ImageChops.difference(stencil.filter(ImageFilter.MaxFilter(3)), stencil)
    return Image.composite(Image.new("RGB", picture.size, SHOWN["diseased"]), picture, border)
