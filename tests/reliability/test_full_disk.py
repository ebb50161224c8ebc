"""A disk that is full: commands end in one line and exit code 2, and go on when there is room; `hostile_files` has all commands."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paper_figures.cli import app
from see_in_pairs.console import run_app
from see_in_pairs.locks import LOCK
from tests.reliability.fuzz import PIECES
from tests.reliability.hostile_files import fill_disk

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a limit of file sizes")

SWEEP = """
name: s
pieces: [pieces.py]
generate: fuzzed draws
methods: [{name: m, use: fuzzed mean, trim: 0.1}]
estimand: 0.0
fixed: {mu: 0.0}
grid: {n: [5, 6]}
replicates: 20
block: 10
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(0)
    (folder / "pieces.py").write_text(PIECES)
    (folder / "sweep.yaml").write_text(SWEEP)
    for name in "ab":
        (folder / "set" / name).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(folder / "set" / name / f"{number}.png")
    return folder


PHANTOM = ["--set", "n_train=2", "--set", "n_val=0", "--set", "n_test=2", "--set", "size=32", "--set", "lesion.width=2"]
COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "cohort phantom": lambda inputs: ["cohort", "phantom", *PHANTOM],
    "cohort import": lambda inputs: ["cohort", "import", "--kind", "folder", "--root", str(inputs / "set"), "--healthy", "a"],
    "sweep": lambda inputs: ["sweep", str(inputs / "sweep.yaml")],
    "theory verify": lambda inputs: ["theory", "verify", "T1b", "--replicates", "100", "--workers", "1"],
}


def run(words: list[str]) -> tuple[int, list[str]]:
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = run_app(app, words)
    return code, [line for line in errors.getvalue().splitlines() if "error" in line]


@pytest.mark.parametrize("size", [150, 2500])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(command: str, size: int, inputs: Path, tmp_path: Path) -> None:
    words = [*COMMANDS[command](inputs), "--out", str(tmp_path / "out"), "--quiet"]
    fill_disk(size)
    try:
        code, said = run(words)
    finally:
        fill_disk(-1)
    assert code == 2 and len(said) == 1 and len(said[0]) < 1000, said
    assert "File too large; " in said[0] and "run the same command again" in said[0], said
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name.startswith(".") and path.name != LOCK]
    assert run(words) == (0, [])
