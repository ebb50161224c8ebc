"""The kept results of inserted lesions: the page says what the tables say, and the tables name no image."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

KEPT = Path(__file__).parents[3] / "docs" / "results" / "inserted-lesions"
SETS = {"chest X-rays": "nih", "moles": "ham10000", "fundus photographs": "fundus"}


def read(name: str) -> pd.DataFrame:
    """The table of a set, with its aligned references where these were tried."""
    paths = [path for path in (KEPT / f"{name}.csv", KEPT / f"{name}-aligned.csv") if path.exists()]
    return pd.concat([pd.read_csv(path) for path in paths]).dropna(subset="gain")


def numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?[.\d]+", cell)]


def test_the_page_has_every_row_of_the_tables() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", (KEPT / "README.md").read_text("utf-8"), re.MULTILINE
    )
    rows = [row for row in rows if row[0] in SETS and "[" in row[2]]
    tables = {name: read(name) for name in SETS.values()}
    assert len(rows) == sum(table["strategy"].nunique() for table in tables.values())
    for images, strategy, joint, difference, explained, rho in rows:
        table = tables[SETS[images]]
        shown = [(joint, "joint", "gain", 3), (difference, "difference", "gain", 3)]
        for cell, observer, column, digits in [*shown, (explained, "joint", "explained", 2), (rho, "joint", "rho", 2)]:
            found = table[(table["strategy"] == strategy) & (table["observer"] == observer)].iloc[0]
            assert numbers(cell) == pytest.approx([found[column], found[f"{column}_low"], found[f"{column}_high"]], abs=0.51 / 10**digits)


def test_what_the_page_concludes_holds_in_the_tables() -> None:
    table = pd.concat([read(name) for name in SETS.values()])
    control = table["strategy"].str.startswith("control")
    joint = table["observer"] == "joint"
    assert table.loc[joint & ~control, "gain_high"].max() < 0.0095
    assert set(table.loc[~joint & ~control, "verdict"]) == {"loss"} and set(table.loc[control, "verdict"]) == {"gain"}
    assert table["half_width"].max() < 0.0395 and not table["leak_found"].any()
    assert table.loc[control & joint, "explained"].between(0.435, 0.545).all()


def test_the_tables_name_no_image() -> None:
    for path in KEPT.glob("*.csv"):
        assert not re.search(r"\.(png|jpg)|ISIC|Patient\d|#\d", path.read_text("utf-8"))
