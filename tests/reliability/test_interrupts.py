"""Ctrl-C while worker processes run, as a terminal sends it to all of them, and to the parent alone: one line, at once, nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reliability.campaign import left_behind

SCRIPT = """
import os, pathlib, sys, time
from see_in_pairs.processes import run_in_processes

def work(folder):
    pathlib.Path(folder, str(os.getpid())).touch()
    time.sleep(120)

if __name__ == "__main__":
    try:
        list(run_in_processes(work, [sys.argv[1]] * 3, workers=2))
    except KeyboardInterrupt:
        sys.exit("interrupted")
"""
PIECES = """
import os, pathlib, time
from theory.sweeps import generator, method

@generator("slow draws")
def draws(*, rng, folder):
    pathlib.Path(folder, str(os.getpid())).touch()
    time.sleep(120)

@method("nothing")
def nothing(data):
    return {"estimate": 0.0}
"""


def commands(folder: Path) -> dict[str, list[str]]:
    (folder / "script.py").write_text(SCRIPT)
    (folder / "pieces.py").write_text(PIECES)
    design = f"generate: slow draws, methods: [nothing], fixed: {{folder: {folder}/began}}, replicates: 9, block: 1"
    (folder / "study.yaml").write_text(f"{{name: s, pieces: [pieces.py], {design}}}")
    sweep = [sys.executable, "-m", "see_in_pairs", "sweep", "study.yaml", "--out", "out", "--workers", "2", "--quiet"]
    return {"spawned": [sys.executable, "script.py", str(folder / "began")], "loky": sweep}


@pytest.mark.parametrize("to_all", [True, False], ids=["to all", "to the parent alone"])
@pytest.mark.parametrize("kind", ["spawned", "loky"])
def test_an_interrupt_ends_workers_at_once_and_without_a_word(tmp_path: Path, kind: str, to_all: bool) -> None:
    (began := tmp_path / "began").mkdir()
    words = commands(tmp_path)[kind]
    caught = signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored, where a script runs the tests in the background
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True) as process:
        signal.signal(signal.SIGINT, caught)
        while len(workers := list(began.iterdir())) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert [line.removeprefix("see-in-pairs: error: ").split(";")[0] for line in errors.splitlines()] == ["interrupted"]
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{worker.name}").exists() for worker in workers):
        assert time.monotonic() < deadline, "a worker is left behind"
        time.sleep(0.1)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs Linux: processes of a session are read from /proc")
def test_workers_that_verify_the_theory_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "see_in_pairs", "theory", "verify", "T1", "--replicates", "1000000000", "--workers", "2", "--quiet"]
    with subprocess.Popen(words, cwd=tmp_path, start_new_session=True) as process:
        while len(left_behind(process.pid, 0)) < 4:  # itself, loky's tracker, two workers
            assert process.poll() is None
            time.sleep(0.1)
        time.sleep(2)
        process.kill()
        process.wait()
        orphans = left_behind(process.pid)
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)
    assert not orphans
