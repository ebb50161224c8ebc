"""The page of configs describes every key of every config once, with a meaning of its own."""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from see_in_pairs.configs import StrictConfig

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "reference" / "configs.md"


def _load() -> ModuleType:
    """The extension of the docs; it imports a sister by name."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        return importlib.import_module("config_pages")
    finally:
        sys.path.remove(str(DOCS / "_ext"))


config_pages = _load()
SHOWN = config_pages.WHOLE | config_pages.SECTIONS


def _subclasses(base: type) -> Iterator[type]:
    for found in base.__subclasses__():
        if found.__module__.partition(".")[0] in ("theory", "empirical", "paper_figures"):
            yield found
        yield from _subclasses(found)


def test_every_config_class_has_a_section_and_every_section_a_heading() -> None:
    for package in ("theory", "empirical", "paper_figures"):
        for file in (DOCS.parent / package).rglob("*.py"):
            if re.search(r"^class \w+\(\w*Config\)", file.read_text("utf-8"), re.MULTILINE):
                importlib.import_module(".".join(file.relative_to(DOCS.parent).with_suffix("").parts))
    assert {config_pages.path_of(kind) for kind in _subclasses(StrictConfig)} == {*SHOWN, *config_pages.PARTS}
    page = PAGE.read_text("utf-8")
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}
    assert set(SHOWN.values()) <= anchors
    assert sorted(re.findall(r"generated/config_(.+)\.md", page)) == sorted(SHOWN.values())


@pytest.mark.parametrize("path", sorted(SHOWN))
def test_each_key_stands_once_with_a_meaning_of_its_own(path: str) -> None:
    kind = config_pages.load(path)
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", config_pages.table(kind), re.MULTILINE)
    inherited = {name for base in kind.__mro__[1:] if config_pages.path_of(base) in SHOWN for name in base.model_fields}
    own = {name for name in kind.model_fields if name not in inherited or name in kind.__annotations__}
    assert len({name for name, *_ in rows}) == len(rows)
    assert own <= {name for name, *_ in rows} <= set(kind.model_fields)
    assert [meaning for meaning, count in Counter(row[3] for row in rows).items() if count > 1] == []


def test_a_row_says_what_the_class_declares() -> None:
    table = config_pages.table(config_pages.load("empirical.training.config.LoraConfig"))
    assert "| `rank` | integer, 1 to 65536 | `16` | Rank of the update of a weight matrix. |" in table
    table = config_pages.table(config_pages.load("empirical.training.config.FinetuneConfig"))
    assert "| `cohort` | text | required | Folder of the cohort; its `train` split is used. |" in table
    assert "| `arm` | [section](#arms) | required |" in table
