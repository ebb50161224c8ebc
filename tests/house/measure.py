"""The product's modules as syntax trees, and what is measured on them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from see_in_pairs.installation import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> dict[str, Path]:
    """Every module of the product, by its dotted name."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imports(name: str) -> set[str]:
    """The product's modules that a module names in any import: at the top, for type checking, inside functions."""
    known, found = modules(), set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & known.keys()
        elif isinstance(node, ast.ImportFrom) and node.module:  # relative imports are banned by the linter
            found |= {f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in known else node.module for alias in node.names}
    return (found & known.keys()) - {name}


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The sets of modules that import each other, by taking away what imports nothing that is left, from either end."""
    left = {name: set(targets) for name, targets in graph.items()}
    while True:
        sources = {target for targets in left.values() for target in targets}
        ends = {name for name, targets in left.items() if not targets & left.keys()} | (left.keys() - sources)
        if not ends:
            return [sorted(left)] if left else []
        left = {name: targets - ends for name, targets in left.items() if name not in ends}


def modules_per_folder() -> dict[str, int]:
    """Modules and packages directly inside each folder."""
    counts: dict[str, int] = defaultdict(int)
    for path in modules().values():
        inside = path.parent.parent if path.name == "__init__.py" else path.parent
        if inside != ROOT:
            counts[inside.relative_to(ROOT).as_posix()] += 1
    return dict(counts)


def classes() -> dict[str, list[str]]:
    """The modules that define each public class name."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in modules():
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(name)
    return dict(found)


def lines(name: str) -> tuple[int, int]:
    """Lines of code and of docstrings; blank lines and lines that are only a comment count as neither."""
    inside = {number for string in docstrings(tree(name)) for number in range(string.lineno, (string.end_lineno or 0) + 1)}
    text = modules()[name].read_text(encoding="utf-8").splitlines()
    code = sum(number not in inside and bool(line.strip()) and line.strip()[0] != "#" for number, line in enumerate(text, 1))
    return code, len(inside)


def docstrings(module: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(module):
        if isinstance(node, Documented) and node.body and isinstance(node.body[0], ast.Expr):
            value = node.body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value
