"""Runs of commands on inputs that are wrong, one after the other, and how each ends; for the fuzz of configs and the hostile files.

The cases of a command run in one process, which is started anew after a hang or a crash. Each must end in exit code 2 and one line of at
most `LONGEST_ERROR` characters, or in a result; never in a traceback, a hang or a file beside --out. A command has a share of the minutes
given; its cases are ordered so that those that were run when its time is over are spread over all keys or files (`in_rounds`).
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import importlib
import io
import itertools
import json
import math
import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer

from see_in_pairs.console import LONGEST_ERROR
from see_in_pairs.errors import is_panic
from see_in_pairs.files import write_text

SECONDS = 120.0
"""A case that takes longer hangs: with the smallest inputs a run takes a second or two, more on a machine that others use."""

MEMORY = 12 * 2**30
"""Bytes of address space of a process that tries cases, so that what asks for all memory is told that there is none."""

AS_IT_IS = "as it is"
"""Stands for the input that nothing is wrong with, which must be accepted."""

FINE = ("refused", "accepted")
FAULTS = ("traceback", "hang", "crash", "no single line", "written beside --out")

Item = TypeVar("Item")


def spread(values: Sequence[Item], number: int) -> list[Item]:
    """Order values, which lie in families, so that neighbours are far apart, and differently for every number."""
    stride = next(stride for stride in range(17, 17 + len(values) + 1) if math.gcd(stride, len(values)) == 1) if values else 1
    return [values[(number + stride * turn) % len(values)] for turn in range(len(values))]


def in_rounds(lists: Iterable[Sequence[Item]]) -> list[Item]:
    """Take the first of every list, then the second of every one: wherever it is cut, every list had its part."""
    missing = object()
    return [item for turn in itertools.zip_longest(*lists, fillvalue=missing) for item in turn if item is not missing]  # type: ignore[misc]


@dataclass
class Try:
    """One run of a command: what is wrong, where, and how to bring it about and to take it back."""

    place: str  # a key of a config, or a file
    wrong: str  # what stands there
    words: list[str]  # of the command line
    begin: Callable[[], object]
    end: Callable[[], object] = lambda: None
    writes: bool = False  # whether it asks for files beside --out


Lister = Callable[[], list[Try]]
"""Lists the tries of a command in the order in which they are run."""


@dataclass
class Case:
    """How a try ended."""

    command: str
    place: str
    wrong: str
    outcome: str = "hang"
    code: int | None = None
    seconds: float = 0.0
    said: str = ""  # the last lines of standard error, or the traceback


def run_case(command: str, one: Try, folder: Path) -> Case:
    """Run a try in this process, in a folder whose ``out`` is removed afterwards."""
    from paper_figures.cli import app
    from see_in_pairs.console import run_app

    case = Case(command, one.place, one.wrong)
    shutil.rmtree(folder / "out", ignore_errors=True)  # of a case in which the process before this one ended
    one.begin()
    before, errors, began = entries(folder), io.StringIO(), time.monotonic()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            case.code = run_app(app, one.words)
        case.outcome = "accepted" if case.code in (0, 1) else "refused"
    except BaseException as error:
        if not isinstance(error, (Exception, SystemExit)) and not is_panic(error):
            raise
        case.outcome, errors = "traceback", io.StringIO(traceback.format_exc())
    case.seconds = time.monotonic() - began
    one.end()
    lines = errors.getvalue().splitlines()
    case.said = "\n".join(lines[-40:])[-6000:]
    failures = [line for line in lines if line.startswith("see-in-pairs: error: ")]
    if case.code not in (None, 0) and (case.code not in (1, 2) or len(failures) != 1 or len(failures[0]) > LONGEST_ERROR):
        case.outcome = "no single line"
    beside = sorted(entries(folder) - before)
    if beside and not one.writes and one.wrong != AS_IT_IS:
        case.outcome, case.said = "written beside --out", f"{beside[:3]} {case.said}"
    shutil.rmtree(folder / "out", ignore_errors=True)
    return case


def entries(folder: Path) -> set[Path]:
    """List what is beside --out and in the two folders above, but for folders of caches."""
    caches = {folder / "out", folder / "features", folder / "__pycache__", folder.parents[1] / "home"}
    found = (Path(place) / name for place, folders, names in os.walk(folder.parents[1]) for name in (*folders, *names))
    return {path for path in found if path not in caches and not caches & set(path.parents)}


def run_serially(function: Callable[[Any], Any], jobs: Any, workers: int) -> Iterator[tuple[Any, Any]]:
    """Do what `see_in_pairs.processes.run_in_processes` does, in this process."""
    for job in jobs:
        yield job, function(job)


def in_this_process() -> None:
    """Let commands start no processes for their work, so that a case takes a second and not ten."""
    for name in ("empirical.pretraining.grid", "paper_figures.study", "paper_figures.reproduce"):
        importlib.import_module(name)
    for module in list(sys.modules.values()):  # where it is used, in whatever modules
        if "run_in_processes" in vars(module) and module.__name__ != "see_in_pairs.processes":
            vars(module)["run_in_processes"] = run_serially


def work(listers: dict[str, Lister], folder: Path) -> None:
    """Run the tries of the commands that standard input names; a line of JSON on standard output when one begins and when it ends.

    One process for all commands, since it takes ten seconds to begin.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    typer.main.get_command = functools.cache(typer.main.get_command)  # four fifths of the time of a case that is refused at once
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not mix with the results
    os.chdir(folder)

    def tell(**content: Any) -> None:
        print(json.dumps(content), file=results, flush=True)

    for line in sys.stdin:
        command, first, seconds = json.loads(line)
        begun = 0.0
        for number, one in enumerate(listers[command]()):
            if one.wrong == AS_IT_IS:  # again in a process that goes on: what it imports takes no case's time
                tell(number=number, **vars(Case(command, one.place, one.wrong)))
                case = run_case(command, one, folder)
                if case.code != 0:
                    tell(number=number, **vars(case) | {"outcome": "crash"})
                    break
                tell(number=number)
            elif number >= first:
                if not begun:
                    begun = time.monotonic()
                    gc.collect()
                    gc.freeze()  # libraries collect after every training, and would go through all that was imported
                if time.monotonic() - begun > seconds:
                    break
                tell(number=number, **vars(Case(command, one.place, one.wrong)))
                tell(number=number, **vars(run_case(command, one, folder)))
        tell(number=None)


