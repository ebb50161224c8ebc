"""Help pages: whole sentences under headings, the same option in the same words, fast."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from paper_figures.cli import Program, app
from see_in_pairs.console import first_sentence, run_app

ROOT = typer.main.get_command(app)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ALL = dict(commands(ROOT))
OPTIONS = [(path, option) for path, command in ALL.items() for option in command.params if option.param_type_name == "option"]


@pytest.mark.parametrize("path", [path for path, command in ALL.items() if hasattr(command, "commands")])
def test_summaries_are_whole_sentences_on_a_line(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run_app(app, [*path, "-h"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in ALL[path].commands:
        line = next(line for line in lines if re.match(rf"  {re.escape(name)} ", line))
        assert line.endswith(".") and not line.endswith("..."), line


def test_the_program_shows_its_commands_under_headings_and_offers_completion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["--help"]) == 0
    text = capsys.readouterr().out
    assert [line[:-1] for line in text.splitlines() if line[:-1] in Program.headings] == list(Program.headings)
    assert "--install-completion" in text and "\nCommands:" not in text


@pytest.mark.parametrize("path", ALL)
def test_short_help_is_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, [*path, "-h"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: {' '.join(['see-in-pairs', *path])} ")


def test_every_value_says_what_it_is() -> None:
    for path, option in OPTIONS:
        if not option.is_flag and not option.opts[0].endswith("-completion"):
            assert option.metavar and not option.metavar.startswith("<"), (path, option.opts)
        assert option.help, (path, option.opts)


@pytest.mark.parametrize("name", ["--set", "--out", "--seed", "--json", "--workers", "--quiet", "--cohort", "--alpha"])
def test_an_option_has_one_metavar_everywhere(name: str) -> None:
    found = {option.metavar for _, option in OPTIONS if name in option.opts}
    assert len(found) == 1, found


@pytest.mark.parametrize("name", ["--set", "--json", "--quiet"])
def test_an_option_has_one_meaning_everywhere(name: str) -> None:
    assert len({option.help for _, option in OPTIONS if name in option.opts}) == 1


def test_completion_names_commands() -> None:
    environment = {**os.environ, "_SEE_IN_PAIRS_COMPLETE": "complete_bash", "COMP_WORDS": "see-in-pairs the", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from paper_figures.cli import main; main()"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["theory"]


def test_the_module_is_the_program() -> None:
    done = subprocess.run([sys.executable, "-m", "see_in_pairs", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", done.stdout)


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "pandas", "numpy", "scipy", "sympy", "matplotlib", "pydantic", "rich")
    script = (
        "import sys\nfrom paper_figures.cli import app\nfrom see_in_pairs.console import run_app\nrun_app(app, ['--help'])\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_first_sentence_is_the_text_where_there_is_one_only() -> None:
    assert first_sentence("Print one\n    value.") == "Print one value."
