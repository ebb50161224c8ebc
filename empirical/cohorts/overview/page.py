"""The overview of a cohort: a contact sheet and a summary, as a page and as images."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.overview.contact_sheet import Tile, choose_tiles, lay_out
from empirical.cohorts.overview.summary import known_columns, summary_figure, summary_tables
from see_in_pairs.files import atomic_path, write_text

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = 8  # tiles in a row of the contact sheet


def write_overview(cohort: Cohort, out: Path, seed: int = 0) -> list[str]:
    """Write ``index.html``, ``contact_sheet.png`` and ``summary.png``; return what is wrong with sampled images that cannot be read."""
    from jinja2 import Environment, PackageLoader

    tiles = choose_tiles(cohort, seed, COLUMNS)
    with atomic_path(out / "contact_sheet.png") as temporary:
        lay_out(tiles, COLUMNS).save(temporary)
    with atomic_path(out / "summary.png") as temporary:
        summary_figure(cohort, known_columns(cohort)).savefig(temporary)
    page = Environment(loader=PackageLoader("empirical", "cohorts/overview"), autoescape=True).get_template("overview.jinja")
    content = page.render(
        info=asdict(cohort.info),
        items=len(cohort.table),
        families=(cohort.table["family"] != "").any(),
        tables={title: _html(table) for title, table in summary_tables(cohort).items()},
        charts={column: _chart(cohort, column) for column in known_columns(cohort)},
        tiles=[{"item": tile.item_id, "role": tile.role, "caption": tile.caption, "image": _embedded(tile)} for tile in tiles],
    )
    write_text(out / "index.html", content)
    return [tile.problem for tile in tiles if tile.problem]


def _html(table: pd.DataFrame) -> str:
    texts = "by-label" if "label" in table else "plain"
    return table.to_html(index=False, border=0, float_format="{:.1f}".format, classes=texts)


def _chart(cohort: Cohort, column: str) -> str:
    buffer = io.BytesIO()
    summary_figure(cohort, [column]).savefig(buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def _embedded(tile: Tile) -> str:
    buffer = io.BytesIO()
    tile.image.save(buffer, "JPEG", quality=88)
    return base64.b64encode(buffer.getvalue()).decode()
