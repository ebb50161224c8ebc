"""The commands ``claims``, ``figures``, ``report`` and ``verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from see_in_pairs.console import Json, NoSeed, Quiet, Seed, emit_json, log
from see_in_pairs.errors import CheckFailed

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The output folder of 'see-in-pairs reproduce'.", show_default=True)]
DEFAULT_OUT = Path("out/reproduce")


def claims(
    out: Out = DEFAULT_OUT,
    real: Annotated[
        Path | None, typer.Option("--real", metavar="DIR", help="Folder with the records of real runs (records.parquet, runs.json).")
    ] = None,
    studies: Annotated[
        list[Path] | None, typer.Option("--study", metavar="DIR", help="Output of 'see-in-pairs study' (C3, C4, C5, C7); may be repeated.")
    ] = None,
    json: Json = None,
    seed: NoSeed = 0,
    quiet: Quiet = False,
) -> None:
    """Judge the claims by the content of an output folder.

    Writes claims.json, claims.csv (every estimate) and controls.json.
    """
    from paper_figures.claims.ledger import one_line
    from paper_figures.outputs import write_claims

    log(f"judge the claims by the theory checks and records in {out}", quiet)
    ledger = write_claims(out, real=real, studies=studies or ())
    if json is not None:
        return emit_json(ledger.to_list(), json)
    for entry in ledger.entries:
        print(f"{entry.claim.id}  {entry.claim.text}")
        for source, verdict in entry.verdicts.items():
            print(f"    {source:<11} {one_line(verdict)}")
    log(f"written: {out / 'claims.json'}, {out / 'claims.csv'}, {out / 'controls.json'}", quiet)


def figures(
    out: Out = DEFAULT_OUT,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="NAME", help="Draw this figure only; may be repeated.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Draw the figures of an output folder. Each is a PNG and a PDF, with its data in a CSV file."""
    from paper_figures.outputs import write_figures

    log(f"draw the figures of {out}", quiet)
    for path in write_figures(out, only=only or (), seed=seed, quiet=quiet):
        print(path)


def report(out: Out = DEFAULT_OUT, seed: NoSeed = 0, quiet: Quiet = False) -> None:
    """Write the report of an output folder: one page, no network.

    It needs no other file.
    """
    from paper_figures.outputs import write_report

    log(f"write the report of {out} (seed {seed} is not used: nothing here is random)" if seed else f"write the report of {out}", quiet)
    print(write_report(out))


def methods(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, with manifest.json and CSV tables.", metavar="RUN")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder to write into; by default RUN/methods.", show_default=False)
    ] = None,
    seed: NoSeed = 0,
    quiet: Quiet = False,
) -> None:
    """Write the methods paragraph of a run.

    Also a sheet of items to report, and LaTeX macros of its numbers, each traced to its cell.
    """
    from paper_figures.report.methods import write_methods

    log(f"numbers of {run}", quiet)
    for path in write_methods(run, out or run / "methods"):
        print(path)


def verify(
    figure: Annotated[Path, typer.Argument(help="A figure that this package drew, or a folder of 'methods'.", metavar="PATH")],
    json: Json = None,
    seed: NoSeed = 0,
    quiet: Quiet = False,
) -> None:
    """Trace a figure: its origin, and whether it is stale.

    Of a folder of 'methods', compares every number with its cell.

    Exit code 0 fresh, 1 stale or a number that differs, 2 not ours.
    """
    if figure.is_dir():
        return _verify_numbers(figure, json)
    from paper_figures.plotting.staleness import check_figure

    found = check_figure(figure)
    if json is not None:
        emit_json(found.to_dict(), json)
    else:
        _describe(figure, found.to_dict())
    if not found.fresh:
        raise CheckFailed(f"{figure}: stale: {'; '.join(found.reasons)}; draw it again with 'see-in-pairs figures'")


def _verify_numbers(folder: Path, json: str | None) -> None:
    from paper_figures.report.methods import check_numbers

    count, wrong = check_numbers(folder)
    if json is not None:
        emit_json({"numbers": count, "wrong": wrong}, json)
    else:
        print("\n".join(wrong) or f"{count} numbers, each as in its cell")
    if wrong:
        raise CheckFailed(f"{folder}: {len(wrong)} of {count} numbers or files differ; the first: {wrong[0]}")


def _describe(figure: Path, facts: dict[str, object]) -> None:
    lines = {
        "figure": f"{figure} ('{facts['name']}')",
        "shows": facts["title"],
        "bears on": facts["claim"],
        "data": f"{facts['name']}.csv, SHA-256 {facts['data_sha256']}",
        "code": f"version {facts['version']}, commit {facts['commit'] or 'unknown'}",
        "config": facts["config_hash"] or "unknown",
        "seed": facts["seed"],
        "made from": ", ".join(facts["sources"]),  # type: ignore[arg-type]
        "state": "stale" if facts["stale"] else "fresh: data, sources, config and drawing code are unchanged",
    }
    for name, value in lines.items():
        print(f"{name:<10} {value}")
    for remark in facts["notes"]:  # type: ignore[attr-defined]
        print(f"{'note':<10} {remark}")