class Worker:
    """The process that runs the tries, begun anew where it has ended."""

    def __init__(self, module: str, folder: Path) -> None:
        self.words = [sys.executable, "-m", module, "--work", "--folder", str(folder)]
        own = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg", "HOME": str(folder.parents[1] / "home")}
        self.environment = os.environ | own
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, *content: Any) -> None:
        """Send it a line of JSON."""
        if self.process is None:
            # without a buffer: select knows nothing of lines that wait in one
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
            self.process = subprocess.Popen(self.words, env=self.environment, **pipes)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(content).encode() + b"\n")

    def answer(self, seconds: float) -> dict[str, Any] | str:
        """Read a line of JSON; where none comes, end the process, and say why."""
        assert self.process is not None and self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        if line := self.process.stdout.readline() if ready else b"":
            content: dict[str, Any] = json.loads(line)
            return content
        return "crash" if ready else "hang"

    def end(self) -> int:
        """End the process; return its exit code."""
        assert self.process is not None
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            return self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.process = None


def drive(worker: Worker, command: str, seconds: float, say: Callable[[str], None]) -> list[Case]:
    """Run the tries of a command; what follows a hang or a crash runs in a new process."""
    found: dict[int, Case] = {}
    first, end = 0, time.monotonic() + seconds
    while True:
        worker.ask(command, first, max(end - time.monotonic(), 1.0))
        last = -1
        while True:
            content = worker.answer(SECONDS if last >= 0 else 3 * SECONDS)
            if isinstance(content, str):
                break
            if (last := content.pop("number")) is None:
                return [found[number] for number in sorted(found)]
            again = last in found
            if not content:  # as it is, and accepted
                del found[last]
            else:
                found[last] = Case(**content)
                if again and found[last].outcome in FAULTS:
                    say(f"{command}, {found[last].place}: {found[last].wrong}: {found[last].outcome}: {found[last].said.splitlines()[-1:]}")
        code = worker.end()
        if last < 0:
            raise SystemExit(f"the process that tries the cases of {command} ends before the first (exit code {code})")
        found[last].outcome, found[last].seconds = content, SECONDS if content == "hang" else 0.0
        say(f"{command}, {found[last].place}: {found[last].wrong}: {content} (exit code {code})")
        if found[last].wrong == AS_IT_IS:
            return [found[number] for number in sorted(found)]
        first = last + 1


