"""The English of the pages: paragraphs that one reads once, one sentence a line, words of the field, links that lead somewhere."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.house.measure import ROOT, docstrings, modules, tree

MOST_WORDS = 90  # in a paragraph
MOST_COLUMNS = 88  # in a code block: wider ones are cut on most screens
MADE_BY_CODE = ("docs/results/error-rates/tables.md", "empirical/vlm/pocket/weights/README.md")

# What is not said, and what is said instead. Patterns are looked for in pages and in docstrings; words in code font do not count.
OUT = {
    r"(?:is|are|be|was|were) too sure\b": "reject too often; are too short",
    r"\b[Ll]ess that of\b": "minus that of",
    r"\b(?:ROC-)?AUC\b(?!-)": "AUROC",
    r"(?<!mid-)\bp value\b": "p-value",
    r"\bfine-tun": "finetun",
    r"\bground truth\b": "truth; label",
    r"\bshel(?:f|ves)\b(?<!the shelf)(?<!off-the-shelf)": "disk cache",
    r"\b(?:put|puts|laid) down\b": "write",
    r"\bthe ledger\b": "the verdicts; the checked statistics",
    r"\bsubjects?\b(?= (?:who|was|were|is|are)\b)": "patient",
    r"\butili[sz]e": "use",
    r"\bin order to\b": "to",
    r"\bvery unique\b|\bactual fact\b": "(leave it out)",
}


@cache
def pages() -> tuple[Path, ...]:
    names = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return tuple(ROOT / name for name in names if not name.startswith("tests/") and name not in MADE_BY_CODE and (ROOT / name).is_file())


def prose(page: Path) -> list[tuple[int, str]]:
    """Lines of a page with their numbers; code, tables, formulas, directives and headings are empty lines here."""
    kept, fence, formula = [], "", False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        stripped = line.strip()
        mark = re.match(r"(`{3,}|~{3,}|:{3,})", stripped)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) and stripped == mark[1] else fence
            stripped = ""
        elif mark:
            fence, stripped = mark[1], ""
        elif stripped.startswith("$$"):
            formula, stripped = (not formula) if stripped.count("$$") == 1 else formula, ""
        elif formula or stripped.startswith(("|", "#", "<", ":", "%")) or re.fullmatch(r"\([\w-]+\)=|[-=+*_]{3,}", stripped):
            stripped = ""
        kept.append((number, stripped))
    return kept


def plain(text: str) -> str:
    """Text as it is read: without code, formulas, and targets of links."""
    text = re.sub(r"\{[\w:]+\}`[^`]*`|`+[^`]*`+|\$[^$]*\$", "x", text)
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)


def paragraphs(page: Path) -> Iterator[tuple[int, str]]:
    """Paragraphs and items of lists, each with the number of its first line."""
    first, lines = 0, list[str]()
    for number, line in [*prose(page), (0, "")]:
        if (not line or re.match(r"(?:[-*+]|\d+\.)\s", line)) and lines:
            yield first, " ".join(lines)
            lines = []
        if line:
            first, lines = (number if not lines else first), [*lines, line]


def where(page: Path, number: int) -> str:
    return f"{page.relative_to(ROOT)}:{number}"


def test_paragraphs_are_short() -> None:
    long = [
        f"{where(page, number)}: {count} words"
        for page in pages()
        for number, text in paragraphs(page)
        if (count := len(plain(text).split())) > MOST_WORDS
    ]
    assert not long, "\n".join(long)


def test_a_line_holds_one_sentence() -> None:
    end = re.compile(r"[a-z\d%)*`\"]\.\)? +(?:[A-Z][a-z]|A |I )")
    abbreviated = re.compile(r"\b(?:e\.g|i\.e|vs|cf|al|Fig|Eq|No|Dr|St|approx|resp)\. ")
    two = [
        where(page, number)
        for page in pages()
        for number, line in prose(page)
        if end.search(abbreviated.sub("", re.sub(r"\([^()]*\)", "", plain(line)))) and not re.match(r"\d+\. ", line)
    ]
    assert not two, "more than one sentence a line:\n" + "\n".join(two)


def test_code_fits_on_a_screen() -> None:
    wide = []
    for page in pages():
        for block in re.finditer(r"^( *)```\{?(?:console|sh|python|yaml|text|code-cell)\b.*?^\1```", page.read_text("utf-8"), re.M | re.S):
            first = page.read_text("utf-8")[: block.start()].count("\n") + 1
            wide += [
                where(page, first + row)
                for row, line in enumerate(block[0].splitlines())
                if len(line) > MOST_COLUMNS > max(map(len, line.split())) + 20
            ]
    assert not wide, "\n".join(wide)


@cache
def sentences() -> list[tuple[str, str]]:
    """Where, and what is said there: lines of pages, and docstrings, without code."""
    said = [(where(page, number), plain(line)) for page in pages() for number, line in prose(page) if line]
    code = re.compile(r"``[^`]*``|`[^`]*`|^\s*>>>.*|^\s*\.\. .*", flags=re.MULTILINE)
    for name in modules():
        said += [(f"{name}:{string.lineno}", code.sub("x", str(string.value))) for string in docstrings(tree(name))]
    return said


@pytest.mark.parametrize("pattern", OUT, ids=list(OUT.values()))
def test_words_of_the_field(pattern: str) -> None:
    found = [place for place, text in sentences() if re.search(pattern, text)]
    assert not found, f"say '{OUT[pattern]}':\n" + "\n".join(found)
