"""How commands speak: results on standard output, everything else on standard error, shared options, exit codes."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Self, TypeVar

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


class ProgressBar:
    """Progress of a long task on standard error: a bar on a terminal, elsewhere a line every ten seconds, with rate and time left.

    `progress` does this for an iterable. Use the class where steps are unequal or a callback counts them, always in a ``with`` block (the
    bar hides the cursor until it is closed). `advance` takes a note to show beside the rate; `total` may be None where it is unknown.

    Examples
    --------
    >>> with ProgressBar(4000, "sweep", "replicates", quiet=True) as bar:
    ...     bar.advance(100, note="loss 0.31")
    """

    LINE_SECONDS = 10.0

    def __init__(self, total: int | None, label: str, unit: str = "", quiet: bool = False) -> None:
        self.total, self.label, self.unit, self.quiet, self.done = total, label, unit, quiet, 0
        self._began = self._last_line = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task(self.label, total=self.total, pace="")
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count finished steps."""
        self.done += count
        if self.quiet:
            return
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self.done, pace=self._pace(now, note))
        elif now - self._last_line >= self.LINE_SECONDS:
            self._last_line = now
            of_total = "" if self.total is None else f" of {self.total:,}"
            log(f"{self.label}: {self.done:,}{of_total}{self.unit and ' '}{self.unit}, {self._pace(now, note)}")

    def _pace(self, now: float, note: str) -> str:
        rate = self.done / max(now - self._began, 1e-9)
        parts = [f"{rate:{',.0f' if rate >= 10 else '.2g'}}{self.unit and ' '}{self.unit}/s"]
        if self.total is not None:
            parts.append(f"{format_duration(max(self.total - self.done, 0) / rate if rate else math.inf)} left")
        return ", ".join([*parts, *([note] if note else [])])


def progress(items: Iterable[Item], total: int | None, label: str, quiet: bool = False) -> Iterator[Item]:
    """Iterate over items and show how far it is, as `ProgressBar` does."""
    with ProgressBar(total, label, quiet=quiet) as bar:
        for item in items:
            yield item
            bar.advance()


def format_duration(seconds: float) -> str:
    """Write a duration for a person.

    Examples
    --------
    >>> format_duration(185)
    '3 min 05 s'
    """
    if seconds == math.inf:
        return "unknown time"
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


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