def drive_all(
    module: str, counts: dict[str, int], folder: Path, seconds: float, say: Callable[[str], None]
) -> Iterable[tuple[str, list[Case]]]:
    """Run the tries of all commands, each in its share of the time: by its number of cases; what one leaves goes to the others."""
    end, worker = time.monotonic() + seconds, Worker(module, folder)
    for number, (command, count) in enumerate(counts.items()):
        share = count / sum(list(counts.values())[number:])
        yield command, drive(worker, command, share * (end - time.monotonic()), say)
    worker.end()


def table(found: dict[str, list[Case]], places: str, counts: dict[str, int]) -> str:
    """The table of all commands, as Markdown; `counts` are the cases that there are."""
    outcomes = (*FINE, *FAULTS)
    lines = [f"| command | {places} | cases | run | " + " | ".join(outcomes) + " | longest case |", "|---" * (len(outcomes) + 5) + "|"]
    for command, every in found.items():
        results = [str(sum(case.outcome == outcome for case in every)) for outcome in outcomes]
        number, longest = len({case.place for case in every}), max((case.seconds for case in every), default=0.0)
        lines.append(f"| {command} | {number} | {counts[command]:,} | {len(every):,} | " + " | ".join(results) + f" | {longest:.1f} s |")
    return "\n".join(lines) + "\n"


def write_section(page: Path, title: str, text: str) -> None:
    """Write a section of a page anew, and leave the others as they are; a page that is not there is made."""
    first, *sections = (page.read_text(encoding="utf-8") if page.is_file() else "").split("\n## ")
    sections = [section for section in sections if not section.startswith(f"{title}\n")]
    write_text(page, "\n## ".join([first, *sections, f"{title}\n\n{text}"]))


def make_folder(folder: Path) -> Path:
    """Make a folder to work in: what is written one or two folders above it is seen, too."""
    inner = folder.resolve() / "a" / "b" / "c"
    inner.mkdir(parents=True, exist_ok=True)
    (inner.parents[1] / "home").mkdir(exist_ok=True)
    return inner


def main(
    module: str,
    title: str,
    prepare: Callable[[Path], dict[str, Lister]],
    page: Callable[[dict[str, list[Case]], dict[str, int]], str],
    minutes: float,
) -> None:
    """Try the cases of all commands from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="a folder to work in; by default a temporary one")
    parser.add_argument("--only", action="append", default=[], help="a command; may be given several times")
    parser.add_argument("--minutes", type=float, default=minutes, help="how long to try; 'inf' for all cases")
    parser.add_argument("--table", type=Path, help="the page whose section is to be written")
    parser.add_argument("--log", type=Path, help="where to write every case, as JSON")
    parser.add_argument("--work", action="store_true", help="(a process that this program starts)")
    given = parser.parse_args()
    if given.work:
        return work(prepare(given.folder), given.folder)
    end = time.monotonic() + 60.0 * given.minutes
    folder = make_folder(given.folder or Path(tempfile.mkdtemp()))
    listed = {name: lister() for name, lister in prepare(folder).items() if not given.only or name in given.only}
    counts = {name: sum(one.wrong != AS_IT_IS for one in every) for name, every in listed.items()}
    found = {}
    for command, cases in drive_all(module, counts, folder, end - time.monotonic(), lambda text: print(text, flush=True)):
        found[command] = cases
        print(table({command: cases}, "", counts).splitlines()[2], flush=True)
        if given.log:
            write_text(given.log, "\n".join(json.dumps(vars(case)) for every in found.values() for case in every))
    if given.table:
        write_section(given.table, title, page(found, counts))
    sys.exit(any(case.outcome in FAULTS for every in found.values() for case in every))
