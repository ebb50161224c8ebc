"""How commands speak: results on standard output, everything else on standard error, shared options, exit codes."""

from __future__ import annotations

import math
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from see_in_pairs.errors import CheckFailed, InputError, close_name, first_line, is_panic, write_failure
from see_in_pairs.files import to_json, write_json

INTERRUPTED = 130
BROKEN_PIPE = 141  # the system's code for a program whose reader has closed the pipe; 1 would mean that a check failed

LONGEST_ERROR = 1000
"""Largest number of characters in an error line; messages of libraries may repeat their whole input."""

Item = TypeVar("Item")

Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of every random choice.", min=0, max=2**32 - 1)]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors and the result only.")]

SeedChange = Annotated[int | None, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Seed; default: the config's.")]
NoSeed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Accepted by every command; nothing here is random.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the config, or OUTER.INNER=VALUE in a section; may be repeated."),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the result.")]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Number of parallel workers.")]
Config = Annotated[
    str, typer.Argument(metavar="CONFIG", help="A packaged config by its name (see 'configs list'), or a YAML file.", show_default=False)
]

Json = Annotated[
    str | None, typer.Option("--json", metavar="[FILE]", help="Print the result as JSON alone on standard output, or write it to FILE.")
]


def emit_json(content: object, target: str) -> None:
    """Print JSON on standard output, or write it to a file, or directly to a device or pipe (for example /dev/stdout)."""
    if target == "-":
        print(to_json(content))
    elif os.path.exists(target) and not os.path.isdir(target) and (os.path.islink(target) or not os.path.isfile(target)):
        with open(target, "w", encoding="utf-8") as stream:
            print(to_json(content), file=stream)
    else:
        write_json(target, content)


