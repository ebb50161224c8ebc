"""The shape of the code: no import circles, folders one can take in at a glance, one name for one class, few words in the right place."""

from __future__ import annotations

import builtins
import subprocess
import sys

import pytest

from see_in_pairs.installation import PACKAGES
from tests.house.measure import ROOT, circles, classes, imports, lines, modules, modules_per_folder

MOST_MODULES = 16
MOST_DOCSTRING = 0.45
BY_CONCEPT = ("theory/statements",)  # one concept a file, however many there are
KEPT_NAMES = ("paper_figures.statistics",)  # a name that users know


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_modules_import_each_other() -> None:
    assert circles({name: imports(name) for name in modules()}) == []


def test_no_folder_is_crowded() -> None:
    crowded = {folder: count for folder, count in modules_per_folder().items() if count > MOST_MODULES and folder not in BY_CONCEPT}
    assert crowded == {}


def test_a_class_name_stands_for_one_class() -> None:
    assert {name: where for name, where in classes().items() if len(where) > 1} == {}


def test_no_module_is_called_like_one_of_pythons() -> None:
    taken = {*dir(builtins), *sys.stdlib_module_names} - {"__main__"}
    assert [name for name in modules() if "." in name and name.rpartition(".")[2] in taken and name not in KEPT_NAMES] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_are_no_longer_than_they_are_useful(package: str) -> None:
    counted = [lines(name) for name in modules() if name.split(".")[0] == package]
    code, docstring = map(sum, zip(*counted, strict=True))
    assert docstring <= MOST_DOCSTRING * code, f"{docstring} lines of docstrings for {code} of code"


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    done = subprocess.run([sys.executable, "-m", "deptry", *PACKAGES], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
