"""The commands ``see-in-pairs theory list | show | verify | value``. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from see_in_pairs.console import Json, Quiet, Seed, emit_json, log, new_app, progress
from see_in_pairs.errors import CheckFailed, InputError, first_few

_SHORT_NUMBER = re.compile(r"[-+]?(\.\d+|\d+\.)([eE][-+]?\d+)?")  # .7 and 1. are not JSON, but they are meant as numbers

app = new_app("Statements about when a reference helps, and their check.")


@app.command("list")
def list_statements(json: Json = None) -> None:
    """List the statements, one per line."""
    from theory.statements import all_statements

    found = all_statements().values()
    if json is not None:
        emit_json(
            [{"statement": s.id, "title": s.title, "summary": s.summary, "quantities": _signatures(s.quantities)} for s in found], json
        )
        return
    for item in found:
        print(f"{item.id:<4} {item.title}: {item.summary} [{', '.join(quantity.name for quantity in item.quantities)}]")


def _signatures(quantities: Sequence[Any]) -> dict[str, list[str]]:
    return {quantity.name: [parameter.name for parameter in quantity.parameters] for quantity in quantities}


@app.command()
def show(
    statement: Annotated[
        str, typer.Argument(metavar="STATEMENT", help="A statement, for example T1; see 'theory list'.", show_default=False)
    ],
    json: Json = None,
) -> None:
    """Show a statement: assumptions, quantities, parameters, formulas.

    Each quantity comes with a command that computes it.
    """
    from theory.statement_text import describe, format_description
    from theory.statements import statement as find

    content = describe(find(statement))
    if json is None:
        print(format_description(content))
    else:
        emit_json(content, json)


@app.command()
def verify(
    statements: Annotated[
        list[str] | None, typer.Argument(metavar="[T1 ...]", help="Statements to check; all by default.", show_default=False)
    ] = None,
    replicates: Annotated[
        int | None,
        typer.Option(
            "--replicates",
            metavar="N",
            min=2,
            help="Replicates per point; by default as many as give a standard error of 5e-4, for at most 5 core-seconds.",
            show_default=False,
        ),
    ] = None,
    json: Json = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for verify.parquet and manifest.json.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", help="Processes; -1 is one per usable core.")] = -1,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Check the theory: symbolic form = closed form = simulation.

    Exit code 1 when anything disagrees.
    """
    from see_in_pairs.files import write_parquet
    from see_in_pairs.processes import bounded_workers
    from see_in_pairs.runs import RunFolder
    from theory.verification import points_of, to_table, verify_rows

    if workers == 0 or workers < -1:
        raise InputError(f"--workers {workers}: give 1 or more, or -1 for one per usable core")
    points = points_of(statements)
    folder = (
        RunFolder(out, "theory verify", {"statements": sorted({p.statement for p in points}), "replicates": replicates}, seed)
        if out
        else None
    )
    log(f"checking {len(points)} points of {len({p.statement for p in points})} statements (symbolic = closed form = simulation)", quiet)

    started = bounded_workers(workers, quiet)
    rows = verify_rows(statements, replicates, seed, started, lambda outcomes, total: progress(outcomes, total, "theory verify", quiet))
    if folder is not None:
        with folder as run:
            write_parquet(run.path / "verify.parquet", to_table(rows))
            run.count("rows", len(rows))
            run.count("disagree", sum(not row["agrees"] for row in rows))
    if json is not None:
        emit_json(rows, json)
    else:
        print(format_rows(rows))
    _report_agreement(rows, quiet)


def _report_agreement(rows: Sequence[dict[str, Any]], quiet: bool) -> None:
    wrong = [f"{row['statement']} {row['quantity']}({_named(row['params'])})" for row in rows if not row["agrees"]]
    if wrong:
        raise CheckFailed(f"{len(wrong)} of {len(rows)} rows disagree: {first_few(wrong)}")
    largest = max(abs(row["z"]) for row in rows)
    log(f"all {len(rows)} rows agree (largest |z| {largest:.2f}; family-wise false alarm at most 1e-4)", quiet)


def format_rows(rows: Sequence[dict[str, Any]]) -> str:
    """Verification rows as a table of fixed-width columns, one line per row."""
    lines = [f"{'':<4} {'quantity':<12} {'symbolic':>10} {'closed':>10} {'simulated':>10} {'mcse':>8} {'z':>6}  agrees  parameters"]
    for row in rows:
        numbers = f"{row['symbolic']:>10.6f} {row['closed_form']:>10.6f} {row['simulated']:>10.6f} {row['mcse']:>8.1e} {row['z']:>6.2f}"
        lines.append(
            f"{row['statement']:<4} {row['quantity']:<12} {numbers}  {'yes' if row['agrees'] else 'NO':<6}  {_named(row['params'])}"
        )
    return "\n".join(lines)


def _named(params: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())


@app.command()
def value(
    statement: Annotated[
        str, typer.Argument(metavar="STATEMENT", help="A statement, for example T1; see 'theory list'.", show_default=False)
    ],
    quantity: Annotated[
        str, typer.Argument(metavar="QUANTITY", help="A quantity of the statement, for example error.", show_default=False)
    ],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE ...", help="Parameters; values as JSON, else text.", show_default=False)
    ] = None,
    json: Json = None,
) -> None:
    """Print one closed-form value."""
    from theory.statements import statement as find

    chosen = find(statement)
    number = chosen.quantity(quantity)
    params = number.bind(parse_settings(settings or []))
    result = float(number.closed_form(**params))
    if number.caveat(params):
        log(f"note: {number.caveat(params)}")
    if json is None:
        print(result)
    else:
        emit_json({"statement": chosen.id, "quantity": number.name, "params": params, "value": result}, json)


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Parse parameters from the command line: each value as JSON where possible, else as text.

    Examples
    --------
    >>> parse_settings(["d=1", "rule=single"])
    {'d': 1, 'rule': 'single'}
    """
    values: dict[str, Any] = {}
    for word in settings:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise InputError(f"'{word}': write NAME=VALUE")
        if name in values:
            raise InputError(f"{name}: given twice")
        values[name] = _parse(text)
    return values


def _parse(text: str) -> Any:
    if _SHORT_NUMBER.fullmatch(text):
        return float(text)
    try:
        return json_module.loads(text)
    except json_module.JSONDecodeError:
        return text