def log(message: str, quiet: bool = False) -> None:
    """Print a line for a person, on standard error; if that is closed or full, the work continues without it."""
    if quiet or sys.stderr is None:
        return
    try:
        print(message, file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (it stays open)


def log_result(lines: Sequence[str], command: Sequence[object], quiet: bool, most: int = 8) -> None:
    """Show the first lines of a result and the next command to type, quoted for a shell, on standard error."""
    for line in lines[:most]:
        log(line, quiet)
    if len(lines) > most:
        log(f"... and {len(lines) - most} more lines", quiet)
    log(f"next: {shlex.join(str(word) for word in ('see-in-pairs', *command))}", quiet)


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
        # a dumb terminal and a notebook's cell show every redrawing of a bar as a separate line
        redraws = os.environ.get("TERM") != "dumb" and "JPY_PARENT_PID" not in os.environ
        if not self.quiet and sys.stderr.isatty() and redraws:
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
    """Iterate over items and show the progress, as `ProgressBar` does."""
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


class Commands(TyperGroup):
    """A group of commands: help lists them under headings, with their whole first sentence; a wrong name gets a suggestion."""

    headings: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """The words that may come first."""
        return list(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command of a word."""
        if not ctx.resilient_parsing and args and not args[0].startswith("-") and args[0] not in self.commands:
            meant = close_name(args[0], self.names())
            raise InputError(f"{ctx.command_path} has no command '{args[0]}'{f'; did you mean {meant!r}?' if meant else ''} (see --help)")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under their headings; typer would sort groups after single commands."""
        shown = {name: command for name, command in self.commands.items() if not command.hidden}
        for heading in dict.fromkeys([*self.headings, *(getattr(command, "rich_help_panel", None) for command in shown.values())]):
            with formatter.section(heading or "Commands"):
                formatter.write_dl(
                    [
                        (f"{name:<{max(map(len, shown))}}", first_sentence(command.short_help or command.help or ""))
                        for name, command in shown.items()
                        if getattr(command, "rich_help_panel", None) == heading
                    ]
                )


def first_sentence(text: str) -> str:
    """Give the first sentence of a help text.

    Examples
    --------
    >>> first_sentence("Draw figures, e.g. a ROC curve. Each is a PNG.")
    'Draw figures, e.g. a ROC curve.'
    """
    return re.split(r"(?<=[.?!])\s+(?=[A-Z'])", " ".join(text.split()), maxsplit=1)[0]


def new_app(help_text: str, completion: bool = False) -> typer.Typer:
    """Make a command group whose errors surface as exceptions, for `run_app`; that of the program offers shell completion."""
    return typer.Typer(
        help=help_text, cls=Commands, no_args_is_help=True, add_completion=completion, rich_markup_mode=None,
        pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip


def run_app(app: typer.Typer, arguments: list[str] | None = None) -> int:
    """Run a command line and turn every foreseen failure into one line and an exit code.

    Returns 0 on success, 1 when a check failed, 2 on a usage or input error, 130 on an interrupt (or a request to terminate),
    141 if the reader of the output has closed the pipe.
    """
    if sys.stdout is None:
        return _fail("standard output is closed, so the result cannot be printed; send it to a file or to /dev/null", 2)
    command = typer.main.get_command(app)
    before = _terminate_as_interrupt()
    try:
        outcome = command.main(
            args=spell_out_json(sys.argv[1:] if arguments is None else arguments), prog_name="see-in-pairs", standalone_mode=False
        )
        sys.stdout.flush()  # here, where a full disk or a closed pipe can still be reported
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):  # typer turns a broken pipe into this
            raise
        _drop_output()
        return BROKEN_PIPE
    except InputError as error:
        return _fail(str(error), 2)
    except CheckFailed as error:
        return _fail(str(error), 1)
    except typer.Abort:
        return _fail("aborted", INTERRUPTED)
    except TyperException as error:
        message = getattr(error, "message", None) if hasattr(error, "possibilities") else None
        message = (message or error.format_message()).rstrip(".")
        if message.startswith("Usage:"):  # no command was named: typer's message is the help page
            print(message, file=sys.stderr)
            return 2
        return _fail(f"{message}{_meant(error, message)} (see --help)", 2)
    except OSError as error:
        _drop_output()
        return _fail(f"{error.filename or 'file system'}: {write_failure(error) or error.strerror or error}", 2)
    except MemoryError as error:
        return _fail(f"not enough memory for this ({str(error) or 'an allocation failed'}); ask for less", 2)
    except Exception as error:
        if what := write_failure(error):
            return _fail(what, 2)
        raise
    except BaseException as error:
        if is_panic(error):
            return _fail(f"a library failed on its input, most often a tokenizer ({first_line(error)})", 2)
        raise
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
    if outcome == INTERRUPTED:  # typer turns Ctrl-C into this exit code
        return _fail("interrupted; run the same command again to resume", INTERRUPTED)
    return outcome if isinstance(outcome, int) else 0


def _meant(error: TyperException, message: str) -> str:
    """Suggest the most similar option or choice for an unknown one."""
    context, option = getattr(error, "ctx", None), getattr(error, "option_name", None)
    if context is not None and option is not None and message.startswith("No such option"):
        known = [name for parameter in context.command.get_params(context) for name in parameter.opts if name.startswith("--")]
        meant = close_name(option, known)
    else:
        choice = re.search(r"'([^']*)' is not one of (.*)", message)
        meant = close_name(choice[1], re.findall(r"'([^']*)'", choice[2])) if choice else None
    return f"; did you mean '{meant}'?" if meant else ""


def spell_out_json(arguments: list[str]) -> list[str]:
    """Give a bare ``--json`` its value ``-`` and a bare ``--watch`` 2 s, since typer has no option with an optional value.

    The next word is taken as the file when it ends in ``.json``, or when it looks like a path and does not exist yet
    (``compare --json a.csv b.csv`` must not overwrite ``a.csv``).

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
        elif word == "--watch" and not re.fullmatch(r"\d+\.?\d*|\.\d+", following):
            words.append("2")
    return words


def _names_a_new_file(word: str) -> bool:
    if word.startswith("-"):
        return word == "-"
    looks_like_path = ("." in word or "/" in word) and "=" not in word
    new = word.startswith("/dev/") or not (os.path.isfile(word) or os.path.isdir(word))  # or a pipe
    return word.endswith(".json") or (looks_like_path and new)


def _terminate_as_interrupt() -> Any:
    """Let SIGTERM end a command as Ctrl-C does; return the handler before, None where it cannot be changed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    return signal.signal(signal.SIGTERM, interrupt) if threading.current_thread() is threading.main_thread() else None


def _drop_output() -> None:
    """Discard everything still to be written to standard output, since Python would fail again when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # no file behind it, as under a test
        return


def _fail(message: str, code: int) -> int:
    """Print one line, without terminal control characters and without the middle of a very long text."""
    line = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in " ".join(message.split()))
    log(f"see-in-pairs: error: {line if len(line) <= LONGEST_ERROR else f'{line[:600]} ... {line[-300:]}'}")
    return code
