"""What the API pages show: the names that packages export, and the config classes."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from sphinx.pycode import ModuleAnalyzer

PACKAGES = (
    "theory", "theory.statements", "theory.sweeps", "theory.sweeps.performance", "empirical", "paper_figures", "paper_figures.statistics",
    "paper_figures.comparison", "see_in_pairs",
)  # fmt: skip
"""The packages that have a page."""


def members(module: str) -> list[str]:
    """The directives that document what a module exports; what a package below it exports too is documented there, and linked here.

    A module without ``__all__`` (one of a statement) exports the public functions and classes that it defines.
    """
    lines = []
    for name in _exported(module):
        value = getattr(importlib.import_module(module), name)
        homes = [package for package in PACKAGES if package.startswith(f"{module}.") and name in _exported(package)]
        if homes:
            lines.append(f"* :py:obj:`{homes[-1]}.{name}`")
        elif inspect.isclass(value):
            lines += [f".. autoclass:: {module}.{name}", "   :members:"]
        elif callable(value):
            lines.append(f".. autofunction:: {module}.{name}")
        else:
            lines += [f".. py:data:: {module}.{name}", "", *(f"   {line}" for line in _comment(module, name))]
        lines.append("")
    return lines


def _exported(module: str) -> list[str]:
    loaded = importlib.import_module(module)
    if hasattr(loaded, "__all__"):
        return [name for name in loaded.__all__ if not name.startswith("__")]
    defined = {name: value for name, value in vars(loaded).items() if getattr(value, "__module__", "") == module and name[0] != "_"}
    return [name for name, value in defined.items() if inspect.isclass(value) or inspect.isfunction(value)]


def _comment(module: str, name: str) -> list[str]:
    """The text below an assignment, found by following the imports from a package down to the module that assigns."""
    analyzer = ModuleAnalyzer.for_module(module)
    analyzer.analyze()
    if ("", name) in analyzer.attr_docs:
        return analyzer.attr_docs["", name]
    for node in ast.walk(ast.parse(analyzer.code)):
        if isinstance(node, ast.ImportFrom) and node.module and name in [alias.name for alias in node.names]:
            return _comment(node.module, name)
    return []


def config_page() -> str:
    """Write the page of the config classes, which YAML files fill, by the package that they belong to."""
    from see_in_pairs.configs import StrictConfig

    for package in ("theory", "empirical", "paper_figures"):
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    exported = [getattr(importlib.import_module(package), name) for package in PACKAGES for name in _exported(package)]
    classes = {item for item in _subclasses(StrictConfig) if item not in exported}
    lines = []
    for module in sorted({item.__module__ for item in classes}):
        lines += [f"## {module}", "", "```{eval-rst}"]
        lines += sorted(f".. autoclass:: {module}.{item.__qualname__}\n" for item in classes if item.__module__ == module)
        lines += ["```", ""]
    return "\n".join(lines)


def _subclasses(base: type) -> Iterator[type]:
    for found in base.__subclasses__():
        if found.__module__.partition(".")[0] in ("theory", "empirical", "paper_figures"):
            yield found
        yield from _subclasses(found)


def forget_pages(folder: Path) -> None:
    """Remove the pages of modules that have none any more: Sphinx would warn about them."""
    for page in folder.glob("*.rst"):
        if page.stem not in PACKAGES and not (page.stem.startswith("theory.statements.") and _exists(page.stem)):
            page.unlink()


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is gone, too
        return False
