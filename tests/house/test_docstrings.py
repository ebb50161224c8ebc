"""What the packages export is documented in full (numpydoc), and nothing is described by its own name."""

from __future__ import annotations

import importlib
import inspect
import sys
import tomllib
from collections.abc import Iterator

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

from see_in_pairs.configs import StrictConfig
from tests.house.measure import ROOT, modules

CHECKS = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["numpydoc_validation"]["checks"])
OF_SETTINGS = {"PR01", "PR03"}
"""Not asked of settings: some explain each field beside it, and pydantic puts inherited fields first."""

FEWEST_WORDS = 4


def exported() -> Iterator[str]:
    """The dotted names of every class and function that a package exports, and of their public methods, where they are defined."""
    for name, path in modules().items():
        if path.name != "__init__.py":
            continue
        package = importlib.import_module(name)
        for item in getattr(package, "__all__", ()):
            thing = getattr(package, item)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)) or thing.__module__.split(".")[0] not in name.split("."):
                continue
            where = f"{thing.__module__}.{thing.__qualname__}"
            yield where
            if inspect.isclass(thing) and not issubclass(thing, StrictConfig):
                methods = [key for key, value in vars(thing).items() if inspect.isfunction(value) and not value.__name__.startswith("_")]
                yield from (f"{where}.{key}" for key in methods)  # by its own name: a function that is a field's default is none


def configs() -> Iterator[str]:
    """The dotted names of every class of settings: their docstrings explain the keys of YAML files."""
    for name in modules():
        if name.rpartition(".")[2] == "__main__":
            continue
        for thing in vars(importlib.import_module(name)).values():
            if inspect.isclass(thing) and issubclass(thing, StrictConfig) and thing.__module__ == name and thing.__name__[0] != "_":
                yield f"{name}.{thing.__qualname__}"


CONFIGS = frozenset(configs())
DOCUMENTED = sorted({*exported(), *CONFIGS})


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_is_documented_in_full(name: str) -> None:
    checks = CHECKS - OF_SETTINGS if name in CONFIGS else CHECKS
    assert [f"{code}: {text}" for code, text in validate(name)["errors"] if code in checks] == []


def _lookup(name: str) -> object:
    """What a dotted name stands for; its module is taken from those imported, since a package may show a function of the same name."""
    parts = name.split(".")
    module = next(i for i in range(len(parts) - 1, 0, -1) if ".".join(parts[:i]) in sys.modules)
    thing: object = sys.modules[".".join(parts[:module])]
    for part in parts[module:]:
        thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize("name", DOCUMENTED)
def test_no_parameter_is_described_in_three_words(name: str) -> None:
    parameters = NumpyDocString(inspect.getdoc(_lookup(name)) or "")["Parameters"]
    described = {one.name: " ".join(one.desc).split() for one in parameters}
    assert [parameter for parameter, words in described.items() if len(words) < FEWEST_WORDS] == []


@pytest.mark.parametrize("package", [name for name, path in modules().items() if path.name == "__init__.py"])
def test_what_a_package_exports_is_there(package: str) -> None:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    assert len(names) == len(set(names)) <= 60
    for name in names:
        assert hasattr(module, name)
    if "__dir__" in vars(module):  # loaded on first use
        assert sorted(names) == dir(module)
