"""The computed parts of the statements' pages: check values, and where each number's function, simulation and test are."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theory.statements.base import Quantity, Statement

DRAWS, MOST, LEAST = 1_000_000, 20_000, 10
"""Random numbers spent on a point, and the limits of the replicates that they make."""

TESTS = Path(__file__).resolve().parents[2] / "tests" / "theory"
EVERY_STATEMENT = "test_verification.py"


@functools.cache
def outcomes() -> list[dict[str, Any]]:
    """Compute every point of every statement, the rows of ``theory verify``, with as many replicates as fit the budget."""
    import joblib

    from theory.numerics.gaussian import two_sided_bound
    from theory.verification import points_of

    points = points_of(None)
    bound = two_sided_bound(1e-4, len(points))
    sizes = [max(LEAST, min(MOST, DRAWS // point.quantity.draws(point.params))) for point in points]
    found = joblib.Parallel(n_jobs=-1)(joblib.delayed(_row)(number, size, bound) for number, size in enumerate(sizes))
    return list(found)


def _row(number: int, replicates: int, bound: float) -> dict[str, Any]:
    """Functions of the statements do not travel between processes, so a point is looked up by its number."""
    from theory.verification import check, points_of

    return check(points_of(None)[number], 0, replicates).row(bound) | {"replicates": replicates}


def statement_part(statement: Statement) -> str:
    """The computed part of a statement's page: where things are, and the check values."""
    rows = [row for row in outcomes() if row["statement"] == statement.id]
    shown = [next(row for row in rows if row["quantity"] == quantity.name) for quantity in statement.quantities]
    agree = sum(bool(row["agrees"]) for row in rows)
    lines = [
        f"`see-in-pairs theory verify {statement.id}` computes every point three ways: symbolic, closed form, raw simulation.\n"
        f"Of the {len(rows)} points below {agree} agree, with $|z|$ up to {max(abs(row['z']) for row in rows):.2f}.\n"
        f"Each simulation here uses at most {DRAWS:,} random numbers and {MOST:,} replicates (at least {LEAST}).",
        "",
        *_table(shown),
        "",
        f"<details><summary>All {len(rows)} points</summary>",
        "",
        *_table(rows),
        "",
        "</details>",
        "",
        "## Where it is",
        "",
        "| quantity | what it is | closed form | symbolic and simulated in | tests |",
        "|---|---|---|---|---|",
        *(_place(quantity) for quantity in statement.quantities),
        "",
    ]
    return "\n".join(lines)


def _table(rows: list[dict[str, Any]]) -> list[str]:
    head = ["| quantity | parameters | symbolic | closed form | simulated | MCSE | z |", "|---|---|---|---|---|---|---|"]
    return head + [
        f"| {row['quantity']} | `{_named(row['params'])}` | {row['symbolic']:.6g} | {row['closed_form']:.6g} | {row['simulated']:.6g} | "
        f"{row['mcse']:.2g} | {row['z']:+.2f} |"
        for row in rows
    ]


def _named(params: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())


def _place(quantity: Quantity) -> str:
    module, simulated = quantity.closed_form.__module__, quantity.simulate.__module__
    function = f"{{py:func}}`{quantity.name} <{module}.{quantity.closed_form.__qualname__}>`"
    tests = ", ".join(
        f"{{download}}`{path.name} <../../../tests/theory/{path.relative_to(TESTS)}>`" for path in _tests(quantity.closed_form, simulated)
    )
    return f"| {quantity.name} | {quantity.summary} | {function} | {{py:mod}}`{simulated}` | {tests} |"


def _tests(function: Callable[..., Any], module: str) -> list[Path]:
    """The test files that use a module of a statement, and the one that verifies them all."""
    names = {function.__module__.rpartition(".")[2], module.rpartition(".")[2]}
    mentioning = [
        path for path in sorted(TESTS.rglob("test_*.py")) if any(re.search(rf"\b{name}\b", path.read_text("utf-8")) for name in names)
    ]
    return [*mentioning, TESTS / EVERY_STATEMENT] if TESTS / EVERY_STATEMENT not in mentioning else mentioning


def index() -> str:
    """A table of the statements with links to their pages."""
    from theory.statements import all_statements

    lines = ["| statement | in words | points that agree | largest abs(z) |", "|---|---|---|---|"]
    for item in all_statements().values():
        rows = [row for row in outcomes() if row["statement"] == item.id]
        counts = f"{sum(bool(row['agrees']) for row in rows)} of {len(rows)} | {max(abs(row['z']) for row in rows):.2f}"
        lines.append(f"| [{item.id} {item.title}]({item.id.lower()}.md) | {item.summary} | {counts} |")
    return "\n".join(lines) + "\n"
