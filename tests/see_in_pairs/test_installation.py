"""Packages of the same names from elsewhere are told in one line, before anything of them is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]


def run(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(HOME)}
    return subprocess.run([sys.executable, "-m", "see_in_pairs", *words], cwd=cwd, env=environment, capture_output=True, text=True)


def test_the_program_is_a_module_too(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert done.returncode == 0 and done.stdout.strip()


@pytest.mark.parametrize("name", ["theory", "empirical", "paper_figures"])
def test_a_package_of_the_same_name_is_told_in_a_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported')\n")
    done = run(tmp_path, "--version")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"see-in-pairs: error: package '{name}' comes from {tmp_path}") and done.stderr.count("\n") == 1


def test_a_folder_of_the_same_name_without_code_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "theory").mkdir()
    assert run(tmp_path, "--version").returncode == 0
