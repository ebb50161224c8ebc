"""How commands speak: results on standard output, everything else on standard error, shared options, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, TypeVar

import typer
from typer.exceptions import TyperException

from see_in_pairs.errors import CheckFailed, InputError, write_failure
from see_in_pairs.files import to_json, write_json

INTERRUPTED = 130

Item = TypeVar("Item")

Seed = Annotated[int, typer.Option("--seed", help="Seed of every random choice.", min=0)]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors and the result.")]

Json = Annotated[
    str | None, typer.Option("--json", metavar="[FILE]", help="Print the result as JSON alone on standard output, or write it to FILE.")
]


def emit_json(content: object, target: str) -> None:
    """Print JSON on standard output, or write it to a file."""
    if target == "-":
        print(to_json(content))
    else:
        write_json(target, content)


def log(message: str, quiet: bool = False) -> None:
    """Print a line for a person, on standard error."""
    if not quiet:
        print(message, file=sys.stderr, flush=True)


def progress(items: Iterable[Item], total: int | None, label: str, quiet: bool = False) -> Iterator[Item]:
    """Iterate with a progress bar, on a terminal only."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(items, description=label, total=total, console=console, disable=quiet or not console.is_terminal, transient=True)


def new_app(help_text: str) -> typer.Typer:
    """Make a command group in the house style.

    Returns the group; errors surface as exceptions for `run_app`.
    """
    return typer.Typer(help=help_text, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def run_app(app: typer.Typer, arguments: list[str] | None = None) -> int:
    """Run a command line and turn every foreseen failure into one line and an exit code.

    Returns 0 on success, 1 when a check failed, 2 on a usage or input error, 130 on an interrupt.
    """
    command = typer.main.get_command(app)
    try:
        outcome = command.main(
            args=spell_out_json(sys.argv[1:] if arguments is None else arguments), prog_name="see-in-pairs", standalone_mode=False
        )
    except InputError as error:
        return _fail(str(error), 2)
    except CheckFailed as error:
        return _fail(str(error), 1)
    except typer.Abort:
        return _fail("aborted", INTERRUPTED)
    except TyperException as error:
        message = error.format_message()
        if message.startswith("Usage:"):  # no command was named: typer's message is the help page
            print(message, file=sys.stderr)
            return 2
        return _fail(f"{message} (see --help)", 2)
    except OSError as error:
        return _fail(f"{error.filename or 'file system'}: {write_failure(error) or error.strerror or error}", 2)
    except Exception as error:
        if what := write_failure(error):
            return _fail(what, 2)
        raise
    if outcome == INTERRUPTED:  # typer turns Ctrl-C into this exit code
        return _fail("interrupted; run the same command again to resume", INTERRUPTED)
    return outcome if isinstance(outcome, int) else 0


def spell_out_json(arguments: list[str]) -> list[str]:
    """Give a bare ``--json`` its value ``-``, since typer has no option with an optional value.

    A following word is taken as the file when it ends in ``.json``, or looks like a path and is not a file that is there already
    (``compare --json a.csv b.csv`` must not overwrite ``a.csv``).

    Returns the words, each ``--json`` followed by a value.

    Examples
    --------
    >>> spell_out_json(["theory", "verify", "--json", "T1"])
    ['theory', 'verify', '--json', '-', 'T1']
    """
    words: list[str] = []
    for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
        words.append(word)
        if word == "--json" and not _names_a_new_file(following):
            words.append("-")
    return words


def _names_a_new_file(word: str) -> bool:
    if word.startswith("-"):
        return word == "-"
    looks_like_path = ("." in word or "/" in word) and "=" not in word
    return word.endswith(".json") or (looks_like_path and not os.path.exists(word))


def _fail(message: str, code: int) -> int:
    print(f"see-in-pairs: error: {' '.join(message.split())}", file=sys.stderr)
    return code
