"""The gallery's examples: enough of them, each with a title and a reason, and of the package only what it offers."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.py"))
PACKAGES = ("see_in_pairs", "theory", "empirical", "paper_figures")


def not_offered(source: str) -> list[str]:
    """Names that a script imports from the packages and that their ``__all__`` does not have; modules that have no ``__all__``."""
    wrong = []
    for node in ast.walk(ast.parse(source)):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for module in [name for name in modules if name.partition(".")[0] in PACKAGES]:
            offered = getattr(importlib.import_module(module), "__all__", None)
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{module}.{name}" for name in names or [""] if offered is None or (name and name not in offered)]
    return wrong


def test_an_internal_name_is_found() -> None:
    assert not_offered("from theory import PairedModel\nimport numpy") == []
    assert not_offered("from theory import PairedModel, paired_model") == ["theory.paired_model"]
    assert not_offered("from theory.paired_model import PairedModel") == ["theory.paired_model.PairedModel"]


def test_examples_use_what_the_packages_offer() -> None:
    assert {path.name: wrong for path in EXAMPLES if (wrong := not_offered(path.read_text(encoding="utf-8")))} == {}


def test_there_are_examples_for_every_section_and_each_says_what_and_why() -> None:
    assert len(EXAMPLES) >= 24
    for folder in {path.parent for path in EXAMPLES}:
        assert (folder / "GALLERY_HEADER.rst").is_file(), folder
    for path in EXAMPLES:
        title, rule, _, *why = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()
        assert len(title) <= len(rule) and set(rule) == {"="}, path
        assert why, path
