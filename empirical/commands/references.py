"""The command ``cohort references``: choose references without a run, and inspect them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from empirical.commands.options import config_path
from see_in_pairs.console import Changes, Json, Out, Quiet, Seed, emit_json, log
from see_in_pairs.errors import InputError, did_you_mean, first_few

DEFAULT = "random-references"

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort
    from empirical.references import Assignment, ReferenceConfig


def references(
    cohort: Annotated[Path, typer.Argument(help="Folder of the cohort.", metavar="COHORT")],
    out: Out,
    config: Annotated[
        str | None, typer.Option("--config", metavar="CONFIG", help="A packaged config or a YAML file. [default: random-references]")
    ] = None,
    changes: Changes = None,
    split: Annotated[str, typer.Option("--split", metavar="SPLIT", help="Split of the queries: train, val or test.")] = "test",
    columns: Annotated[
        list[str] | None, typer.Option("--column", metavar="COLUMN", help="Covariate of the balance table; may be repeated.")
    ] = None,
    json: Json = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Choose references for a split, and show their balance.

    Each query gets one or more. A Love plot and a sheet of pairs are drawn.

    Writes references.parquet (with a note on each choice), unmatched.csv, balance.csv, leak.csv (whether the reference alone predicts the
    class), balance.png with .pdf, and pairs.png.
    """
    from empirical.audit import stop_on_errors
    from empirical.audit.reference_leak import reference_findings, reference_table, references_as_text
    from empirical.cohorts import Cohort
    from empirical.references import ReferenceConfig, choose_references
    from empirical.references.diagnostics.balance import COVARIATES, balance_table, unmatched_text
    from empirical.references.diagnostics.love_plot import NOTHING
    from empirical.references.rules import audit_references
    from see_in_pairs.configs import load_config
    from see_in_pairs.files import write_text
    from see_in_pairs.runs import RunFolder

    loaded = Cohort.load(cohort)
    settings = load_config(ReferenceConfig, config_path(config or DEFAULT, "cohort references"), changes or ())
    covariates = tuple(columns) if columns else tuple(column for column in COVARIATES if _filled(loaded, column))
    unknown = [column for column in covariates if column not in loaded.table]
    if unknown:
        raise InputError(
            f"--column {unknown[0]}: no such column (there are {first_few(list(loaded.table.columns), 15)})"
            f"{did_you_mean(unknown[0], loaded.table.columns)}"
        )
    log(f"choose references by strategy '{settings.strategy}' for the {split} queries of {cohort}", quiet)
    identity = {"cohort": loaded.hash, "references": settings.model_dump(), "split": split, "covariates": covariates}
    assignment = choose_references(loaded, split, settings, seed, quiet=quiet)
    stop_on_errors(audit_references(loaded, split, assignment, settings.order))  # as evaluate does; a set may name wrong references
    balance = balance_table(loaded, split, assignment, covariates)
    leak = reference_table(loaded, {split: assignment}, settings.recorded_name, seed, covariates=covariates)
    with RunFolder(out, "cohort references", identity, seed=seed, inputs=[cohort / "cohort.parquet"]) as run:
        _write(run.path, loaded, assignment, balance, seed, settings)
        write_text(run.path / "leak.csv", leak.to_csv(index=False))
        run.count("unmatched", len(assignment.unmatched))
        run.count("left_out", len(assignment.left_out))
    if json is not None:
        content = {"strategy": settings.strategy, "balance": balance.to_dict("records"), "unmatched": len(assignment.unmatched)}
        emit_json(content | {"leak": leak.to_dict("records")}, json)
    else:
        print(balance.round(3).to_string(index=False) if len(balance) else NOTHING)
        print(f"\n{references_as_text(leak)}")
    for finding in reference_findings(leak):
        log(f"warning: {finding.message}; {finding.advice}")
    log(unmatched_text(loaded, split, assignment), quiet)
    log(f"written: {out / 'references.parquet'}, {out / 'balance.png'}, {out / 'pairs.png'}", quiet)


def _filled(cohort: Cohort, column: str) -> bool:
    values = cohort.table[column]
    return bool(values.notna().any()) if column == "age" else values.nunique() > 1


def _write(out: Path, cohort: Cohort, assignment: Assignment, balance: pd.DataFrame, seed: int, settings: ReferenceConfig) -> None:
    from empirical.references.diagnostics.love_plot import love_plot
    from empirical.references.diagnostics.pair_sheet import pair_sheet
    from see_in_pairs.files import atomic_path, write_parquet, write_text

    write_parquet(out / "references.parquet", assignment.table)
    write_text(out / "unmatched.csv", assignment.unmatched.to_csv(index=False))
    write_text(out / "balance.csv", balance.to_csv(index=False))
    figure = love_plot(balance, f"{cohort.info.name}: {assignment.strategy} references")
    for suffix in (".png", ".pdf"):
        with atomic_path(out / f"balance{suffix}") as temporary:
            figure.savefig(temporary, dpi=150)
    with atomic_path(out / "pairs.png") as temporary:
        pair_sheet(cohort, assignment, seed, config=settings).save(temporary)
