"""Checked statistics: what each is checked against (``checked_statistics.yaml``), our value, and whether they agree."""

from __future__ import annotations

import csv
import importlib
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
PRINTED = ROOT / "tests" / "paper_figures" / "r"
HOME = "paper_figures.statistics"
UNIT = 0.501  # of the last printed digit; a little more than half, for numbers that were rounded at a five


def ledger() -> dict[str, Any]:
    """Read the table of checks: ``rows``, ``twins``, ``sources`` and ``words`` (published tables)."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "reference" / "checked_statistics.yaml").read_text(encoding="utf-8"))
    return content


def our_value(row: dict[str, Any], words: dict[str, str]) -> float:
    """Compute the value that a row is about; `words` are the published tables."""
    ((name, given),) = row["call"].items()
    module, _, function = f"{HOME}.{name}".rpartition(".")
    arguments = {key: _argument(value, words) for key, value in given.items()}
    found = getattr(importlib.import_module(module), function)(*arguments.pop("*", ()), **arguments)
    for step in row["take"].split("."):
        found = _step(found, step)
    return float(found)


def _step(found: Any, step: str) -> Any:
    if step.endswith("()"):
        return getattr(found, step[:-2])()
    if step.isdigit():
        return found[int(step)]
    return found[step] if isinstance(found, dict) else getattr(found, step)


def _argument(value: Any, words: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_argument(entry, words) for entry in value]
    if not isinstance(value, dict):
        return value
    if "repeat" in value:
        return [entry for entry, count in value["repeat"] for _ in range(count)]
    return _from_file(**value) if "file" in value else _from_words(words[value["words"]])[value["column"]]


def _from_file(file: str, column: str) -> list[Any]:
    with open(PRINTED / file, newline="", encoding="utf-8") as lines:
        values = [row[column] for row in csv.DictReader(lines)]
    return values if column in ("patient", "item") else [float(value) for value in values]


def _from_words(text: str) -> dict[str, list[int]]:
    cells = ((1, 1), (1, 0), (0, 1), (0, 0))
    rows = [(*cell, k) for k, word in enumerate(text.split()) for cell, count in zip(cells, word, strict=True) for _ in range(int(count))]
    return {name: [row[place] for row in rows] for place, name in enumerate(("a", "b", "clusters"))}


def expected(row: dict[str, Any]) -> str:
    """The expected number of a row as it was printed, with all its digits."""
    if "expected" in row:
        return str(row["expected"])
    file, name, *place = row["printed"].split()
    for line in (PRINTED / file).read_text(encoding="utf-8").splitlines():
        first, *numbers = line.split()
        if first == name:
            return str(numbers[int(place[0]) if place else 0])
    raise KeyError(f"{file} prints no {name}")


def tolerance(row: dict[str, Any]) -> float:
    """How far our value may be from the expected one: half of the last printed digit, unless the row says otherwise."""
    if "within" in row:
        return float(row["within"])
    digits = Decimal(expected(row))
    exponent = int(digits.as_tuple().exponent)
    if "printed" in row:
        exponent = min(exponent, digits.adjusted() - 9)
    return UNIT * 10.0**exponent


def twin_exists(test: str) -> bool:
    """Whether a test that the table names is there."""
    file, function = test.split("::")
    path = ROOT / file
    return path.is_file() and re.search(rf"^def {function}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None


def page() -> str:
    """The tables of checked statistics as Markdown."""
    content = ledger()
    lines = []
    for heading, from_r in (("Published values", False), ("Values that R prints", True)):
        lines += [f"## {heading}", "", "| statistic | expected | ours | function | source |", "|---|---|---|---|---|"]
        rows = [row for row in content["rows"] if row["source"].startswith("r_") == from_r]
        lines += [_line(row, our_value(row, content["words"]), content["sources"]) for row in rows] + [""]
    lines += ["## Sources", ""]
    lines += [f"{name}\n: {text}\n" for name, text in content["sources"].items()]
    lines += ["## Computed a second way", "", "| statistic | compared with | test |", "|---|---|---|"]
    lines += [f"| {row['statistic']} | {row['twin']} | {_link(row['test'])} |" for row in content["twins"]]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any], ours: float, sources: dict[str, str]) -> str:
    if row["source"] not in sources:
        raise KeyError(row["source"])
    printed = expected(row)
    shown = f"{ours:.{max(len(re.sub('[^0-9]', '', printed.split('e')[0]).lstrip('0')), 3) + 1}g}"
    remark = f"; within {row['within']:g}: {row['note']}" if "within" in row else f"; {row['note']}" if "note" in row else ""
    (name,) = row["call"]
    function = f"{{py:func}}`~{HOME}.{name}`" if name in importlib.import_module(HOME).__all__ else f"`{HOME}.{name}`"
    return f"| {row['statistic']} | {printed} | {shown} | {function} | {row['source']}{remark} |"


def _link(test: str) -> str:
    file, function = test.split("::")
    return f"`{function}` in {{download}}`{Path(file).name} <../../{file}>`"


def write_page(app: Sphinx) -> None:
    """Write what has changed into ``generated/``, where the page includes it."""
    path, text = Path(app.srcdir) / "generated" / "ledger.md", page()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
