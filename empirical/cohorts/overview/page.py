"""Looking at a cohort: a contact sheet and a summary, as a page and as pictures."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.overview.contact_sheet import SHOWN, Tile, choose_tiles, lay_out
from empirical.cohorts.overview.summary import known_columns, summary_figure, summary_tables
from see_in_pairs.files import atomic_path, write_text

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

__all__ = ["SHOWN", "write_overview"]

COLUMNS = 8


def write_overview(cohort: Cohort, out: Path, seed: int = 0) -> list[str]:
    """Write ``index.html``, ``contact_sheet.png`` and ``summary.png``.

    Returns what is wrong with the chosen pictures that cannot be read, a line each.
    """
    from jinja2 import Environment, PackageLoader

    tiles = choose_tiles(cohort, seed, COLUMNS)
    with atomic_path(out / "contact_sheet.png") as temporary:
        lay_out(tiles, COLUMNS).save(temporary)
    with atomic_path(out / "summary.png") as temporary:
        summary_figure(cohort, known_columns(cohort)).savefig(temporary)
    page = Environment(loader=PackageLoader("empirical", "cohorts/overview"), autoescape=True).get_template("overview.jinja")
    words = {"info": asdict(cohort.info), "items": len(cohort.table), "families": (cohort.table["family"] != "").any()}
    tables = {title: _table(table) for title, table in summary_tables(cohort).items()}
    charts = {column: _chart(cohort, column) for column in known_columns(cohort)}
    write_text(out / "index.html", page.render(**words, tables=tables, charts=charts, tiles=[_embedded(tile) for tile in tiles]))
    return [tile.problem for tile in tiles if tile.problem]


def _table(table: pd.DataFrame) -> str:
    texts = "by-label" if "label" in table else "plain"
    return table.to_html(index=False, border=0, float_format="{:.1f}".format, classes=texts)


def _chart(cohort: Cohort, column: str) -> str:
    buffer = io.BytesIO()
    summary_figure(cohort, [column]).savefig(buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def _embedded(tile: Tile) -> dict[str, str]:
    return {"item": tile.item_id, "role": tile.role, "caption": tile.caption, "picture": _as_text(tile.picture)}


def _as_text(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return base64.b64encode(buffer.getvalue()).decode()
