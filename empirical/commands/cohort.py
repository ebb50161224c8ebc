"""The commands ``cohort phantom``, ``import``, ``audit`` and ``show``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from empirical.commands import cohort_options as options
from see_in_pairs.configs import load_config
from see_in_pairs.console import Json, Quiet, Seed, emit_json, log, new_app
from see_in_pairs.errors import InputError
from see_in_pairs.runs import RunFolder

app = new_app("Make, import, audit or look at a cohort.")

CohortFolder = Annotated[Path, typer.Argument(metavar="COHORT", help="A folder with cohort.parquet.")]
Changes = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the config, e.g. --set rho=0.5.")]
DEFAULT_PHANTOM = Path(__file__).parents[1] / "cohorts" / "phantom" / "default.yaml"


@app.command()
def phantom(
    out: options.Out,
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="Settings; without it the defaults.")] = None,
    changes: Changes = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Make a phantom cohort: simulated chest images whose truth is known."""
    from empirical.cohorts.phantom import PhantomConfig, make_phantom

    settings = load_config(PhantomConfig, config or DEFAULT_PHANTOM, changes or ())
    total = settings.n_train + settings.n_val + settings.n_test + settings.warmup.n
    log(f"making {total} families of {1 + settings.relatives} images, {settings.size} pixels wide, into {out}", quiet)
    with _new_run(out, "cohort phantom", settings.model_dump(mode="json"), seed=seed) as run:
        cohort = make_phantom(settings, out, seed, quiet)
        run.count("items", len(cohort.table))
        run.count("clipped_pixels", cohort.info.counts["clipped_pixels"])
    log(f"{out}: {len(cohort.table)} items, {cohort.info.counts['clipped_pixels']} pixels clipped", quiet)


@app.command("import")
def import_cohort(
    kind: options.KindOption,
    root: options.Root,
    out: options.Out,
    positive: options.Positive = None,
    healthy: options.Healthy = None,
    patient_pattern: options.PatientPattern = None,
    table: options.Table = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    label_names: options.LabelNames = None,
    uncertain: options.Uncertain = None,
    lateral: options.Lateral = False,
    priors: options.Priors = False,
    name: options.Name = None,
    modality: options.Modality = None,
    finding: options.Finding = None,
    only_present: options.OnlyPresent = False,
    skip_broken: options.SkipBroken = False,
    where: options.Where = None,
    fractions: options.FractionsOption = "0.6,0.1,0.3",
    stratify: options.Stratify = None,
    resplit: options.Resplit = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Import an image set; images stay where they are (those of a .npz file are unpacked)."""
    from empirical.cohorts.readers.registry import import_kind
    from empirical.cohorts.splits import parse_fractions

    given = {
        "positive": positive, "healthy": healthy, "patient_pattern": patient_pattern, "table": table and str(table),
        "columns": _pairs("--column", columns), "delimiter": delimiter, "label_names": _pairs("--label-name", label_names),
        "uncertain": uncertain, "lateral": lateral, "priors": priors, "name": name, "modality": modality, "finding": finding,
        "only_present": only_present, "skip_broken": skip_broken, "where": where, "stratify": stratify, "resplit": resplit,
    }  # fmt: skip
    settings: dict[str, Any] = {key: value for key, value in given.items() if value} | {"fractions": parse_fractions(fractions)}
    if not root.exists():
        raise InputError(f"--root {root}: no such folder")
    log(f"reading {root}; its images are opened once and stay where they are", quiet)
    with _new_run(out, "cohort import", {"kind": kind, "root": str(root.resolve()), **settings}, seed=seed) as run:
        cohort = import_kind(kind, root, out, settings | {"seed": seed, "quiet": quiet})
        for what, number in cohort.info.counts.items():
            run.count(what, number)
    patients = cohort.table["patient_id"].nunique()
    log(f"{out}: {len(cohort.table)} items of {patients} patients; next: see-in-pairs cohort audit {out}", quiet)


@app.command()
def audit(
    cohort: CohortFolder,
    allow: options.Allow = None,
    out: options.ReportFolder = None,
    model: options.VisionModel = None,
    embeddings: options.Embeddings = None,
    rehash: options.Rehash = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    json: Json = None,
) -> None:
    """Check a cohort for leakage and confounds; exit code 1 when something stops."""
    from empirical.audit import audit as find
    from empirical.audit import check_allowed, stop_on_errors, summary
    from empirical.audit.embeddings import embeddings_of
    from empirical.audit.report import write_report
    from empirical.cohorts import Cohort

    loaded = Cohort.load(cohort)
    check_allowed(allow or ())
    findings = find(loaded, seed, embeddings_of(loaded, model, embeddings, quiet), rehash)
    if out is not None:
        settings: dict[str, Any] = {"cohort": loaded.hash, "allow": allow or [], "model": model, "rehash": rehash}
        settings["embeddings"] = embeddings and str(embeddings)
        with RunFolder(out, "cohort audit", settings, seed=seed, inputs=[cohort / "cohort.parquet"]) as run:
            write_report(loaded, findings, run, allow or (), seed)
    if json is not None:
        emit_json(findings, json)
    else:
        print(summary(findings, allow or ()))
    stop_on_errors(findings, allow or ())


@app.command()
def show(
    cohort: CohortFolder,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the page; COHORT/overview by default.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Make a contact sheet and a page of counts, as HTML and PNG."""
    from empirical.cohorts import Cohort
    from empirical.cohorts.overview.page import write_overview
    from empirical.cohorts.overview.summary import summary_tables

    loaded = Cohort.load(cohort)
    folder = out or cohort / "overview"
    with RunFolder(folder, "cohort show", {"cohort": loaded.hash}, seed=seed, inputs=[cohort / "cohort.parquet"]) as run:
        problems = write_overview(loaded, folder, seed)
        run.count("unreadable_pictures", len(problems))
    for problem in problems:
        log(f"warning: {problem}")
    print("\n\n".join(f"{title}\n{table.to_string(index=False)}" for title, table in summary_tables(loaded).items()))
    log(f"pictures: {folder / 'index.html'}", quiet)


def _pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    """Read what is written as KEY=VALUE."""
    parts = [text.partition("=") for text in texts or ()]
    wrong = [f"{key}{equals}{value}" for key, equals, value in parts if not (key and value)]
    if wrong:
        raise InputError(f"{option} {wrong[0]}: write NAME=VALUE")
    return {key.strip(): value.strip() for key, _, value in parts}


@contextmanager
def _new_run(out: Path, command: str, settings: dict[str, Any], seed: int) -> Iterator[RunFolder]:
    """Open a run folder, and leave none behind when the input was at fault, so that the corrected command may use the same folder."""
    was_there, had_manifest, opened = out.exists(), (out / "manifest.json").exists(), False
    try:
        with RunFolder(out, command, settings, seed=seed) as run:
            opened = True
            yield run
    except InputError:
        if opened and not had_manifest:
            (out / "manifest.json").unlink()
        if opened and not was_there and not any(out.iterdir()):
            out.rmdir()
        raise
