"""Relative links of README, CONTRIBUTING and the pages lead to files, and to headings in them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = {"_build", "generated", "gallery"}  # written while the pages are built
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if not BUILT & set(page.relative_to(ROOT).parts)),
]


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(r"^( *)(`{3,}|~{3,}).*?^\1\2[`~]*$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Names of headings, as GitHub and MyST make them, and of labels."""
    text = prose(page)
    headings = re.findall(r"^#{1,6}\s+(.*)$", text, flags=re.MULTILINE)
    plain = [re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings]
    labels = re.findall(r"^\(([\w-]+)\)=$", text, flags=re.MULTILINE)
    return frozenset([re.sub(r"[^\w\- ]", "", name).replace(" ", "-") for name in plain] + labels)


def broken(page: Path, text: str) -> list[str]:
    """Links in a text of a page that lead nowhere."""
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link) or BUILT & set(Path(file).parts):
            continue
        target = (page.parent / file).resolve() if file else page
        outside = DOCS in page.parents and DOCS not in target.parents and target.suffix == ".md"  # the site does not contain it
        if outside or not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page, prose(page)) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    page = ROOT / "docs" / "how-to" / "own_images.md"
    text = "[a](none.md) [b](#1-import) [c](#no-such-heading) [d](../reference/records.md#a-cohort) [e](https://example.org/none)"
    text += " [f](../../CONTRIBUTING.md)"
    assert broken(page, text) == ["none.md", "#no-such-heading", "../../CONTRIBUTING.md"]
