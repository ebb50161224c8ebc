"""What the pages show on a terminal is what the commands print."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest

from paper_figures.cli import app
from see_in_pairs.console import run_app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if not {"_build", "generated"} & set(page.parts))]
PYTHON = re.compile(r"^```(?:pycon|python)\n(>>> .*?)^```", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUADRATURE = 1e-8  # of the last digits, which may differ between builds of the numerical libraries


def _examples() -> list[tuple[str, str, str]]:
    """Give page, command and the line below it, where a page shows what `theory value` prints."""
    found = []
    for page in PAGES:
        for block in BLOCK.findall(page.read_text("utf-8")):
            lines = block.replace("\\\n", "").splitlines()  # a long command goes on below its backslash
            for command, printed in zip(lines, [*lines[1:], ""], strict=True):
                if command.startswith("$ see-in-pairs theory value") and not printed.startswith("$"):
                    found.append((page.name, command, printed))
    return found


def test_every_statement_has_a_page_with_an_example() -> None:
    from theory.statements import all_statements

    shown = {name.removesuffix(".md").lower() for name, _, _ in _examples()}
    assert {item.lower() for item in all_statements()} <= shown


@pytest.mark.parametrize(("page", "command", "printed"), _examples())
def test_an_example_prints_what_the_page_shows(page: str, command: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, shlex.split(command)[2:]) == 0, page
    assert float(capsys.readouterr().out) == pytest.approx(float(printed), rel=QUADRATURE)


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "development" and PYTHON.search(page.read_text("utf-8"))])
def test_python_examples_of_a_page_print_what_it_shows(page: Path) -> None:
    """The examples of a page, in their order, in one session; steps for developers are about functions that are not there."""
    text = "\n".join(PYTHON.findall(page.read_text("utf-8")))
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS, verbose=False)
    runner.run(doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0), out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)
