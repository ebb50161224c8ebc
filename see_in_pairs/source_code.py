"""Hashes of code that stay the same when only comments, docstrings or layout change."""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any


def source_hash(target: Callable[..., Any] | ModuleType) -> str | None:
    """Hash the code of a function or module, without its layout and explanations.

    Returns 16 hexadecimal digits of its code without comments, blank space and docstrings; None where the code cannot be read.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(target) if callable(target) else target)))
    except (OSError, TypeError, SyntaxError):
        return None
    # Kept sweeps hold the hashes of their functions: in those a class keeps its docstring, or the sweeps could not be resumed.
    is_module = inspect.ismodule(target)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef) if is_module else ast.FunctionDef):
            node.body = [line for place, line in enumerate(node.body) if not (_is_text(line) and (place == 0 or is_module))] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
