"""Verdicts that are kept under docs/results: each is judged anew from the CSV beside it, and compared with all that names it there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from paper_figures.claims import CLAIMS, SOURCES, evaluate_claims
from paper_figures.claims.ledger import VERDICTS, check_claims, read_verdicts
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, write_json, write_text
from tests.paper_figures.claims.conftest import write_runs

KEPT = sorted((Path(__file__).parents[3] / "docs" / "results").rglob("claims.csv"))


def disagreements(folder: Path) -> list[str]:
    """What in a folder does not follow from its ``claims.csv``: verdicts that it names, ``claims.json``, and tables in Markdown."""
    judged = {key: (found.verdict, said) for key, (found, said) in read_verdicts(folder / "claims.csv").items()}
    wrong = [f"claims.csv: {claim} {source}: {said}, but {found}" for (claim, source), (found, said) in judged.items() if said != found]
    wrong += _margins(folder / "claims.csv")
    found = {key: verdict for key, (verdict, _) in judged.items()}
    if (folder / "claims.json").is_file():
        try:
            entries = check_claims(folder / "claims.json")
        except InputError as error:
            return [*wrong, str(error)]
        said = {(entry["id"], source): one["verdict"] for entry in entries for source, one in entry["verdicts"].items()}
        wrong += [
            f"claims.json: {' '.join(key)}: {said.get(key)}, but {found.get(key)}"
            for key in found | said
            if said.get(key) != found.get(key)
        ]
    for page in sorted(folder.rglob("*.md")):
        wrong += [f"{page.name}: {words}" for words in _in_markdown(page.read_text(encoding="utf-8"), found)]
    return wrong


def _margins(path: Path) -> list[str]:
    """Margins in the table that are not the registry's."""
    table, known = pd.read_csv(path), {claim.id: claim for claim in CLAIMS}
    wrong = []
    for row in table.to_dict("records"):
        criterion = known[row["claim"]].criteria.get(row["source"])
        if criterion is not None and (row["margin"], row["null"]) != (criterion.margin, criterion.null):
            wrong.append(f"claims.csv: {row['claim']} {row['source']}: margin {row['margin']}, but {criterion.margin}")
    return wrong


def _in_markdown(text: str, found: dict[tuple[str, str], str]) -> list[str]:
    """Rows of tables that name a claim and another verdict than it has, by the source in the head of the column or in the row."""
    wrong: list[str] = []
    head: list[str] = []
    for line in text.splitlines():
        if not line.lstrip().startswith("|"):
            head = []
            continue
        cells = [re.sub(r"[*_`]", "", cell).strip() for cell in line.strip().strip("|").split("|")]
        head = head or [cell.lower() for cell in cells]
        claim = next((name.group() for cell in cells if (name := re.match(r"C\d+\b", cell))), None)
        in_row = [source for source in SOURCES if source in [cell.lower() for cell in cells]]
        for column, cell in zip(head, cells, strict=False):
            verdict = next((one for one in VERDICTS if cell.lower().startswith(one)), None)
            if claim is None or verdict is None:
                continue
            sources = [column] if column in SOURCES else in_row or [source for source in SOURCES if (claim, source) in found]
            if verdict not in [found.get((claim, source)) for source in sources]:
                wrong.append(f"{claim} {', '.join(sources)}: {verdict}, but {[found.get((claim, source)) for source in sources]}")
    return wrong


def test_every_kept_verdict_follows_from_the_table_beside_it() -> None:
    wrong = {str(path.parent): found for path in KEPT if (found := disagreements(path.parent))}
    assert not wrong


def test_the_first_table_of_the_readme_is_the_kept_ledger() -> None:
    root = Path(__file__).parents[3]
    found = {key: verdict.verdict for key, (verdict, _) in read_verdicts(root / "docs" / "results" / "reproduce" / "claims.csv").items()}
    text = (root / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^\|.*\| C\d \| (?:phantom|real) \| (?:" + "|".join(VERDICTS) + r") \|", text, flags=re.MULTILINE)) == 3
    assert _in_markdown(text, found) == []
    swapped = text.replace("| phantom | supported |", "| phantom | contradicted |")
    assert swapped != text and _in_markdown(swapped, found)


def test_every_kept_ledger_has_its_table() -> None:
    lost = [
        path for path in (Path(__file__).parents[3] / "docs" / "results").rglob("claims.json") if not (path.parent / "claims.csv").is_file()
    ]
    assert not lost


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as it would be kept: C1 and C3 are supported on the phantom, C2 is contradicted, C5 not tested."""
    out = write_runs(tmp_path_factory.mktemp("runs"))
    kept = tmp_path_factory.mktemp("kept")
    evaluate_claims(out).save(kept)
    return kept


@pytest.fixture
def kept(ledger: Path, tmp_path: Path) -> Path:
    shutil.copytree(ledger, tmp_path / "kept")
    return tmp_path / "kept"


PAGE = """
| claim | theory | phantom |
|---|---|---|
| **C1** less variance | supported 2.29 | {0} 1.9 [1.5, 2.3] |
| C5 | supported | not tested |

| source | claim | verdict |
|---|---|---|
| phantom | C2 | {1} |
| phantom | not a claim | supported |

C5 is supported, says a sentence that no table holds.
"""


def test_what_agrees_is_not_found_fault_with(kept: Path) -> None:
    assert disagreements(kept) == []
    write_text(kept / "README.md", PAGE.format("supported", "*contradicted*"))
    assert disagreements(kept) == []
    (kept / "claims.json").unlink()
    assert disagreements(kept) == []


def csv_changed(column: str, value: object, claim: str = "C1", role: str = "gain") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        table = pd.read_csv(folder / "claims.csv")
        rows = (table["claim"] == claim) & (table["source"] == "phantom") & (table["role"] == role)
        assert rows.sum() == 1
        table.loc[rows, column] = value
        write_text(folder / "claims.csv", table.to_csv(index=False))

    return change


def json_changed(folder: Path) -> None:
    entries = read_json(folder / "claims.json")
    entries[1]["verdicts"]["phantom"]["verdict"] = "supported"
    write_json(folder / "claims.json", entries)


def rows_lost(folder: Path) -> None:
    write_text(folder / "claims.csv", pd.read_csv(folder / "claims.csv").query("claim != 'C1' or source != 'phantom'").to_csv(index=False))


def page(first: str, second: str) -> Callable[[Path], None]:
    return lambda folder: write_text(folder / "README.md", PAGE.format(first, second))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (csv_changed("low", 0.99), "claims.csv: C1 phantom: supported, but inconclusive"),
        (csv_changed("trainings", 2), "claims.csv: C1 phantom: supported, but not tested"),
        (csv_changed("low", 0.5, role="over duplicate"), "claims.csv: C1 phantom: supported, but inconclusive"),
        (csv_changed("high", 0.5, "C2"), "claims.csv: C2 phantom: contradicted, but inconclusive"),
        (csv_changed("margin", 1.01), "margin 1.01, but 1.05"),
        (rows_lost, "claims.json: C1 phantom: supported, but None"),
        (json_changed, "says 'supported' of C2 (phantom), but its numbers give 'contradicted'"),
        (page("contradicted", "contradicted"), "README.md: C1 phantom: contradicted, but ['supported']"),
        (page("supported", "inconclusive"), "README.md: C2 phantom: inconclusive, but ['contradicted']"),
    ],
)
def test_what_disagrees_is_found(kept: Path, change: Callable[[Path], None], words: str) -> None:
    change(kept)
    found = disagreements(kept)
    assert any(words in one for one in found), found
