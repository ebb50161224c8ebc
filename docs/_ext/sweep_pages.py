"""What the example of the page on simulation studies prints: run while the pages are built."""

from __future__ import annotations

import contextlib
import functools
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

from see_in_pairs.console import run_app

DESIGN = Path(__file__).resolve().parents[1] / "how-to" / "simulation_study" / "paired_means.yaml"
COMMANDS: dict[str, tuple[str, int]] = {
    "run": (f"sweep {DESIGN} --out out/paired --workers 2 --quiet", 0),
    "performance": ("sweep performance out/paired --measure empirical_se", 0),
    "extend": (f"sweep {DESIGN} --out out/paired --replicates 1250 --quiet", 0),
    "failures": ("sweep replay out/paired", 0),
    "replay": ("sweep replay out/paired --failure 2", 1),
    "changed": (f"sweep {DESIGN} --out out/paired --replicates 1250 --set block=50 --quiet", 2),
}
"""The commands of the page in their order, and their exit codes."""

FIRST_LINES = {"failures": 4}


@functools.cache
def printed() -> dict[str, str]:
    """Run the example."""
    from paper_figures.cli import app

    found = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, (words, expected) in COMMANDS.items():
            output = io.StringIO()
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                code = run_app(app, words.split())
            if code != expected:
                raise RuntimeError(f"{words} ended with exit code {code}: {output.getvalue()}")
            found[name] = output.getvalue().replace(str(DESIGN.parent) + "/", "")
    return found


def pages() -> dict[str, Callable[[], str]]:
    """Name the parts that the page includes."""
    return {f"sweep_{name}": functools.partial(_part, name) for name in COMMANDS}


def _part(name: str) -> str:
    lines = printed()[name].rstrip().splitlines()
    most = FIRST_LINES.get(name, len(lines))
    shown = lines[:most] + (["..."] if len(lines) > most else [])
    return "```text\n" + "\n".join(shown) + "\n```\n"
