"""The pages of the command line are written by hand: here they are held against the program, option by option."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from paper_figures.cli import app
from see_in_pairs.console import spell_out_json

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference" / "command_line"
ROW = re.compile(r"^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")


class Row(NamedTuple):
    """A line of a table of options."""

    name: str
    value: str
    default: str
    meaning: str


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
    for name, one in (inner or {}).items():
        yield from _leaves(one, (*path, name))


ROOT: Any = typer.main.get_command(app)
PROGRAM = dict(_leaves(ROOT))
OF_THE_PROGRAM = {name for command in (ROOT, *PROGRAM.values()) for option in command.params for name in option.opts} | {"--help"}


def _sections() -> dict[str, list[str]]:
    """The text below each heading that is a command: a page's own heading, or one of several on a page."""
    found: dict[str, list[str]] = {}
    for page in sorted(FOLDER.glob("*.md")):
        parts = re.split(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
        command = ""
        for heading, text in zip(parts[1::2], parts[2::2], strict=True):
            command = heading if heading in PROGRAM else command
            if heading in PROGRAM:
                found.setdefault(heading, [])
            if command:
                found[command].append(text)
    return found


SECTIONS = _sections()


def _rows(command: str) -> list[Row]:
    return [Row(*row) for row in ROW.findall("".join(SECTIONS[command]))]


def _plain(metavar: str) -> str:
    """The name in a metavar: without brackets, dots and what else says that it may be left out or repeated."""
    return re.sub(r"\.yaml|[\[\]{}.\s]", "", metavar)


def _parameters(command: str) -> dict[str, Any]:
    found = {}
    for parameter in PROGRAM[command].params:
        if not getattr(parameter, "hidden", False):
            option = parameter.param_type_name == "option"
            found[max(parameter.opts, key=len) if option else _plain(parameter.metavar or parameter.name)] = parameter
    return found


def test_every_command_has_its_section() -> None:
    assert sorted(SECTIONS) == sorted(PROGRAM)


def test_the_first_page_has_the_groups_of_the_help() -> None:
    parts = re.split(r"^### (.+)$", (FOLDER / "index.md").read_text("utf-8"), flags=re.MULTILINE)
    shown = {group: re.findall(r"^\| \[`([\w-]+)`\]", text, re.MULTILINE) for group, text in zip(parts[1::2], parts[2::2], strict=True)}
    groups: dict[str, list[str]] = {}
    for name, command in ROOT.commands.items():
        groups.setdefault(command.rich_help_panel, []).append(name)
    assert {group: sorted(names) for group, names in shown.items()} == {group: sorted(names) for group, names in groups.items()}


@pytest.mark.parametrize("command", sorted(PROGRAM))
def test_a_page_names_the_options_of_its_command_with_their_defaults(command: str) -> None:
    parameters, rows = _parameters(command), _rows(command)
    assert [row.name for row in rows if sum(row.name == other.name for other in rows) > 1] == []
    assert sorted(_plain(row.name) for row in rows) == sorted(parameters)
    for row in rows:
        parameter = parameters[_plain(row.name)]
        assert _tells_the_default(row.default, parameter), row
        if getattr(parameter, "multiple", False) or parameter.nargs == -1:
            assert "repeat" in row.meaning or "several" in row.meaning, row


def _tells_the_default(text: str, parameter: Any) -> bool:
    """Whether a cell of the column of defaults is right; a default that the command finds by itself is told in words."""
    if parameter.required:
        return text == "required"
    if getattr(parameter, "is_flag", False):
        return text == "off"
    if parameter.default is not None:
        return text == f"`{parameter.default}`"
    told = re.search(r"\[default: ([^\]]+)\]", getattr(parameter, "help", "") or "")
    return told[1] in text if told else not re.fullmatch(r"`[^`]*`", text)


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_names_no_option_that_does_not_exist(page: Path) -> None:
    own = re.sub(r"`(accelerate|pip) [^`]*`", "", page.read_text("utf-8"))  # other programs have options of their own
    assert set(OPTION.findall(own)) <= OF_THE_PROGRAM


def _examples() -> list[tuple[str, str]]:
    """Page and command of each line that a page tells its reader to type."""
    found = []
    for page in sorted(FOLDER.glob("*.md")):
        for block in re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            lines = re.sub(r"\\\n\s*", "", block).splitlines()
            found += [(page.stem, line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]
    return found


@pytest.mark.parametrize(("page", "line"), _examples())
def test_an_example_is_understood_by_the_program(page: str, line: str) -> None:
    program, *words = spell_out_json(shlex.split(line))
    assert program == "see-in-pairs"
    if words[0].startswith("--"):
        assert words[0] in OF_THE_PROGRAM
        return
    named = [name for name in PROGRAM if words[: len(name.split())] == name.split()]
    command = named[0] if named else f"{words[0]} run"  # 'sweep gain' is short for 'sweep run gain'
    # a usage error where an option, an argument or a value is none of the command's
    PROGRAM[command].make_context(command, words[len(command.split()) if named else 1 :])


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.stem)
def test_code_fits_on_a_page(page: Path) -> None:
    blocks = re.findall(r"^```[^`\n]+\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert [line for block in blocks for line in block.splitlines() if len(line) > 88] == []
